//! Volumes whose client has died or was shut out are mounted anew without being asked.
//!
//! Every [`ROUND`] the clients of all staged volumes are looked at, without a look at the mounts of those
//! that are known to be dead. A dead volume is mounted again at its staging path, and that is bound again
//! to its targets, as stage and publish would do it. Each is an operation that excludes requests for the
//! volume, and any step may be the last one of this process: the next one goes on from the mount table and
//! the records.

mod mend;
mod places;
pub(super) mod record;
pub(super) mod takeover;

pub(super) use mend::Mended;
pub(super) use takeover::discard;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ceph::Context;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use self::mend::mend;
use self::record::{Record, Records};
use super::Node;
use super::tell::tell;
use crate::mount::{self, Liveness, Mount, MountTable};
use crate::rpc::Frame;

/// Time between two looks at all clients.
const ROUND: Duration = Duration::from_millis(1500);

/// How long a look at one mount may take.
const LOOK: Duration = Duration::from_secs(1);

/// The longest time between two attempts at a volume that cannot be mounted.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Time between two looks at clients that have lost their mounts.
const SWEEP: Duration = Duration::from_mins(1);

/// How long a client without a mount may stay: after as long a silence its cluster shuts it out, and what
/// it holds cannot be written any more (`mds_session_autoclose`).
const GRACE: Duration = Duration::from_mins(5);

/// What the node service knows for the recovery of volumes.
#[derive(Debug)]
pub struct Recovery {
    records: Records,
    /// Whether running containers are given the new mount.
    heal_running_pods: bool,
    /// Volumes that could not be mounted, and when to try again.
    pauses: Mutex<HashMap<String, Pause>>,
    /// Volumes whose client runs, and what it said that made them look dead; it has not answered since.
    suspects: Mutex<HashMap<String, String>>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Instant,
    length: Duration,
}

impl Recovery {
    /// With the volumes of `records`; `heal_running_pods` puts new mounts into running containers.
    pub fn new(records: Records, heal_running_pods: bool) -> Self {
        Self {
            records,
            heal_running_pods,
            pauses: Mutex::default(),
            suspects: Mutex::default(),
        }
    }

    /// The volume has been mounted at the staging path.
    pub(super) fn staged(&self, volume: &str, staging: &Path, fs: &mount::CephFs, device: &str) {
        // Of a mount before this one: an unstage can come between a look and what was heard.
        self.succeeded(volume);
        let known = self.records.get(volume);
        let known = known.filter(|known| known.staging == staging);
        let mut record = Record {
            volume: volume.to_owned(),
            staging: staging.to_owned(),
            devices: Vec::new(),
            dead: BTreeMap::new(),
            mending: false,
            owed: Vec::new(),
            fs: fs.clone(),
        };
        if let Some(known) = known {
            // Else another driver has staged and unstaged it since, and the numbers may be anybody's.
            if known.mending || known.devices.last().is_some_and(|last| last == device) {
                record.devices = known.devices;
            }
            (record.dead, record.owed) = (known.dead, known.owed);
        }
        record.revive(device);
        self.records.put(record);
    }

    /// The mount at the staging path of `volume` was found dead, as `table` shows it, and is about to go.
    pub(super) fn condemn(&self, volume: &str, table: &MountTable) {
        self.records.change(volume, |record| record.condemn(table));
    }

    /// The volume is to be taken away.
    pub(super) fn forget(&self, volume: &str) {
        self.records.remove(volume);
        self.lock().remove(volume);
        self.suspects().remove(volume);
    }

    /// Why the volume is to be taken for dead, if it is: a client that runs has to say so twice. Silence is no
    /// answer, and after the first time as good as the second: one that was shut out while it opened its session
    /// waits for ever.
    fn believes(&self, volume: &str, look: Look) -> Option<String> {
        let mut suspects = self.suspects();
        match look {
            Look::Answers => {
                suspects.remove(volume);
                None
            }
            Look::Silent => suspects.get(volume).cloned(),
            Look::Dead { why, certain } => {
                let before = suspects.insert(volume.to_owned(), why.clone());
                (certain || before.is_some()).then_some(why)
            }
        }
    }

    /// The target is to be taken away.
    pub(super) fn unpublished(&self, target: &Path) {
        for record in self.records.all() {
            if record.knows(target) {
                self.records
                    .change(&record.volume, |record| record.release(target));
            }
        }
    }

    /// How the volumes are that are staged.
    pub(super) fn states(&self) -> States {
        let pauses = self.lock();
        let mut states = States::default();
        for record in self.records.all() {
            let count = if pauses.contains_key(&record.volume) {
                &mut states.failed
            } else if record.mending || !record.owed.is_empty() {
                &mut states.recovering
            } else {
                &mut states.mounted
            };
            *count += 1;
        }
        states
    }

    fn may_try(&self, volume: &str) -> bool {
        let pauses = self.lock();
        pauses
            .get(volume)
            .is_none_or(|pause| pause.until <= Instant::now())
    }

    fn succeeded(&self, volume: &str) {
        self.lock().remove(volume);
        self.suspects().remove(volume);
    }

    fn failed(&self, volume: &str) {
        let mut pauses = self.lock();
        let length = pauses
            .get(volume)
            .map_or(ROUND, |pause| (pause.length * 2).min(LONGEST_PAUSE));
        let until = Instant::now() + length;
        pauses.insert(volume.to_owned(), Pause { until, length });
    }

    fn suspects(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Pause>> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many volumes are in which state.
#[derive(Debug, Default)]
pub(super) struct States {
    /// Mounted, as far as is known.
    pub(super) mounted: usize,
    /// Being mounted anew.
    pub(super) recovering: usize,
    /// Dead, and could not be mounted anew at the last attempt.
    pub(super) failed: usize,
}

/// Looks after the volumes of `node` until `shutdown`.
pub async fn watch(node: Arc<Node>, frame: Arc<Frame>, shutdown: CancellationToken) {
    let work = async {
        takeover::run(&node).await;
        loop {
            round(&node, &frame).await;
            tokio::time::sleep(ROUND).await;
        }
    };
    let sweep = async {
        loop {
            let cx = Context::with_timeout(SWEEP);
            if let Err(error) = node.mounts.end_leftovers(&cx, GRACE).await {
                tracing::warn!("{error}");
            }
            tokio::time::sleep(SWEEP).await;
        }
    };
    tokio::select! {
        ((), ()) = futures::future::join(work, sweep) => {}
        () = shutdown.cancelled() => {}
    }
}

/// Looks at all volumes once, and mends those that need it.
pub(super) async fn round(node: &Arc<Node>, frame: &Arc<Frame>) {
    let recovery = &node.recovery;
    let due = recovery.records.all().into_iter();
    let due: Vec<_> = due
        .filter(|record| recovery.may_try(&record.volume))
        .collect();
    if due.is_empty() {
        return;
    }
    let cx = Context::with_timeout(LOOK);
    let table = match node.mounts.table(&cx).await {
        Ok(table) => table,
        Err(error) => return tracing::warn!("cannot look after volumes: {error}"),
    };
    let each = due.into_iter().map(|record| {
        let table = &table;
        async move {
            if let Some(need) = needs(node, &record, table).await {
                let outcome = mend(node, frame, &record, &need).await;
                tell(node, &record, table, &need.why, outcome);
            }
        }
    });
    join_all(each).await;
}

/// That a volume has to be mended.
struct Need {
    why: String,
    /// Its client is dead.
    dead: bool,
}

impl Need {
    fn of_places(why: &str) -> Self {
        Self {
            why: why.to_owned(),
            dead: false,
        }
    }
}

/// Why the volume needs to be mended; `None` if it does not.
async fn needs(node: &Node, record: &Record, table: &MountTable) -> Option<Need> {
    if record.mending {
        return Some(Need::of_places("mounting it anew has begun and not ended"));
    }
    let mut mounts = table.mounts().iter();
    if !mounts.any(|mount| record.shows(mount)) {
        // Unmounted by somebody else.
        node.recovery.forget(&record.volume);
        return None;
    }
    let staged = record.staged(table)?;
    let look = look(node, staged).await;
    if let Some(why) = node.recovery.believes(&record.volume, look) {
        return Some(Need { why, dead: true });
    }
    if !record.owed.is_empty() || record.stale(table).next().is_some() {
        let why = "places where it was published still show its dead mount";
        return Some(Need::of_places(why));
    }
    let elsewhere = record.devices.len() > 1 && node.recovery.heal_running_pods;
    elsewhere.then(|| Need::of_places("running containers may still have its dead mount"))
}

/// What there is to see of a client.
enum Look {
    /// It will never answer again.
    Dead {
        why: String,
        /// Nothing that runs could make good for it.
        certain: bool,
    },
    Answers,
    /// It may answer yet, or nobody knows.
    Silent,
}

/// Looks at the client of `mount`.
async fn look(node: &Node, mount: &Mount) -> Look {
    let cx = Context::with_timeout(LOOK);
    match node.mounts.liveness(&cx, mount).await {
        Ok(Liveness::Dead(why)) => Look::Dead { why, certain: true },
        // Shut out by its cluster it runs on. One question at a time is open about a mount that hangs.
        Ok(Liveness::Alive | Liveness::Unknown) if mount.is_fuse() => {
            match node.mounts.probe(&cx, mount).await {
                Err(mount::Error::Dead { source, .. }) => Look::Dead {
                    why: format!("its client was evicted, or ended: {source}"),
                    certain: source.kind() == std::io::ErrorKind::NotConnected,
                },
                Ok(()) => Look::Answers,
                // That it could not be asked is no answer either.
                Err(_) => Look::Silent,
            }
        }
        Ok(Liveness::Alive) => Look::Answers,
        // What the kernel's client answers can be an error of the moment.
        _ => Look::Silent,
    }
}
