//! What is told of a group snapshot.

use ceph::Context;
use csi_proto::v1;
use futures::future::join_all;

use super::super::snapshot;
use super::members::all;
use crate::backend::Session;
use crate::error::Error;
use crate::ids::{GroupId, SnapshotId};
use crate::journal::{GroupRecord, SnapshotRecord, Taken};
use crate::request;

/// The id of a group.
///
/// # Errors
/// [`Error::ClusterIdTooLong`], which no id that was handed out once can meet.
pub(super) fn id(session: &Session, group: &GroupRecord) -> Result<String, Error> {
    let (cluster, fs) = (&session.cluster.cluster_id, session.filesystem.id);
    Ok(GroupId::new(cluster, fs, group.uuid.clone())?.to_string())
}

/// Tells of a group whose snapshots were just made.
///
/// # Errors
/// As [`id`].
pub(super) fn made(
    session: &Session,
    group: &GroupRecord,
    members: &[(SnapshotRecord, Taken)],
) -> Result<v1::VolumeGroupSnapshot, Error> {
    let messages = members
        .iter()
        .map(|(record, taken)| snapshot::message(session, record, *taken));
    answer(session, group, messages.collect::<Result<_, _>>()?)
}

/// Looks at the members of a complete group, and tells which of them are ready: those that exist.
///
/// # Errors
/// [`Error`].
pub(super) async fn look(
    cx: &Context,
    session: &Session,
    group: &GroupRecord,
) -> Result<v1::VolumeGroupSnapshot, Error> {
    let members = group.snapshots()?;
    let look = members.iter().map(|(volume, id)| async move {
        let gone = || v1::Snapshot {
            snapshot_id: id.to_string(),
            source_volume_id: (*volume).to_owned(),
            ..v1::Snapshot::default()
        };
        Ok(member(cx, session, id).await?.unwrap_or_else(gone))
    });
    answer(session, group, all(join_all(look).await)?)
}

async fn member(
    cx: &Context,
    session: &Session,
    id: &SnapshotId,
) -> Result<Option<v1::Snapshot>, Error> {
    let record = session.snapshot_journal.lookup(cx, id.uuid()).await?;
    let Some(record) = record.filter(|record| !record.deleted) else {
        return Ok(None);
    };
    match snapshot::taken(cx, session, &record).await {
        Ok(taken) => snapshot::message(session, &record, taken).map(Some),
        Err(error) if error.is_snapshot_gone() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The snapshots are told in the order of their volumes' ids, whoever asks.
fn answer(
    session: &Session,
    group: &GroupRecord,
    mut snapshots: Vec<v1::Snapshot>,
) -> Result<v1::VolumeGroupSnapshot, Error> {
    let group_snapshot_id = id(session, group)?;
    let earliest = snapshots.iter().filter_map(|one| one.creation_time);
    let earliest = earliest.min_by_key(|time| (time.seconds, time.nanos));
    let creation_time = group.created_at().map(snapshot::timestamp).or(earliest);
    for snapshot in &mut snapshots {
        snapshot.group_snapshot_id.clone_from(&group_snapshot_id);
        snapshot.creation_time = snapshot.creation_time.or(creation_time);
    }
    snapshots.sort_by(|a, b| a.source_volume_id.cmp(&b.source_volume_id));
    Ok(v1::VolumeGroupSnapshot {
        ready_to_use: snapshots.iter().all(|snapshot| snapshot.ready_to_use),
        group_snapshot_id,
        snapshots,
        creation_time,
    })
}

/// Checks that `listed`, if it says anything, are the snapshots of the group.
///
/// # Errors
/// [`request::Error`] that names those that are not, or that are missing.
pub(super) fn check_listed(
    id: &str,
    group: &GroupRecord,
    listed: &[String],
) -> Result<(), request::Error> {
    if listed.is_empty() || group.members.is_empty() {
        return Ok(());
    }
    let members: Vec<&String> = group.members.values().collect();
    let foreign = listed.iter().find(|id| !members.contains(id));
    let missing = members.iter().find(|id| !listed.contains(id));
    let why = match (foreign, missing) {
        (Some(foreign), _) => format!("has `{foreign}`, which is not in the group snapshot `{id}`"),
        (None, Some(missing)) => {
            format!("lacks `{missing}`, which is in the group snapshot `{id}`")
        }
        (None, None) => return Ok(()),
    };
    let why = format!("{why}; name all of its snapshots and no others");
    Err(request::Error::invalid("snapshot_ids", why))
}
