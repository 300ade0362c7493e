//! GetSnapshot: what there is to know about a snapshot.
//!
//! | code | when |
//! |---|---|
//! | OK | the snapshot exists |
//! | INVALID_ARGUMENT | no id, or no usable secrets |
//! | NOT_FOUND | no such snapshot |
//! | FAILED_PRECONDITION | config.json lacks its cluster |

use ceph::Context;
use csi_proto::v1::{GetSnapshotRequest, GetSnapshotResponse};

use super::{Controller, snapshot};
use crate::error::Error;
use crate::request::GetSnapshot;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &GetSnapshotRequest,
) -> Result<GetSnapshotResponse, Error> {
    let asked = GetSnapshot::parse(request)?;
    let (session, record) = controller
        .open_snapshot(cx, &asked.snapshot, &asked.credentials)
        .await?;
    if record.deleted {
        return Err(Error::NoSnapshot {
            id: asked.snapshot,
            why: "it was deleted, and is kept only for volumes that show it".to_owned(),
        });
    }
    let _foreground = controller.trail.foreground(&session);
    let taken = match snapshot::taken(cx, &session, &record).await {
        Err(error) if error.is_snapshot_gone() => {
            let why = error.to_string();
            return Err(Error::NoSnapshot {
                id: asked.snapshot,
                why,
            });
        }
        taken => taken.map_err(|error| session.explain(error.into()))?,
    };
    let answer = snapshot::message(&session, &record, taken)?;
    Ok(GetSnapshotResponse {
        snapshot: Some(answer),
    })
}
