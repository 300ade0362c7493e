//! GetVolumeGroupSnapshot: what there is to know about a group snapshot, and whether all of it is there.
//!
//! | code | when |
//! |---|---|
//! | OK | the group exists; it is not ready if a snapshot of it was deleted alone |
//! | INVALID_ARGUMENT | no id, or no usable secrets; the snapshots listed are not those of the group |
//! | NOT_FOUND | no such group |
//! | FAILED_PRECONDITION | config.json lacks its cluster |

use ceph::Context;
use csi_proto::v1::{GetVolumeGroupSnapshotRequest, GetVolumeGroupSnapshotResponse};

use super::super::Controller;
use super::message;
use crate::error::Error;
use crate::request::GetGroupSnapshot;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &GetVolumeGroupSnapshotRequest,
) -> Result<GetVolumeGroupSnapshotResponse, Error> {
    let asked = GetGroupSnapshot::parse(request)?;
    let (session, group) = controller
        .open_group(cx, &asked.group, &asked.credentials)
        .await?;
    message::check_listed(&asked.group, &group, &asked.snapshots)?;
    let _foreground = controller.trail.foreground(&session);
    let group = message::look(cx, &session, &group).await;
    Ok(GetVolumeGroupSnapshotResponse {
        group_snapshot: Some(group.map_err(|error| session.explain(error))?),
    })
}
