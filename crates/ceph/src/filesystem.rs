//! Facts about file systems, from `fs dump`, remembered because they hardly ever change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::mon::{self, NoArguments};
use crate::{Cluster, Context, Error, ErrorKind, Result};

/// What is known is asked again after this time.
const MAX_AGE: Duration = Duration::from_mins(10);
/// An unknown name or id makes one `fs dump` in this time, however often it is asked for.
const MISS_INTERVAL: Duration = Duration::from_secs(5);

/// A CephFS file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// Name.
    pub name: String,
    /// The fscid; a file system made anew under an old name gets another one.
    pub id: i64,
    /// Id of the metadata pool, where the journal is.
    pub metadata_pool: i64,
    /// Ids of the data pools, the default one first.
    pub data_pools: Vec<i64>,
}

/// A file system with the state of its metadata servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesystemState {
    /// Which.
    pub filesystem: Filesystem,
    /// Its metadata servers.
    pub ranks: Ranks,
}

/// The ranks among which the metadata of a file system is divided, each served by one daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranks {
    /// Ranks that have to be served.
    pub wanted: BTreeSet<i64>,
    /// Ranks that are served, with the names of their daemons.
    pub active: BTreeMap<i64, String>,
    /// Ranks whose metadata is damaged; no daemon serves them until somebody has repaired it.
    pub damaged: BTreeSet<i64>,
}

/// Asks for all file systems that the user of `cluster` may see (monitor command `fs dump`).
pub async fn list(cluster: &dyn Cluster, cx: &Context) -> Result<Vec<Filesystem>> {
    let states = states(cluster, cx).await?;
    Ok(states.into_iter().map(|state| state.filesystem).collect())
}

/// The same with the state of their metadata servers.
pub async fn states(cluster: &dyn Cluster, cx: &Context) -> Result<Vec<FilesystemState>> {
    let dump: FsDump = mon::ask(cluster, cx, "fs dump", &NoArguments {}).await?;
    Ok(dump.into())
}

/// Which file system.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    Named(&'a str),
    WithId(i64),
}

impl Wanted<'_> {
    fn is(self, filesystem: &Filesystem) -> bool {
        match self {
            Self::Named(name) => filesystem.name == name,
            Self::WithId(id) => filesystem.id == id,
        }
    }
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "file system `{name}`"),
            Self::WithId(id) => write!(f, "file system with id {id}"),
        }
    }
}

/// The file systems that one connection sees.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    known: Mutex<Option<Known>>,
    outdated: AtomicBool,
    missed: AtomicBool,
}

#[derive(Debug)]
struct Known {
    filesystems: Vec<Filesystem>,
    since: Instant,
}

impl Cache {
    /// Whoever asks from now on gets a new answer.
    pub(crate) fn forget(&self) {
        self.outdated.store(true, Ordering::Relaxed);
    }

    /// Whether a file system was asked for that was not among them.
    pub(crate) fn has_missed(&self) -> bool {
        self.missed.load(Ordering::Relaxed)
    }

    /// The wanted file system.
    pub(crate) async fn find(
        &self,
        cluster: &dyn Cluster,
        cx: &Context,
        wanted: Wanted<'_>,
    ) -> Result<Filesystem> {
        let what = wanted.to_string();
        // Held while asking, so that callers who come meanwhile use that answer.
        let mut known = cx
            .within("file systems known", &what, async {
                Ok(self.known.lock().await)
            })
            .await?;
        if self.outdated.swap(false, Ordering::Relaxed) {
            *known = None;
        }
        if !known.as_ref().is_some_and(|known| known.answers(wanted)) {
            let filesystems = list(cluster, cx).await?;
            let since = Instant::now();
            *known = Some(Known { filesystems, since });
        }
        let visible = known.as_ref().map_or(&[][..], |known| &known.filesystems);
        if let Some(found) = visible.iter().find(|fs| wanted.is(fs)) {
            return Ok(found.clone());
        }
        self.missed.store(true, Ordering::Relaxed);
        Err(missing(wanted, visible))
    }
}

impl Known {
    /// Whether it is recent enough.
    fn answers(&self, wanted: Wanted<'_>) -> bool {
        let max_age = if self.filesystems.iter().any(|fs| wanted.is(fs)) {
            MAX_AGE
        } else {
            MISS_INTERVAL
        };
        self.since.elapsed() < max_age
    }
}

/// Says that a file system is not among those that the user sees.
fn missing(wanted: Wanted<'_>, visible: &[Filesystem]) -> Error {
    let names: Vec<_> = visible.iter().map(|fs| fs.name.as_str()).collect();
    if !names.is_empty() {
        let detail = format!("this user sees: {}", names.join(", "));
        return Error::new(ErrorKind::NotFound, wanted.to_string(), detail);
    }
    let (kind, call) = match wanted {
        Wanted::Named(_) => (ErrorKind::NotFound, wanted.to_string()),
        // Whoever has an id knows that there was one.
        Wanted::WithId(_) => {
            let call = format!("mon command `fs dump` for {wanted}");
            (ErrorKind::PermissionDenied, call)
        }
    };
    let detail =
        "this user sees no file system; its mon capability must allow `r` for the wanted one";
    Error::new(kind, call, detail)
}

/// The part of the answer to `fs dump` that is used here.
#[derive(Deserialize)]
struct FsDump {
    filesystems: Vec<FsDumpEntry>,
}

#[derive(Deserialize)]
struct FsDumpEntry {
    id: i64,
    mdsmap: MdsMap,
}

#[derive(Deserialize)]
struct MdsMap {
    fs_name: String,
    metadata_pool: i64,
    data_pools: Vec<i64>,
    r#in: BTreeSet<i64>,
    damaged: BTreeSet<i64>,
    info: BTreeMap<String, Daemon>,
}

#[derive(Deserialize)]
struct Daemon {
    name: String,
    rank: i64,
    state: String,
}

impl From<FsDump> for Vec<FilesystemState> {
    fn from(dump: FsDump) -> Self {
        dump.filesystems.into_iter().map(Into::into).collect()
    }
}

impl From<FsDumpEntry> for FilesystemState {
    fn from(entry: FsDumpEntry) -> Self {
        let map = entry.mdsmap;
        // One that hands its rank over, `up:stopping`, still serves it.
        let serves = |daemon: &Daemon| matches!(&*daemon.state, "up:active" | "up:stopping");
        let daemons = map.info.into_values().filter(serves);
        Self {
            filesystem: Filesystem {
                name: map.fs_name,
                id: entry.id,
                metadata_pool: map.metadata_pool,
                data_pools: map.data_pools,
            },
            ranks: Ranks {
                wanted: map.r#in,
                active: daemons.map(|daemon| (daemon.rank, daemon.name)).collect(),
                damaged: map.damaged,
            },
        }
    }
}

#[cfg(test)]
mod tests;
