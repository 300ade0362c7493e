//! ControllerGetVolumeHealth: what is wrong with a volume, as far as Ceph can tell.
//!
//! Codes are those of ControllerGetVolume; the reasons are in [`super::health`]. An empty list means that
//! nothing is wrong.

use ceph::Context;
use csi_proto::v1::{
    ControllerGetVolumeHealthRequest, ControllerGetVolumeHealthResponse, VolumeHealth,
};

use super::Controller;
use crate::error::Error;
use crate::request::volume_id;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &ControllerGetVolumeHealthRequest,
) -> Result<ControllerGetVolumeHealthResponse, Error> {
    let id = volume_id(&request.volume_id)?;
    let known = controller.examine(cx, id, &request.secrets).await?;
    let health = VolumeHealth {
        volume_id: id.to_owned(),
        health_statuses: known.ailments.into_iter().map(Into::into).collect(),
    };
    Ok(ControllerGetVolumeHealthResponse {
        volume_health: Some(health),
    })
}
