//! ControllerListVolumeHealth: all volumes with which something is wrong, page by page.
//!
//! Codes and order are those of ListVolumes; the reasons are in [`super::health`]. A page looks at some
//! thousand volumes at most, so it may be empty and have a successor.

use ceph::Context;
use csi_proto::v1::{
    ControllerListVolumeHealthRequest, ControllerListVolumeHealthResponse, VolumeHealth,
};

use super::Controller;
use super::listing::{ListedVolume, Page, Position, Walk, volumes};
use crate::error::Error;
use crate::request::max_entries;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &ControllerListVolumeHealthRequest,
) -> Result<ControllerListVolumeHealthResponse, Error> {
    let mut page = Page::new(max_entries(request.max_entries)?);
    let from = Position::from_token(&request.starting_token)?;
    let mut walk = Walk::new(controller, cx, &request.secrets, from)?;
    while let Some(batch) = walk.next(page.wanted_of_few()).await? {
        for (position, volume) in volumes(controller, cx, batch, None).await? {
            page.push(position, volume.and_then(entry));
        }
    }
    let (entries, next_token) = page.finish();
    Ok(ControllerListVolumeHealthResponse {
        entries,
        next_token,
    })
}

/// `None` for a healthy one.
fn entry(volume: ListedVolume) -> Option<VolumeHealth> {
    let health_statuses: Vec<_> = volume.ailments.into_iter().map(Into::into).collect();
    (!health_statuses.is_empty()).then(|| VolumeHealth {
        volume_id: volume.id.to_string(),
        health_statuses,
    })
}
