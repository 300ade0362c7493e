//! `config.json`: which monitors and settings belong to a clusterID.
//!
//! The file is a mounted ConfigMap, so an edit swaps a symbolic link under the running driver.
//! [`Config::cluster`] looks at the file's identity on each call (one `stat`) and reads it again when
//! that has changed. A file that cannot be read or parsed is reported once, and the last good copy
//! stays in use: a typing error must not take down the volumes of a running cluster.

mod entry;
mod file;
mod json;
#[cfg(test)]
mod tests;

pub use entry::{ClusterEntry, ClusterMap, ReadAffinity, SecretRef, parse};
pub use json::ParseError;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::logging::useful;
use file::Stamp;

/// Where a pod has the file unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/ceph-csi-config/config.json";

/// Subvolume group of clusters that name none.
pub const DEFAULT_SUBVOLUME_GROUP: &str = "csi";

/// RADOS namespace of the journal for clusters that name none.
pub const DEFAULT_RADOS_NAMESPACE: &str = "csi";

/// Why there is no answer for a clusterID.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no file.
    #[error(
        "config file `{}`: not found; mount the ConfigMap with key `config.json` there, or name \
         another file with --config-file", path.display()
    )]
    Absent {
        /// The file looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("config file `{}`: cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("config file `{}`: cannot be used", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: ParseError,
    },
    /// No entry has this clusterID.
    #[error("clusterID `{id}` is not in config.json; it has: {known}")]
    UnknownCluster {
        /// The clusterID asked for.
        id: String,
        /// Those that are there, for reading.
        known: String,
    },
    /// There are no entries at all.
    #[error("config file `{}`: it lists no clusters", path.display())]
    NoClusters {
        /// The file.
        path: PathBuf,
    },
    /// The entry has no monitors.
    #[error("clusterID `{id}` has no monitors in config.json; list at least one in `monitors`")]
    NoMonitors {
        /// The clusterID asked for.
        id: String,
    },
}

/// The file and its last good copy.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    default_rados_namespace: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What was there when the file was last looked at; `None` before the first look.
    seen: Option<Stamp>,
    /// The last copy that could be parsed.
    good: Option<Arc<ClusterMap>>,
}

impl Config {
    /// Starts to follow the file at `path`, which need not exist yet.
    ///
    /// `default_rados_namespace` is for clusters whose entry has no `cephFS.radosNamespace`
    /// (`--radosnamespacecephfs`, else [`DEFAULT_RADOS_NAMESPACE`]).
    pub fn open(path: impl Into<PathBuf>, default_rados_namespace: impl Into<String>) -> Self {
        let config = Self {
            path: path.into(),
            default_rados_namespace: default_rados_namespace.into(),
            state: Mutex::default(),
        };
        // Only for the log line: an error is logged there, and the first RPC meets it again.
        drop(config.clusters());
        config
    }

    /// The file that is followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The entry of cluster `id` as the file says now.
    pub fn cluster(&self, id: &str) -> Result<ClusterEntry, Error> {
        let clusters = self.clusters()?;
        let Some(entry) = clusters.get(id) else {
            return Err(Error::UnknownCluster {
                id: id.to_owned(),
                known: clusters.known(),
            });
        };
        if entry.monitors.is_empty() {
            return Err(Error::NoMonitors { id: id.to_owned() });
        }
        Ok(self.with_defaults(entry))
    }

    /// All entries, as the file says now, in the order of their clusterIDs. Of several with one clusterID
    /// the first counts, as everywhere.
    ///
    /// # Errors
    /// Those of the file.
    pub fn all(&self) -> Result<Vec<ClusterEntry>, Error> {
        let clusters = self.clusters()?;
        let ids: BTreeSet<_> = clusters.ids().collect();
        let entries = ids.into_iter().filter_map(|id| clusters.get(id));
        Ok(entries.map(|entry| self.with_defaults(entry)).collect())
    }

    fn with_defaults(&self, entry: &ClusterEntry) -> ClusterEntry {
        let mut entry = entry.clone();
        if entry.rados_namespace.is_empty() {
            entry
                .rados_namespace
                .clone_from(&self.default_rados_namespace);
        }
        entry
    }

    /// Whether clusters can be looked up: the file is readable and parses, or once was and did.
    pub fn check(&self) -> Result<(), Error> {
        self.clusters().map(drop)
    }

    fn clusters(&self) -> Result<Arc<ClusterMap>, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = Stamp::of(&self.path);
        let changed = state.seen.as_ref() != Some(&stamp);
        if let (false, Some(good)) = (changed, &state.good) {
            return Ok(Arc::clone(good));
        }
        match self.read() {
            Ok((stamp, clusters)) => {
                useful!(clusters = clusters.len(), "read {}", self.path.display());
                if clusters.is_empty() && state.good.as_ref().is_none_or(|was| !was.is_empty()) {
                    let path = self.path.clone();
                    tracing::warn!(
                        "{}; until it does, nothing can be made or mounted",
                        Error::NoClusters { path }
                    );
                }
                let clusters = Arc::new(clusters);
                *state = State {
                    seen: Some(stamp),
                    good: Some(Arc::clone(&clusters)),
                };
                Ok(clusters)
            }
            Err(error) => {
                let kept = state.good.clone();
                if changed {
                    report(&error, kept.is_some());
                }
                state.seen = Some(stamp);
                kept.ok_or(error)
            }
        }
    }

    fn read(&self) -> Result<(Stamp, ClusterMap), Error> {
        let path = || self.path.clone();
        let (stamp, bytes) = file::read(&self.path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Absent { path: path() },
            _ => Error::Unreadable {
                path: path(),
                source,
            },
        })?;
        let clusters = parse(&bytes).map_err(|source| Error::Malformed {
            path: path(),
            source,
        })?;
        Ok((stamp, clusters))
    }
}

fn report(error: &Error, has_good_copy: bool) {
    let cause = std::error::Error::source(error).map_or_else(String::new, |e| format!(": {e}"));
    if has_good_copy {
        tracing::error!("{error}{cause}; the last good copy stays in use");
    } else {
        tracing::error!("{error}{cause}");
    }
}
