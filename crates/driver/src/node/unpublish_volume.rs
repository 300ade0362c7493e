//! NodeUnpublishVolume: takes a volume away from a pod.
//!
//! | code | when | what the kubelet does |
//! |---|---|---|
//! | OK | the target is gone, now or since before | lets the pod go |
//! | INVALID_ARGUMENT | no id or target | tries again with back-off |
//! | FAILED_PRECONDITION | a process still uses the mount; the directory below it is not empty | tries again with back-off |
//! | DEADLINE_EXCEEDED | the unmount hangs | tries again |
//!
//! The directory is removed only if it is empty: should the mount table ever mislead us, a recursive
//! deletion would delete the volume's data.

use ceph::Context;
use csi_proto::v1::{NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse};

use super::Node;
use crate::error::Error;
use crate::request::UnpublishVolume;

/// Serves the request.
pub(super) async fn run(
    node: &Node,
    cx: &Context,
    request: &NodeUnpublishVolumeRequest,
) -> Result<NodeUnpublishVolumeResponse, Error> {
    let UnpublishVolume { target } = UnpublishVolume::parse(request)?;
    if let Some(place) = node.mounts.locate(cx, &target).await? {
        node.recovery.unpublished(&place.path);
        node.unmount_all(cx, &place.path).await?;
        // Not before: who asks for the volume's condition meanwhile remembers it as sick again.
        node.sick.recovered(&place.path);
        let removed = node.mounts.remove_dir(cx, &place.path).await;
        removed?;
    }
    Ok(NodeUnpublishVolumeResponse {})
}
