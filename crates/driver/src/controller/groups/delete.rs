//! DeleteVolumeGroupSnapshot: first the group's name, then the snapshots, then the record, which knows them;
//! so a repeat after any interruption still knows what there is to do, and whoever asks for the name again
//! gets a group of its own.
//!
//! | code | when | what the sidecar does |
//! |---|---|---|
//! | OK | the group is gone, was gone, or never was one of this driver | forgets it |
//! | INVALID_ARGUMENT | no id, or no usable secrets; the snapshots listed are not those of the group | asks again with back-off |
//! | FAILED_PRECONDITION | volumes are being made of snapshots of the group; config.json lacks its cluster | asks again with back-off |
//! | ABORTED, DEADLINE_EXCEEDED, UNAVAILABLE | may still be going on | asks again |
//!
//! All snapshots are looked at before the first is removed, so that a refusal leaves the group whole.

use ceph::Context;
use csi_proto::v1::{DeleteVolumeGroupSnapshotRequest, DeleteVolumeGroupSnapshotResponse};
use futures::future::join_all;

use super::super::{Controller, delete_snapshot};
use super::{members, message};
use crate::backend::Session;
use crate::error::Error;
use crate::ids::{GroupId, SnapshotId};
use crate::journal::SnapshotRecord;
use crate::operations::{Held, Key};
use crate::request::DeleteGroupSnapshot;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    request: &DeleteVolumeGroupSnapshotRequest,
) -> Result<DeleteVolumeGroupSnapshotResponse, Error> {
    let request = DeleteGroupSnapshot::parse(request)?;
    let Some((id, credentials)) = &request.group else {
        tracing::warn!("not an id of this driver: nothing to delete");
        return Ok(DeleteVolumeGroupSnapshotResponse {});
    };
    let Some(session) = controller.backend.open_id(cx, id, credentials).await? else {
        tracing::warn!(
            "its file system (id {}) is gone, and the group snapshot with it",
            id.fs_id()
        );
        return Ok(DeleteVolumeGroupSnapshotResponse {});
    };
    let _foreground = controller.trail.foreground(&session);
    let deleted = delete(controller, cx, held, &session, id, &request.snapshots).await;
    deleted.map_err(|error| session.explain(error))?;
    Ok(DeleteVolumeGroupSnapshotResponse {})
}

async fn delete(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    session: &Session,
    id: &GroupId,
    listed: &[String],
) -> Result<(), Error> {
    let journal = &session.group_journal;
    let Some(group) = journal.lookup(cx, id.uuid()).await? else {
        // The record goes last.
        return Ok(journal.release_unrecorded(cx, id.uuid()).await?);
    };
    message::check_listed(&id.to_string(), &group, listed)?;
    let mut holds = Vec::new();
    if let Some(name) = &group.request_name {
        holds.push(held.also(Key::GroupName(name.clone()))?);
    }
    let members = group.snapshots()?;
    let lookups = members.iter().map(|(_, id)| async move {
        let record = session.snapshot_journal.lookup(cx, id.uuid()).await?;
        Ok(record.map(|record| (id, record)))
    });
    let found = members::all(join_all(lookups).await)?;
    let snapshots: Vec<(&SnapshotId, SnapshotRecord)> = found.into_iter().flatten().collect();
    for (id, record) in &snapshots {
        delete_snapshot::check_served(record)?;
        holds.push(held.also(Key::Snapshot(id.to_string()))?);
        if let Some(name) = &record.request_name {
            holds.push(held.also(Key::SnapshotName(name.clone()))?);
        }
    }
    check_unused(cx, session, id, &snapshots).await?;
    journal.release_name(cx, &group).await?;
    let removals = snapshots.iter().map(|(id, record)| {
        controller.trail.forget(&record.uuid);
        delete_snapshot::finish(cx, session, id, record)
    });
    members::all(join_all(removals).await)?;
    // What an attempt has left that never got into the record.
    let prefix = group.member_prefix();
    let left = session.snapshot_journal.named_under(cx, &prefix).await?;
    for entry in &left {
        members::discard(cx, session, entry).await?;
    }
    Ok(journal.release(cx, &group).await?)
}

/// Refuses if volumes are being made of one of the snapshots.
async fn check_unused(
    cx: &Context,
    session: &Session,
    id: &GroupId,
    snapshots: &[(&SnapshotId, SnapshotRecord)],
) -> Result<(), Error> {
    let looks = snapshots.iter().map(|(id, record)| async move {
        match session.snapshots.info(cx, &session.snapshot(record)).await {
            Ok(info) if info.has_pending_clones => {
                let clones = info.pending_clones.join(", ");
                Ok(Some(format!("{id} ({clones})")))
            }
            Err(error) if !error.is_snapshot_gone() => Err(error.into()),
            _ => Ok(None),
        }
    });
    let looked = members::all(join_all(looks).await)?;
    let of: Vec<String> = looked.into_iter().flatten().collect();
    if of.is_empty() {
        return Ok(());
    }
    let id = id.to_string();
    Err(Error::GroupInUse { id, of })
}
