//! ListVolumes: all volumes that the journals of the configured clusters know, page by page, each with
//! its condition.
//!
//! A page costs three monitor commands a cluster and a read for each volume. The manager is asked once in
//! some minutes, and not waited for: see [`super::listing`].
//!
//! | code | when | what the caller does |
//! |---|---|---|
//! | INVALID_ARGUMENT | `max_entries` is negative | mends the request |
//! | ABORTED | `starting_token` is none of ours | starts again without one |
//! | FAILED_PRECONDITION | the driver has no credentials of its own for a cluster | asks again later |
//! | PERMISSION_DENIED, UNAVAILABLE, DEADLINE_EXCEEDED | a cluster cannot be listed: then none is | asks again later |

use std::time::Duration;

use ceph::Context;
use csi_proto::v1::list_volumes_response::{Entry, VolumeStatus};
use csi_proto::v1::{ListVolumesRequest, ListVolumesResponse};

use super::Controller;
use super::listing::{ListedVolume, Page, Position, Walk, volumes};
use crate::ailment::condition;
use crate::credentials::Secrets;
use crate::error::Error;
use crate::request::max_entries;

/// How long a page waits for the manager to tell which subvolumes there are.
const PATIENCE: Duration = Duration::from_millis(100);

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &ListVolumesRequest,
) -> Result<ListVolumesResponse, Error> {
    let mut page = Page::new(max_entries(request.max_entries)?);
    let from = Position::from_token(&request.starting_token)?;
    let secrets = Secrets::new();
    let mut walk = Walk::new(controller, cx, &secrets, from)?;
    while let Some(batch) = walk.next(page.wanted()).await? {
        for (position, volume) in volumes(controller, cx, batch, Some(PATIENCE)).await? {
            page.push(position, volume.map(entry));
        }
    }
    let (entries, next_token) = page.finish();
    Ok(ListVolumesResponse {
        entries,
        next_token,
    })
}

fn entry(volume: ListedVolume) -> Entry {
    let status = VolumeStatus {
        volume_condition: Some(condition(&volume.ailments)),
        ..VolumeStatus::default()
    };
    let size = volume.record.details.and_then(|details| details.size);
    Entry {
        volume: Some(super::get_volume::volume(volume.id.to_string(), size)),
        status: Some(status),
    }
}
