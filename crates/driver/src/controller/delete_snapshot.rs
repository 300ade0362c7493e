//! DeleteSnapshot: its record says that it is deleted, the snapshot goes, and behind the answer the directory key
//! and the record; so who comes after any interruption still knows what there is to do.
//!
//! | code | when | what the sidecar does |
//! |---|---|---|
//! | OK | the snapshot is gone, was gone, or never was one of this driver | forgets it |
//! | INVALID_ARGUMENT | no id, or no usable secrets | asks again with back-off |
//! | FAILED_PRECONDITION | volumes are being made of it; config.json lacks its cluster | asks again with back-off |
//! | ABORTED, DEADLINE_EXCEEDED, UNAVAILABLE | may still be going on | asks again |
//!
//! Volumes that show the snapshot keep it: then its name is given free, and it goes with the last of them.
//!
//! The last snapshot of a volume that was deleted before takes with it what Ceph retained of the volume.

use ceph::{Context, ErrorKind};
use csi_proto::v1::{DeleteSnapshotRequest, DeleteSnapshotResponse};

use super::{Controller, shallow, snapshot};
use crate::backend::Session;
use crate::error::Error;
use crate::events::{About, Reason};
use crate::ids::SnapshotId;
use crate::journal::SnapshotRecord;
use crate::operations::{Held, Key};
use crate::request::DeleteSnapshot;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    request: &DeleteSnapshotRequest,
) -> Result<DeleteSnapshotResponse, Error> {
    let Some((id, credentials)) = DeleteSnapshot::parse(request)?.snapshot else {
        tracing::warn!("not an id of this driver: nothing to delete");
        return Ok(DeleteSnapshotResponse {});
    };
    let Some(session) = controller.backend.open_id(cx, &id, &credentials).await? else {
        tracing::warn!(
            "its file system (id {}) is gone, and the snapshot with it",
            id.fs_id()
        );
        return Ok(DeleteSnapshotResponse {});
    };
    let _foreground = controller.trail.foreground(&session);
    let deleted = delete(controller, cx, held, &session, &id).await;
    deleted.map_err(|error| session.explain(error))?;
    Ok(DeleteSnapshotResponse {})
}

async fn delete(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    session: &Session,
    id: &SnapshotId,
) -> Result<(), Error> {
    let journal = &session.snapshot_journal;
    // Neither needs the other.
    let (record, noted) = tokio::join!(
        journal.lookup(cx, id.uuid()),
        journal.note_deleted_unread(cx, id.uuid()),
    );
    let Some(mut record) = record? else {
        // An earlier deletion ended after the record, or ceph-csi's did before its key. Without a record
        // there is no snapshot: the record is there before it, and goes after it.
        return Ok(journal.release_unrecorded(cx, id.uuid()).await?);
    };
    let is_noted_now = noted?;
    // A repeat of the snapshot's creation must not find it half gone.
    let name = record.request_name.clone().map(Key::SnapshotName);
    let _name = match name.map(|name| held.also(name)).transpose() {
        Ok(name) => name,
        Err(busy) => {
            if is_noted_now {
                journal.note_kept(cx, &record.uuid).await?;
            }
            return Err(busy.into());
        }
    };
    check_served(&record)?;
    record.deleted |= is_noted_now;
    controller.trail.forget(&record.uuid);
    let removed = remove(cx, session, id, &record).await;
    // csi-snapshotter keeps to itself why a deletion failed.
    if let Err(error @ Error::PendingClones { .. }) = &removed
        && let Some(about) = record.request_name.as_deref().and_then(About::snapshot)
    {
        let events = &controller.events;
        events.tell(about, Reason::DeletionBlocked, error.to_string());
    }
    if removed? {
        if record.details.is_some() {
            controller.trail.push_deleted(session, &record);
        } else {
            // Another process could not tell whether this one of ceph-csi is gone, or in another group.
            journal.release(cx, &record).await?;
        }
    }
    Ok(())
}

/// Removes the snapshot and all that is left of it, or leaves it to the volumes that show it; its name is free
/// afterwards.
///
/// # Errors
/// [`Error`]; a repeat goes on where this stopped.
pub(super) async fn finish(
    cx: &Context,
    session: &Session,
    id: &SnapshotId,
    record: &SnapshotRecord,
) -> Result<(), Error> {
    if remove(cx, session, id, record).await? {
        session.snapshot_journal.release(cx, record).await?;
    }
    Ok(())
}

/// Removes the snapshot: `true` if only its name and its record are left, which says that it is deleted; `false` if
/// it is left to the volumes that show it, and its name is free.
async fn remove(
    cx: &Context,
    session: &Session,
    id: &SnapshotId,
    record: &SnapshotRecord,
) -> Result<bool, Error> {
    let journal = &session.snapshot_journal;
    if shallow::keep_for_volumes(cx, session, id, record).await? {
        journal.release_name(cx, record).await?;
        return Ok(false);
    }
    match snapshot::remove(cx, session, &session.snapshot(record)).await {
        Err(error) if error.kind == ErrorKind::PendingClones => {
            journal.note_kept(cx, &record.uuid).await?;
            return Err(pending_clones(cx, session, id, record).await);
        }
        removed => removed?,
    }
    Ok(true)
}

/// Refuses snapshots that this release would treat wrongly.
///
/// # Errors
/// [`Error::Unserved`].
pub(super) fn check_served(record: &SnapshotRecord) -> Result<(), Error> {
    record.kms_id.as_ref().map_or(Ok(()), |kms| {
        Err(Error::Unserved {
            what: format!("a snapshot of an encrypted volume (KMS `{kms}`)"),
            cure: "use ceph-csi for this snapshot",
        })
    })
}

/// Says who needs the snapshot, if Ceph tells.
async fn pending_clones(
    cx: &Context,
    session: &Session,
    id: &SnapshotId,
    record: &SnapshotRecord,
) -> Error {
    let info = session.snapshots.info(cx, &session.snapshot(record)).await;
    let clones = info.map(|info| info.pending_clones);
    Error::PendingClones {
        id: id.to_string(),
        clones: clones.unwrap_or_default(),
    }
}
