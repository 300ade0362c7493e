//! Volumes that show a snapshot, and what becomes of a snapshot that is deleted while they do.
//!
//! Each such volume holds a reference to its snapshot (see [`crate::reftracker`]). A deletion of the
//! snapshot first notes in the snapshot's record that it is deleted, and then masks its own reference. So
//! a creation that adds its reference and *then* finds no such note came first: the deletion will
//! see the reference, and leave the snapshot to the one who takes the last one away. And a snapshot
//! goes only where that note is: a reference object that is not there alone proves nothing. So nobody takes
//! the last reference to a masked snapshot away, and the mask with it, who does not know of that note.

use ceph::Context;
use futures::future;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::snapshot;
use crate::backend::Session;
use crate::error::Error;
use crate::ids::{SnapshotId, VolumeUuid};
use crate::journal::{self, SnapshotRecord};
use crate::reftracker::Held;

/// Records read at once.
const LOOKUPS: usize = 8;

/// Notes that the snapshot is deleted, and tells whether volumes that show it keep it from going now.
///
/// # Errors
/// [`Error`]; a repeat goes on where this stopped.
pub(super) async fn keep_for_volumes(
    cx: &Context,
    session: &Session,
    id: &SnapshotId,
    record: &SnapshotRecord,
) -> Result<bool, Error> {
    if !record.deleted {
        let journal = &session.snapshot_journal;
        journal.note_deleted(cx, &record.uuid).await?;
    }
    let shown = id.to_string();
    let mut held = session.references.mask(cx, &shown).await?;
    if held != Held::No {
        let stale = stale(cx, session, &shown).await?;
        let stale: Vec<&str> = stale.iter().map(String::as_str).collect();
        held = session.references.remove(cx, &shown, &stale, true).await?;
    }
    Ok(held != Held::No)
}

/// The references of volumes that are gone. A volume has its record before its reference, and longer; but a driver
/// that has read the record, and goes on late, may add the reference again, and die.
async fn stale(cx: &Context, session: &Session, shown: &str) -> Result<Vec<String>, Error> {
    let users = session.references.users(cx, shown).await?;
    let looked_up = users.into_iter().map(|user| async move {
        let Some(uuid) = VolumeUuid::at_end_of(&user) else {
            return Ok(None);
        };
        match session.journal.lookup(cx, &uuid).await {
            Ok(None) => Ok(Some(user)),
            Err(error @ journal::Error::Ceph(_)) => Err(Error::from(error)),
            // Also of a record that cannot be read.
            _ => Ok(None),
        }
    });
    let looked_up = stream::iter(looked_up).buffered(LOOKUPS);
    looked_up.try_filter_map(future::ok).try_collect().await
}

/// Takes the references `users` to the snapshot `shown` away, and the snapshot with them if they were the
/// last ones and its deletion was asked for.
///
/// # Errors
/// [`Error`]; a repeat goes on where this stopped.
pub(super) async fn let_go(
    cx: &Context,
    session: &Session,
    shown: &str,
    users: &[&str],
) -> Result<(), Error> {
    let (references, journal) = (&session.references, &session.snapshot_journal);
    let Some(mut record) = find(cx, session, shown).await? else {
        references.remove(cx, shown, users, true).await?;
        return Ok(());
    };
    let mut held = references.remove(cx, shown, users, record.deleted).await?;
    if held == Held::Masked && !record.deleted {
        // Deleted, by us since the record was read, or by ceph-csi. The mask goes with the last reference, and a
        // repeat must still know.
        journal.note_deleted(cx, &record.uuid).await?;
        record.deleted = true;
        held = references.remove(cx, shown, users, true).await?;
    }
    if held != Held::No {
        return Ok(());
    }
    if !record.deleted {
        // Somebody else may have taken the last reference since the record was read, and died.
        let Some(again) = find(cx, session, shown).await? else {
            return Ok(());
        };
        record = again;
    }
    if !record.deleted {
        tracing::warn!(
            "no volume shows snapshot `{shown}` any more, and nothing tells whether it was deleted: it stays"
        );
        return Ok(());
    }
    snapshot::remove(cx, session, &session.snapshot(&record)).await?;
    Ok(journal.release(cx, &record).await?)
}

/// The record of a snapshot that a volume shows, if it is one of this file system.
pub(super) async fn find(
    cx: &Context,
    session: &Session,
    shown: &str,
) -> Result<Option<SnapshotRecord>, Error> {
    match SnapshotId::decode(shown) {
        Ok(id) if id.fs_id() == session.filesystem.id => {
            Ok(session.snapshot_journal.lookup(cx, id.uuid()).await?)
        }
        _ => Ok(None),
    }
}
