//! DeleteVolume: the subvolume goes first, then the directory key, and behind the answer the record; so who comes
//! after any interruption still knows what there is to do.
//!
//! | code | when | what the sidecar does |
//! |---|---|---|
//! | OK | the volume is gone, was gone, or never was one of this driver | forgets it |
//! | INVALID_ARGUMENT | no id, or no usable secrets | asks again with back-off |
//! | FAILED_PRECONDITION | snapshots keep the subvolume; config.json lacks its cluster | asks again with back-off |
//! | ABORTED, DEADLINE_EXCEEDED, UNAVAILABLE | may still be going on | asks again |
//!
//! A volume that shows a snapshot gives up its reference to it; with the last one a snapshot goes whose
//! deletion was asked for before.
//!
//! A copy that is still being made is cancelled, and the snapshot that was made for it removed.
//!
//! Snapshots that CSI knows of never keep a volume: where the subvolume can retain them, it does, and
//! they go on their own later.

use ceph::subvolume::Removal;
use ceph::{Context, ErrorKind, Subvolume};
use csi_proto::v1::{DeleteVolumeRequest, DeleteVolumeResponse};

use super::{Controller, check_served, copy, shallow, snapshot};
use crate::backend::Session;
use crate::error::Error;
use crate::ids::VolumeUuid;
use crate::journal::Record;
use crate::operations::{Held, Key};
use crate::request::DeleteVolume;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    request: &DeleteVolumeRequest,
) -> Result<DeleteVolumeResponse, Error> {
    let Some((id, credentials)) = DeleteVolume::parse(request)?.volume else {
        tracing::warn!("not an id of this driver: nothing to delete");
        return Ok(DeleteVolumeResponse {});
    };
    let Some(session) = controller.backend.open_id(cx, &id, &credentials).await? else {
        tracing::warn!(
            "its file system (id {}) is gone, and the volume with it",
            id.fs_id()
        );
        return Ok(DeleteVolumeResponse {});
    };
    let _foreground = controller.trail.foreground(&session);
    let deleted = delete(controller, cx, held, &session, id.uuid()).await;
    deleted.map_err(|error| session.explain(error))?;
    Ok(DeleteVolumeResponse {})
}

async fn delete(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    session: &Session,
    uuid: &VolumeUuid,
) -> Result<(), Error> {
    let record = session.journal.lookup(cx, uuid).await?;
    let name = record
        .as_ref()
        .and_then(|record| record.request_name.clone());
    // A repeat of the volume's creation must not find it half gone.
    let _name = name
        .map(|name| held.also(Key::VolumeName(name)))
        .transpose()?;
    controller.trail.forget(uuid);
    // No record: an earlier deletion ended after it, or ceph-csi's did before its key.
    let record = record.unwrap_or_else(|| Record::without_journal(uuid));
    check_served(&record)?;
    match (&record.backing_snapshot, record.unfinished()) {
        // It has no subvolume of its own.
        (Some(snapshot), _) => {
            shallow::let_go(cx, session, snapshot, &[&record.subvolume]).await?;
        }
        (None, Some(origin)) => {
            copy::delete(cx, session, &controller.cloners, &record, origin).await?;
        }
        (None, None) => remove(cx, session, &session.subvolume(&record)).await?,
    }
    if record.backing_snapshot.is_some() {
        // All there is of it is its record: who finds that takes it for there.
        session.journal.release(cx, &record).await?;
    } else if session.journal.retire(cx, &record).await? {
        controller.trail.push_retired(session, uuid);
    }
    Ok(())
}

async fn remove(cx: &Context, session: &Session, at: &Subvolume) -> Result<(), Error> {
    let retaining = session
        .subvolumes
        .remove(cx, at, Removal::RetainSnapshots)
        .await;
    let removed = match retaining {
        // Subvolumes of old Ceph releases cannot retain snapshots.
        Err(error) if error.kind == ErrorKind::Invalid => {
            session.subvolumes.remove(cx, at, Removal::Plain).await
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind == ErrorKind::NotReady => {
            remove_foreign_copy(cx, session, at).await
        }
        Err(error) if error.is_not_found() => Ok(session.confirm(cx).await?),
        other => Ok(other?),
    }
}

/// Removes a clone that is not complete and that ceph-csi began: only Ceph knows what it is made of, and
/// a snapshot of the clone's own name was made for it.
async fn remove_foreign_copy(cx: &Context, session: &Session, at: &Subvolume) -> Result<(), Error> {
    let status = session.clones.status(cx, at).await?;
    let made_for_it = status.source.filter(|source| source.name == at.name);
    copy::erase(cx, session, at).await?;
    if let Some(snapshot) = made_for_it {
        snapshot::remove(cx, session, &snapshot).await?;
    }
    Ok(())
}
