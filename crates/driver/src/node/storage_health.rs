//! NodeGetStorageHealth: whether CephFS as a whole can be used on this node.
//!
//! OK with an empty list when nothing is wrong. Otherwise these reasons, which do not change between
//! releases:
//!
//! | reason | status | when |
//! |---|---|---|
//! | `NoUsableClient` | STORAGE_UNREACHABLE | no CephFS client works here: ceph-fuse or /dev/fuse is missing |
//! | `MountsNotResponding` | STORAGE_UNREACHABLE if all, else STORAGE_DEGRADED | mounted volumes do not answer |
//! | `MountsDead` | STORAGE_DEGRADED | clients of mounted volumes have ended |

use std::collections::BTreeMap;

use ceph::Context;
use csi_proto::v1::node_get_storage_health_response::StorageBackendHealth;
use csi_proto::v1::{
    NodeGetStorageHealthRequest, NodeGetStorageHealthResponse, StorageHealthErrorType as Status,
};
use futures::future::join_all;

use super::Node;
use super::condition::PATIENCE;
use crate::error::Error;
use crate::mount;

/// So many volumes are named in a message.
const NAMED: usize = 3;

/// Serves the request.
pub(super) async fn run(
    node: &Node,
    cx: &Context,
    _request: &NodeGetStorageHealthRequest,
) -> Result<NodeGetStorageHealthResponse, Error> {
    let mut backend_health = Vec::new();
    if let Err(error) = node.mounts.check(cx).await {
        backend_health.push(health(
            Status::StorageUnreachable,
            "NoUsableClient",
            error.to_string(),
        ));
    }
    let table = node.mounts.table(cx).await?;
    let mounts = table.mounts().iter().filter(|mount| mount.is_cephfs());
    // One question for each client, however often its volume is published.
    let clients: BTreeMap<_, _> = mounts.map(|mount| (&mount.device, mount)).collect();
    let patience = cx.at_most(PATIENCE);
    let answers = clients
        .values()
        .map(|mount| node.mounts.probe(&patience, mount));
    let (mut hanging, mut dead) = (Vec::new(), Vec::new());
    for (mount, answer) in clients.values().zip(join_all(answers).await) {
        let path = || mount.mount_point.display().to_string();
        match answer {
            Err(mount::Error::Hangs { .. }) => hanging.push(path()),
            Err(mount::Error::Dead { .. }) => dead.push(path()),
            _ => {}
        }
    }
    let all = clients.len();
    if !hanging.is_empty() {
        let status = if hanging.len() == all {
            Status::StorageUnreachable
        } else {
            Status::StorageDegraded
        };
        let message = message(&hanging, all, "do not answer");
        backend_health.push(health(status, "MountsNotResponding", message));
    }
    if !dead.is_empty() {
        let message = message(&dead, all, "are dead: their clients have ended");
        backend_health.push(health(Status::StorageDegraded, "MountsDead", message));
    }
    Ok(NodeGetStorageHealthResponse { backend_health })
}

fn message(affected: &[String], all: usize, what: &str) -> String {
    let named: Vec<_> = affected.iter().take(NAMED).cloned().collect();
    let (count, named) = (affected.len(), named.join(", "));
    let more = if count > NAMED { ", ..." } else { "" };
    format!("{count} of {all} mounted CephFS volumes {what} ({named}{more})")
}

fn health(status: Status, reason: &str, message: String) -> StorageBackendHealth {
    StorageBackendHealth {
        status: status.into(),
        reason: reason.to_owned(),
        message,
        volume_capability: None,
    }
}
