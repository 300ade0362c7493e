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

use crate::{Cluster, Command, Context, Result};

/// The manager's `volumes` module.
#[derive(Debug)]
pub struct MgrVolumes {
    cluster: Arc<dyn Cluster>,
}

impl MgrVolumes {
    /// The module of `cluster`.
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self { cluster }
    }

    async fn run(
        &self,
        cx: &Context,
        prefix: &'static str,
        arguments: &(impl Serialize + Sync),
    ) -> Result<Vec<u8>> {
        let command = Command::new(prefix, arguments)?;
        self.cluster.mgr_command(cx, &command).await
    }
}
