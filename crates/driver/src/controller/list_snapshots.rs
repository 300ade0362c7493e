//! ListSnapshots: all snapshots that the journals of the configured clusters know, page by page; or one by
//! its id, or those of one volume.
//!
//! A snapshot is told of only if Ceph has it: the manager is asked once for each volume that has some in the
//! page. One that was deleted, and is kept for volumes that show it, is none.
//!
//! | code | when | what the caller does |
//! |---|---|---|
//! | OK, and empty | there is none: no such snapshot, no such volume, or none of it | |
//! | INVALID_ARGUMENT | `max_entries` is negative, an id is too long | mends the request |
//! | ABORTED | `starting_token` is none of ours | starts again without one |
//! | FAILED_PRECONDITION | no secrets, and no credentials of the driver's own; config.json lacks the cluster of the id | asks again later |
//! | PERMISSION_DENIED, UNAVAILABLE, DEADLINE_EXCEEDED | a cluster cannot be listed: then none is | asks again later |

use ceph::Context;
use csi_proto::v1::list_snapshots_response::Entry;
use csi_proto::v1::{self as csi, ListSnapshotsRequest, ListSnapshotsResponse};

use super::Controller;
use super::listing::{Page, Position, Walk, snapshot, snapshots, snapshots_of};
use crate::backend::Session;
use crate::credentials::Secrets;
use crate::error::Error;
use crate::ids::{self, Id, SnapshotId, VolumeId};
use crate::request::ListSnapshots;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &ListSnapshotsRequest,
) -> Result<ListSnapshotsResponse, Error> {
    let asked = ListSnapshots::parse(request)?;
    let from = Position::from_token(&request.starting_token)?;
    let secrets = &request.secrets;
    let mut page = Page::new(asked.max_entries);
    match (asked.snapshot, asked.source) {
        (Some(id), source) => {
            let found = by_id(controller, cx, secrets, id).await?;
            let of_source = |found: &csi::Snapshot| {
                source.is_none_or(|source| found.source_volume_id == source)
            };
            let found = found
                .filter(of_source)
                .map(|found| (Position::default(), found));
            fill(&mut page, &from, found);
        }
        (None, Some(source)) => {
            fill(&mut page, &from, of(controller, cx, secrets, source).await?);
        }
        (None, None) => {
            let mut walk = Walk::new(controller, cx, secrets, from)?;
            while let Some(batch) = walk.next(page.wanted()).await? {
                for (position, snapshot) in snapshots(cx, batch).await? {
                    page.push(position, snapshot);
                }
            }
        }
    }
    let (entries, next_token) = page.finish();
    let entry = |snapshot| Entry {
        snapshot: Some(snapshot),
    };
    Ok(ListSnapshotsResponse {
        entries: entries.into_iter().map(entry).collect(),
        next_token,
    })
}

/// What comes after `from`.
fn fill(
    page: &mut Page<csi::Snapshot>,
    from: &Position,
    found: impl IntoIterator<Item = (Position, csi::Snapshot)>,
) {
    let begin = *from == Position::default();
    for (position, snapshot) in found {
        if begin || position > *from {
            page.push(position, Some(snapshot));
        }
    }
}

async fn by_id(
    controller: &Controller,
    cx: &Context,
    secrets: &Secrets,
    id: &str,
) -> Result<Option<csi::Snapshot>, Error> {
    let Ok(id) = SnapshotId::decode(id) else {
        return Ok(None);
    };
    let Some(session) = open(controller, cx, secrets, &id).await? else {
        return Ok(None);
    };
    let found = snapshot(cx, &session, id.uuid()).await;
    found.map_err(|error| session.explain(error))
}

async fn of(
    controller: &Controller,
    cx: &Context,
    secrets: &Secrets,
    volume: &str,
) -> Result<Vec<(Position, csi::Snapshot)>, Error> {
    let Ok(id) = VolumeId::decode(volume) else {
        return Ok(Vec::new());
    };
    let Some(session) = open(controller, cx, secrets, &id).await? else {
        return Ok(Vec::new());
    };
    let found = snapshots_of(cx, &session, id.uuid()).await;
    found.map_err(|error| session.explain(error))
}

/// The file system of the id, `None` if it is gone.
async fn open<K: ids::Kind>(
    controller: &Controller,
    cx: &Context,
    secrets: &Secrets,
    id: &Id<K>,
) -> Result<Option<Session>, Error> {
    let cluster = controller.backend.cluster_of(id)?;
    let credentials = controller.credentials(cx, &cluster, secrets).await?;
    controller.backend.open_id(cx, id, &credentials).await
}
