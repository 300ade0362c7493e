//! Facts about file systems, from `fs dump`, remembered because they hardly ever change.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::{Cluster, Command, Context, Error, ErrorKind, Result};

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

/// Asks for all file systems that the user of `cluster` may see (monitor command `fs dump`).
pub async fn list(cluster: &dyn Cluster, cx: &Context) -> Result<Vec<Filesystem>> {
    let answer = cluster
        .mon_command(cx, &Command::new("fs dump", &NoArguments {})?)
        .await?;
    parse(&answer)
}

/// The file systems that one connection sees.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    filesystems: Vec<Filesystem>,
    since: Instant,
}

impl Cache {
    /// The file system that `wanted` accepts; `what` names it in errors.
    pub(crate) async fn find(
        &self,
        cluster: &dyn Cluster,
        cx: &Context,
        what: &str,
        wanted: impl Fn(&Filesystem) -> bool + Send + Sync,
    ) -> Result<Filesystem> {
        // Held while asking, so that callers who come meanwhile use that answer.
        let mut known = cx.within(what, async { Ok(self.0.lock().await) }).await?;
        if let Some(known) = &*known {
            let found = known.filesystems.iter().find(|fs| wanted(fs));
            let max_age = if found.is_some() {
                MAX_AGE
            } else {
                MISS_INTERVAL
            };
            if known.since.elapsed() < max_age {
                return found.cloned().ok_or_else(|| known.missing(what));
            }
        }
        let fresh = known.insert(Known {
            filesystems: list(cluster, cx).await?,
            since: Instant::now(),
        });
        let found = fresh.filesystems.iter().find(|fs| wanted(fs));
        found.cloned().ok_or_else(|| fresh.missing(what))
    }
}

impl Known {
    fn missing(&self, what: &str) -> Error {
        let names: Vec<_> = self.filesystems.iter().map(|fs| fs.name.as_str()).collect();
        let detail = if names.is_empty() {
            "this user sees no file system; its mon capability must allow `r` for the wanted one"
                .to_owned()
        } else {
            format!("this user sees: {}", names.join(", "))
        };
        Error::new(ErrorKind::NotFound, what, detail)
    }
}

#[derive(Serialize)]
struct NoArguments {}

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
}

fn parse(answer: &[u8]) -> Result<Vec<Filesystem>> {
    let dump: FsDump = serde_json::from_slice(answer).map_err(|error| {
        Error::new(
            ErrorKind::BadAnswer,
            "mon command `fs dump`",
            error.to_string(),
        )
    })?;
    let filesystem = |entry: FsDumpEntry| Filesystem {
        name: entry.mdsmap.fs_name,
        id: entry.id,
        metadata_pool: entry.mdsmap.metadata_pool,
        data_pools: entry.mdsmap.data_pools,
    };
    Ok(dump.filesystems.into_iter().map(filesystem).collect())
}

#[cfg(test)]
mod tests;
