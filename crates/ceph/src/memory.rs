//! A cluster in memory, for tests: it answers as Ceph 16.2 does, errnos and texts included.
//!
//! [`Memory`] is the cluster and outlives its clients, as a real one does: drop every client, connect
//! again, and what was written is still there. It passes [`crate::suite`], as the real one does.

mod client;
mod lock;
mod mon;
mod object;
mod op;
mod volumes;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};

pub use client::MemoryClient;
pub use object::ObjectState;
pub use volumes::{Cloner, Mds, Origin, QuiesceState, SnapshotState, Stage, SubvolumeState};

use crate::health::Check;
use crate::pool::{Connect, Identity};
use crate::{Cluster, Context, Error, ErrorKind, Filesystem, Object, Result, Subvolume};

/// A whole cluster. Clones are the same cluster.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

/// Everything that a cluster keeps.
struct State {
    /// Pools by id.
    pools: BTreeMap<i64, Pool>,
    filesystems: Vec<volumes::Volume>,
    /// Keys by user; no user at all means that anybody may connect.
    users: BTreeMap<String, SecretString>,
    /// What the cluster complains of.
    checks: Vec<Check>,
    /// The version of the latest write, for all objects as RADOS counts them per placement group.
    version: u64,
    clients: u64,
    cloner: Cloner,
    /// Unfinished clones, the oldest first.
    clones: Vec<volumes::Job>,
    /// Snapshots that a subvolume can have.
    snapshot_limit: usize,
    /// Whether `fs quiesce` is known.
    quiesces: bool,
    /// Quiesce sets by file system and name.
    quiesced: BTreeMap<(String, String), QuiesceState>,
    set_version: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            pools: BTreeMap::new(),
            filesystems: Vec::new(),
            users: BTreeMap::new(),
            version: 0,
            checks: Vec::new(),
            clients: 0,
            cloner: Cloner::default(),
            clones: Vec::new(),
            snapshot_limit: 100,
            quiesces: false,
            quiesced: BTreeMap::new(),
            set_version: 0,
        }
    }
}

/// Bytes that fit into a new pool.
const ROOM: u64 = 20 << 30;

struct Pool {
    name: String,
    full: bool,
    /// Bytes that still fit, `None` as long as they are not counted.
    room: Option<u64>,
    objects: BTreeMap<(String, String), ObjectState>,
}

impl Memory {
    /// An empty cluster that accepts every user.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file system with a metadata pool `NAME-metadata` and a data pool `NAME-data`.
    pub fn create_filesystem(&self, name: &str) -> Filesystem {
        let mut state = self.lock();
        let metadata_pool = state.create_pool(format!("{name}-metadata"));
        let data_pool = state.create_pool(format!("{name}-data"));
        let newest = state.filesystems.iter().map(|fs| fs.facts.id).max();
        let facts = Filesystem {
            name: name.to_owned(),
            id: newest.unwrap_or(0) + 1,
            metadata_pool,
            data_pools: vec![data_pool],
        };
        state.filesystems.push(volumes::Volume::new(facts.clone()));
        facts
    }

    /// Removes a file system with its subvolumes and its pools; nothing happens if it is not there.
    pub fn remove_filesystem(&self, name: &str) {
        let mut state = self.lock();
        let (removed, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut state.filesystems)
            .into_iter()
            .partition(|fs| fs.facts.name == name);
        state.filesystems = kept;
        for facts in removed.into_iter().map(|fs| fs.facts) {
            state.pools.remove(&facts.metadata_pool);
            for pool in facts.data_pools {
                state.pools.remove(&pool);
            }
        }
    }

    /// Gives a file system another name, as `ceph fs rename` does. Nothing happens if it is not there.
    pub fn rename_filesystem(&self, from: &str, to: &str) {
        let mut state = self.lock();
        if let Some(volume) = state.volume_mut(from) {
            to.clone_into(&mut volume.facts.name);
        }
        let clones = state.clones.iter_mut();
        for job in clones.filter(|job| job.at.fs == from) {
            to.clone_into(&mut job.at.fs);
        }
    }

    /// Adds a subvolume group; nothing happens if it or no such file system is there.
    pub fn create_group(&self, fs: &str, group: &str) {
        if let Some(volume) = self.lock().volume_mut(fs) {
            volume.create_group(group);
        }
    }

    /// Adds a cephx user, or changes its key. From now on only users with their keys may connect.
    pub fn create_user(&self, user: &str, key: SecretString) {
        self.lock().users.insert(user.to_owned(), key);
    }

    /// A new client of this cluster.
    pub fn client(&self) -> Arc<dyn Cluster> {
        Arc::new(MemoryClient::new(self.clone()))
    }

    /// Pretends that files of `bytes` were written into a subvolume.
    pub fn fill(&self, at: &Subvolume, bytes: u64) {
        if let Some(volume) = self.lock().volume_mut(&at.fs) {
            volume.fill(at, bytes);
        }
    }

    /// Changes how clones are made from now on.
    pub fn set_cloner(&self, cloner: Cloner) {
        self.lock().cloner = cloner;
    }

    /// Sets how many snapshots a subvolume can have, 100 at first.
    pub fn set_snapshot_limit(&self, limit: usize) {
        self.lock().snapshot_limit = limit;
    }

    /// Stops or starts the only metadata server of a file system. While it is stopped, the manager's
    /// commands on subvolumes hang, as those of the real one do.
    pub fn set_mds(&self, fs: &str, mds: Mds) {
        if let Some(volume) = self.lock().volume_mut(fs) {
            volume.mds = mds;
        }
    }

    /// Leaves `room` bytes in the pool `name`; with none it is full.
    pub fn set_room(&self, name: &str, room: u64) {
        let mut state = self.lock();
        let pools = state.pools.values_mut();
        for pool in pools.filter(|pool| pool.name == name) {
            pool.room = Some(room);
            pool.full = room == 0;
        }
    }

    /// Tells nothing of the pool `name`, as if it had just been made.
    pub fn forget_room(&self, name: &str) {
        let mut state = self.lock();
        let pools = state.pools.values_mut();
        for pool in pools.filter(|pool| pool.name == name) {
            pool.room = None;
        }
    }

    /// What the cluster complains of from now on.
    pub fn set_checks(&self, checks: Vec<Check>) {
        self.lock().checks = checks;
    }

    /// Makes it know `fs quiesce`, as Ceph 20 does.
    pub fn know_quiesce(&self) {
        self.lock().quiesces = true;
    }

    /// Names of the quiesce sets whose members are quiet now.
    pub fn quiet_sets(&self) -> Vec<String> {
        let mut state = self.lock();
        state.expire();
        let quiet = |set: &&QuiesceState| set.state == "QUIESCED";
        let sets = state.quiesced.iter();
        sets.filter(|(_, set)| quiet(set))
            .map(|((_, name), _)| name.clone())
            .collect()
    }

    /// All objects there are, for leak checks.
    pub fn objects(&self) -> BTreeMap<Object, ObjectState> {
        let state = self.lock();
        let objects = state.pools.iter().flat_map(|(&pool, content)| {
            content
                .objects
                .iter()
                .map(move |((namespace, name), object)| {
                    let (namespace, name) = (namespace.clone(), name.clone());
                    let at = Object {
                        pool,
                        namespace,
                        name,
                    };
                    (at, object.clone())
                })
        });
        objects.collect()
    }

    /// All subvolumes there are, in the order of their file systems, groups and names.
    pub fn subvolumes(&self) -> Vec<(Subvolume, SubvolumeState)> {
        let state = self.lock();
        state
            .filesystems
            .iter()
            .flat_map(volumes::Volume::subvolumes)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn create_pool(&mut self, name: String) -> i64 {
        let id = self.pools.keys().next_back().copied().unwrap_or(0) + 1;
        let pool = Pool {
            name,
            full: false,
            room: Some(ROOM),
            objects: BTreeMap::new(),
        };
        self.pools.insert(id, pool);
        id
    }

    fn volume_mut(&mut self, name: &str) -> Option<&mut volumes::Volume> {
        self.filesystems.iter_mut().find(|fs| fs.facts.name == name)
    }
}

#[async_trait]
impl Connect for Memory {
    async fn connect(&self, cx: &Context, identity: &Identity) -> Result<Arc<dyn Cluster>> {
        let call = format!("connect {identity}");
        cx.within("connect", &call, async {
            tokio::task::yield_now().await;
            let state = self.lock();
            let known = state.users.get(&identity.user);
            let key_fits = |key: &SecretString| key.expose_secret() == identity.key.expose_secret();
            if !state.users.is_empty() && !known.is_some_and(key_fits) {
                return Err(Error::new(
                    ErrorKind::PermissionDenied,
                    &*call,
                    "no such user, or another key",
                ));
            }
            drop(state);
            Ok(self.client())
        })
        .await
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
