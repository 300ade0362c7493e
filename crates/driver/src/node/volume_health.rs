//! NodeGetVolumeHealth: what is wrong with a volume on this node.
//!
//! | code | when | what the orchestrator does |
//! |---|---|---|
//! | OK | the volume is known here; an empty list means that nothing is wrong | reports it |
//! | INVALID_ARGUMENT | no id; a path that is not absolute | drops the answer |
//! | NOT_FOUND | no path is given, and this process has not staged the volume | drops the answer |
//!
//! Reasons: `MountDead`, `MountNotResponding`, `MountFailing`, `StageFailed`; all of them with the status
//! INACCESSIBLE. They are described in [`super::condition`].

use ceph::Context;
use csi_proto::v1::{
    self as csi, NodeGetVolumeHealthRequest, NodeGetVolumeHealthResponse, VolumeHealthErrorType,
};

use super::condition::{Condition, STAGE_FAILED};
use super::known::State;
use super::{Node, PathError};
use crate::ailment::Ailment;
use crate::error::Error;
use crate::request::VolumeHealth;

/// Serves the request.
pub(super) async fn run(
    node: &Node,
    cx: &Context,
    request: &NodeGetVolumeHealthRequest,
) -> Result<NodeGetVolumeHealthResponse, Error> {
    let VolumeHealth { volume, mut paths } = VolumeHealth::parse(request)?;
    let known = node.known.get(&volume);
    if paths.is_empty() && known.is_none() {
        return Err(PathError::Unknown { volume }.into());
    }
    let mut ailments: Vec<Ailment> = Vec::new();
    match known {
        Some(State::Staged(staging, _)) => paths.push(staging),
        Some(State::Failed(message, _)) => ailments.push(Ailment {
            status: VolumeHealthErrorType::Inaccessible,
            reason: STAGE_FAILED,
            message,
        }),
        None => {}
    }
    paths.dedup();
    for path in paths {
        if let Some(Condition::Abnormal(ailment)) = node.condition(cx, &path).await?
            && ailments.iter().all(|other| other.reason != ailment.reason)
        {
            ailments.push(ailment);
        }
    }
    let volume_health = csi::VolumeHealth {
        volume_id: volume,
        health_statuses: ailments.into_iter().map(Into::into).collect(),
    };
    Ok(NodeGetVolumeHealthResponse {
        volume_health: Some(volume_health),
    })
}
