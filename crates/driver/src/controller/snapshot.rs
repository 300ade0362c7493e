//! What the RPCs about snapshots share: to describe, note, look at, remove and tell of one.

use std::collections::BTreeMap;

use ceph::{Context, Snapshot};
use csi_proto::v1;
use prost_types::Timestamp;

use crate::backend::Session;
use crate::error::Error;
use crate::ids::{GroupId, SnapshotId, VolumeId};
use crate::journal::{
    self, NewSnapshot, NotedOver, Record, SnapshotDetails, SnapshotRecord, Taken,
};

const NANOSECONDS: i64 = 1_000_000_000;

/// Lost races against others that note something about the same snapshot, before we give up.
const ATTEMPTS: usize = 8;

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
/// `Contended` if the record is gone, or somebody else has noted another one; and others.
pub(super) async fn note_size(
    cx: &Context,
    session: &Session,
    record: SnapshotRecord,
    quota: Option<u64>,
) -> Result<SnapshotRecord, Error> {
    if record.noted_size() == quota {
        return Ok(record);
    }
    let noted = record.details.clone().unwrap_or_default();
    let details = SnapshotDetails {
        group: session.source(&record).group,
        size: quota,
        ..noted
    };
    let (journal, known) = (&session.snapshot_journal, record.details.as_ref());
    let noting = journal.note_over(cx, &record.uuid, known, &details);
    match noting.await? {
        NotedOver::Yes => Ok(SnapshotRecord {
            details: Some(details),
            ..record
        }),
        NotedOver::Gone => Err(contended(&record)),
        // By another driver that is at the same snapshot.
        NotedOver::Changed => match journal.lookup(cx, &record.uuid).await? {
            Some(record) if !record.deleted && record.noted_size() == quota => Ok(record),
            _ => Err(contended(&record)),
        },
    }
}

/// Notes what a repeat has to answer, whatever becomes of the volume, and returns it: what was noted first, by whomever.
/// That is done before anybody is told, as two who take the same snapshot know its time by two clocks, and what Ceph
/// tells of it changes when the volume is deleted.
///
/// # Errors
/// `Contended` if the record is gone: somebody else has deleted the snapshot, or given it up, and nothing is left of
/// it. And others.
pub(super) async fn note(
    cx: &Context,
    session: &Session,
    record: &SnapshotRecord,
    taken: Taken,
) -> Result<Taken, Error> {
    let journal = &session.snapshot_journal;
    let mut known = record.details.clone();
    for _ in 0..ATTEMPTS {
        let noted = known.clone().unwrap_or_default();
        if let Some(first) = noted.taken {
            return Ok(first);
        }
        let details = SnapshotDetails {
            group: session.source(record).group,
            taken: Some(taken),
            ..noted
        };
        let noting = journal.note_over(cx, &record.uuid, known.as_ref(), &details);
        match noting.await? {
            NotedOver::Yes => return Ok(taken),
            NotedOver::Changed => match journal.lookup(cx, &record.uuid).await? {
                Some(record) => known = record.details,
                None => return Err(given_up(cx, session, record).await),
            },
            NotedOver::Gone => return Err(given_up(cx, session, record).await),
        }
    }
    Err(contended(record))
}

/// Removes a snapshot whose record is gone, unless its name still leads there: then somebody takes it anew.
async fn given_up(cx: &Context, session: &Session, record: &SnapshotRecord) -> Error {
    let undo = async {
        if let Some(name) = &record.request_name
            && !session
                .snapshot_journal
                .leads_to(cx, name, &record.uuid)
                .await?
        {
            remove(cx, session, &session.snapshot(record)).await?;
        }
        Ok::<_, Error>(())
    };
    undo.await.err().unwrap_or_else(|| contended(record))
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
