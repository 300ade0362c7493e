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
use crate::{Cluster, Command, Context, ErrorKind, Result};

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
        let answer = self.cluster.mgr_command(cx, &command).await;
        if let Err(error) = &answer
            && error.kind == ErrorKind::FilesystemNotFound
        {
            self.filesystems.forget();
        }
        answer
    }
}
