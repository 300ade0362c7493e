//! [`Subvolumes`](crate::Subvolumes), [`Snapshots`](crate::Snapshots) and [`Clones`](crate::Clones) by
//! commands of the manager's `volumes` module (`ceph fs subvolume ...`, `ceph fs clone ...`).

mod answer;
mod arguments;
mod clones;
mod quiesce;
mod snapshots;
mod subvolumes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;

use crate::filesystem::Cache;
use crate::mon::NoArguments;
use crate::{Cluster, Command, Context, Error, ErrorKind, Result};

/// The manager's `volumes` module.
#[derive(Debug)]
pub struct MgrVolumes {
    cluster: Arc<dyn Cluster>,
    filesystems: Arc<Cache>,
}

impl MgrVolumes {
    /// The module of `cluster`.
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self::with(cluster, Arc::default())
    }

    /// The same for who finds file systems in `filesystems`, which are asked for anew when the manager does not know
    /// one of them by its name.
    pub(crate) fn with(cluster: Arc<dyn Cluster>, filesystems: Arc<Cache>) -> Self {
        Self {
            cluster,
            filesystems,
        }
    }

    async fn run(
        &self,
        cx: &Context,
        prefix: &'static str,
        arguments: &(impl Serialize + Sync),
    ) -> Result<Vec<u8>> {
        let command = Command::new(prefix, arguments)?;
        let answer = match self.cluster.mgr_command(cx, &command).await {
            Err(unknown) if unknown.kind == ErrorKind::Unsupported => {
                self.expect_module(cx, &unknown).await?;
                self.cluster.mgr_command(cx, &command).await
            }
            answer => answer,
        };
        if let Err(error) = &answer
            && error.kind == ErrorKind::FilesystemNotFound
        {
            self.filesystems.forget();
        }
        answer
    }

    /// A manager that could not load the module knows none of its commands, and says so in the words of one whose
    /// release does not have the command. What every release has tells which.
    ///
    /// # Errors
    /// `NotLoaded` in place of `unknown`.
    async fn expect_module(&self, cx: &Context, unknown: &Error) -> Result<()> {
        let volumes = Command::new("fs volume ls", &NoArguments {})?;
        match self.cluster.mgr_command(cx, &volumes).await {
            Err(error) if error.kind == ErrorKind::Unsupported => Err(Error {
                kind: ErrorKind::NotLoaded,
                detail: format!(
                    "{}; the manager has not loaded its module `volumes`, `ceph health detail` may tell why",
                    unknown.detail
                ),
                ..unknown.clone()
            }),
            other => other.map(drop),
        }
    }
}
