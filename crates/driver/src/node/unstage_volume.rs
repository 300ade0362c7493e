//! NodeUnstageVolume: unmounts a volume from the node.
//!
//! | code | when | what the kubelet does |
//! |---|---|---|
//! | OK | nothing is mounted at the staging path, now or since before | lets the volume be attached elsewhere, or deleted |
//! | INVALID_ARGUMENT | no id or path | tries again with back-off |
//! | FAILED_PRECONDITION | a process still uses the mount | tries again with back-off |
//! | DEADLINE_EXCEEDED | the unmount hangs and could not be forced | tries again |
//!
//! A mount that is dead or hangs is forced, at last detached, so that a node can be drained while its
//! Ceph cluster is down. Contents are never deleted, nor is the directory, which is the kubelet's.

use ceph::Context;
use csi_proto::v1::{NodeUnstageVolumeRequest, NodeUnstageVolumeResponse};

use super::{Node, recovery};
use crate::error::Error;
use crate::mount::Survey;
use crate::request::UnstageVolume;

/// Serves the request.
pub(super) async fn run(
    node: &Node,
    cx: &Context,
    request: &NodeUnstageVolumeRequest,
) -> Result<NodeUnstageVolumeResponse, Error> {
    let request = UnstageVolume::parse(request)?;
    // First, so that nothing mounts again what is to go.
    node.recovery.forget(&request.volume);
    recovery::discard(node, &request.volume).await;
    if let Some(Survey { place, starting }) = node.mounts.survey(cx, &request.staging).await? {
        if starting {
            // It would mount after we have looked.
            node.mounts.end_strays(cx, &place.path).await?;
        }
        if let Some(mount) = place.mount() {
            for other in place.others(mount) {
                tracing::warn!(
                    "the volume is still mounted at `{}`: its client goes on until that is unmounted",
                    other.mount_point.display()
                );
            }
        }
        node.unmount_all(cx, &place.path).await?;
        // Not before, as in NodeUnpublishVolume.
        node.sick.recovered(&place.path);
    }
    node.known.forget(&request.volume);
    node.usages.forget(&request.volume);
    Ok(NodeUnstageVolumeResponse {})
}
