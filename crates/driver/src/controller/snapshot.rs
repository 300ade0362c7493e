//! What the RPCs about snapshots share: to describe, note, look at, remove and tell of one.

use std::collections::BTreeMap;

use ceph::{Context, Snapshot};
use csi_proto::v1;
use prost_types::Timestamp;

use crate::backend::Session;
use crate::error::Error;
use crate::ids::{GroupId, SnapshotId, VolumeId};
use crate::journal::{self, NewSnapshot, Record, SnapshotDetails, SnapshotRecord, Taken};

const NANOSECONDS: i64 = 1_000_000_000;

/// What the record of a snapshot of `parent` shall say.
pub(super) fn new(session: &Session, parent: &Record) -> NewSnapshot {
    let at = session.subvolume(parent);
    NewSnapshot {
        name_prefix: None,
        source: at.name,
        owner: parent.owner.clone(),
        details: SnapshotDetails {
            group: at.group,
            member_of: None,
            size: parent.details.as_ref().and_then(|noted| noted.size),
            taken: None,
        },
        pending_metadata: BTreeMap::new(),
    }
}

/// Notes the quota of the volume, unless the record has it already. That is done before the snapshot is taken: a
/// repeat has to tell the same size when the volume has grown or gone.
///
/// # Errors
/// `Contended` if the record is gone, and others.
pub(super) async fn note_size(
    cx: &Context,
    session: &Session,
    record: SnapshotRecord,
    quota: Option<u64>,
) -> Result<SnapshotRecord, Error> {
    let noted = record.details.clone().unwrap_or_default();
    if noted.size == quota {
        return Ok(record);
    }
    let details = SnapshotDetails {
        group: session.source(&record).group,
        size: quota,
        ..noted
    };
    let journal = &session.snapshot_journal;
    if !journal.note(cx, &record.uuid, &details).await? {
        return Err(contended(&record));
    }
    Ok(SnapshotRecord {
        details: Some(details),
        ..record
    })
}

/// Notes what a repeat has to answer, whatever becomes of the volume. That is done before anybody is told: what Ceph
/// tells of the time of a snapshot changes by some microseconds.
///
/// # Errors
/// `Contended` if the record is gone: somebody else has deleted the snapshot, or given it up, and nothing is left of
/// it. And others.
pub(super) async fn note(
    cx: &Context,
    session: &Session,
    record: &SnapshotRecord,
    taken: Taken,
) -> Result<(), Error> {
    let noted = record.details.clone().unwrap_or_default();
    if noted.taken == Some(taken) {
        return Ok(());
    }
    let details = SnapshotDetails {
        group: session.source(record).group,
        taken: Some(taken),
        ..noted
    };
    let journal = &session.snapshot_journal;
    if journal.note(cx, &record.uuid, &details).await? {
        return Ok(());
    }
    // Where the name leads to it still, somebody takes it anew.
    if let Some(name) = &record.request_name
        && !journal.leads_to(cx, name, &record.uuid).await?
    {
        remove(cx, session, &session.snapshot(record)).await?;
    }
    Err(contended(record))
}

fn contended(record: &SnapshotRecord) -> Error {
    let name = record.request_name.clone().unwrap_or_default();
    journal::Error::Contended(name).into()
}

/// Looks whether the snapshot exists, and tells how it was taken: as noted, else as Ceph tells now.
///
/// # Errors
/// `SnapshotNotFound` if it does not exist, `NotFound` if its subvolume does not.
pub(super) async fn taken(
    cx: &Context,
    session: &Session,
    record: &SnapshotRecord,
) -> ceph::Result<Taken> {
    let at = session.snapshot(record);
    let info = session.snapshots.info(cx, &at).await?;
    let noted = record.details.clone().unwrap_or_default();
    if let Some(taken) = noted.taken {
        return Ok(taken);
    }
    let size = match noted.size {
        Some(size) => Some(size),
        None => session.subvolumes.info(cx, &at.of).await?.quota,
    };
    Ok(Taken::new(info.created_at, size))
}

/// `None` if the snapshot exists, else how we know that it does not.
pub(super) async fn gone(
    cx: &Context,
    session: &Session,
    record: &SnapshotRecord,
) -> ceph::Result<Option<String>> {
    let at = session.snapshot(record);
    match session.snapshots.info(cx, &at).await {
        Err(error) if error.is_snapshot_gone() => {
            session.confirm(cx).await?;
            Ok(Some(error.to_string()))
        }
        other => other.map(|_| None),
    }
}

/// Removes the snapshot. One that is gone, be it with its subvolume, is no error.
pub(super) async fn remove(cx: &Context, session: &Session, at: &Snapshot) -> ceph::Result<()> {
    match session.snapshots.remove(cx, at).await {
        Err(error) if error.is_snapshot_gone() => session.confirm(cx).await,
        other => other,
    }
}

/// Tells of a snapshot that exists.
///
/// # Errors
/// [`Error::ClusterIdTooLong`], which no id that was handed out once can meet.
pub(super) fn message(
    session: &Session,
    record: &SnapshotRecord,
    taken: Taken,
) -> Result<v1::Snapshot, Error> {
    let (cluster_id, fs_id) = (&session.cluster.cluster_id, session.filesystem.id);
    let source = record.source_uuid();
    let source = source.map(|uuid| VolumeId::new(cluster_id, fs_id, uuid));
    let source = source.transpose()?.map(|id| id.to_string());
    let group = record.group_uuid();
    let group = group.map(|uuid| GroupId::new(cluster_id, fs_id, uuid));
    let group = group.transpose()?.map(|id| id.to_string());
    Ok(v1::Snapshot {
        size_bytes: taken.size.map_or(0, u64::cast_signed),
        snapshot_id: SnapshotId::new(cluster_id, fs_id, record.uuid.clone())?.to_string(),
        source_volume_id: source.unwrap_or_default(),
        creation_time: Some(timestamp(taken.at)),
        // A snapshot of CephFS is whole as soon as it exists.
        ready_to_use: true,
        group_snapshot_id: group.unwrap_or_default(),
        accessible_topology: Vec::new(),
    })
}

pub(super) fn timestamp(nanoseconds: i64) -> Timestamp {
    let nanos = nanoseconds.rem_euclid(NANOSECONDS);
    Timestamp {
        seconds: nanoseconds.div_euclid(NANOSECONDS),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}
