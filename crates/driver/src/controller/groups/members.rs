//! The volumes of a group, and the snapshots that are made of them.

use std::collections::BTreeSet;

use ceph::{Context, Subvolume};
use futures::future::join_all;

use super::super::{Controller, create_snapshot, delete_snapshot, snapshot};
use crate::backend::Session;
use crate::error::Error;
use crate::ids::{SnapshotId, VolumeId};
use crate::journal::{self, Entry, GroupRecord, Record, Reservation, SnapshotRecord};
use crate::operations::{Held, Hold, Key};
use crate::request::{self, CreateGroupSnapshot};

/// A volume of which a snapshot is asked for. Meanwhile it is neither expanded nor deleted.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: VolumeId,
    record: Record,
    /// Its subvolume.
    pub(super) at: Subvolume,
    _hold: Hold,
}

/// The file system and the volumes of the request.
///
/// # Errors
/// [`Error`] if there is no such volume, or one that can have no snapshot.
pub(super) async fn open(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    request: &CreateGroupSnapshot,
) -> Result<(Session, Vec<Member>), Error> {
    let share = |id: &VolumeId| held.share(Key::Volume(id.to_string()));
    let holds: Vec<Hold> = request
        .volumes
        .iter()
        .map(share)
        .collect::<Result<_, _>>()?;
    let texts: Vec<String> = request.volumes.iter().map(VolumeId::to_string).collect();
    let opened = texts
        .iter()
        .map(|id| controller.open_record(cx, id, &request.credentials));
    let mut first = None;
    let mut members = Vec::new();
    let volumes = request.volumes.iter().zip(holds);
    for ((id, hold), opened) in volumes.zip(join_all(opened).await) {
        let (session, record) = opened?;
        create_snapshot::check_source("source_volume_ids", &id.to_string(), &record)?;
        members.push(Member {
            id: id.clone(),
            at: session.subvolume(&record),
            record,
            _hold: hold,
        });
        first.get_or_insert(session);
    }
    let session = first.ok_or(request::Error::Missing("source_volume_ids"))?;
    if let Some(given) = &request.fs_name
        && *given != session.filesystem.name
    {
        let why = format!(
            "is `{given}`, but the volumes are in `{}`; use a VolumeGroupSnapshotClass of that file \
             system, or one without fsName",
            session.filesystem.name
        );
        return Err(request::Error::invalid("parameters.fsName", why).into());
    }
    Ok((session, members))
}

/// The quotas of the volumes, which have to exist for that.
///
/// # Errors
/// [`Error::NoVolume`] and others.
pub(super) async fn quotas(
    cx: &Context,
    session: &Session,
    members: &[Member],
) -> Result<Vec<Option<u64>>, Error> {
    let infos = members.iter().map(|member| async {
        match session.subvolumes.existing(cx, &member.at).await {
            Ok(info) => Ok(info.quota),
            Err(error) => {
                let id = member.id.to_string();
                Err(create_snapshot::refusal(cx, session, &id, &member.at, error).await)
            }
        }
    });
    all(join_all(infos).await)
}

/// Reserves the names of the snapshots of volumes with these quotas. `reserved` gets those that are ours, whatever
/// fails.
///
/// # Errors
/// [`Error`]; `Contended` if somebody else makes the same group.
pub(super) async fn reserve(
    controller: &Controller,
    cx: &Context,
    session: &Session,
    group: &GroupRecord,
    members: impl Iterator<Item = (&Member, &Option<u64>)>,
    reserved: &mut Vec<SnapshotRecord>,
) -> Result<(), Error> {
    let reserve = |(member, quota): (&Member, &Option<u64>)| {
        let name = group.member_name(&member.id);
        let mut new = snapshot::new(session, &member.record);
        new.details.member_of = Some(group.uuid.to_string());
        new.details.size = *quota;
        new.pending_metadata = controller.settings.metadata(&new.pending_metadata);
        async move {
            match session.snapshot_journal.reserve(cx, &name, &new).await? {
                Reservation::New(record) => Ok(record),
                Reservation::Found(_) => Err(journal::Error::Contended(name).into()),
            }
        }
    };
    let mut failed = Vec::new();
    for result in join_all(members.map(reserve)).await {
        match result {
            Ok(record) => reserved.push(record),
            Err(error) => failed.push(Err(error)),
        }
    }
    all::<()>(failed).map(drop)
}

/// Keeps others from the snapshots of a group that is being made.
///
/// # Errors
/// [`Error::Busy`].
pub(super) fn hold(
    held: &Held,
    group: &GroupRecord,
    members: &[Member],
) -> Result<Vec<Hold>, Error> {
    let names = members.iter().map(|member| group.member_name(&member.id));
    let holds = names.map(|name| held.also(Key::SnapshotName(name)));
    Ok(holds.collect::<Result<_, _>>()?)
}

/// Whether the group has all its members. Otherwise it is one that was cut short.
///
/// # Errors
/// [`Error::OtherMembers`] if it is of other volumes than those that are asked for.
pub(super) async fn are_complete(
    cx: &Context,
    session: &Session,
    group: &GroupRecord,
    asked: &[Member],
) -> Result<bool, Error> {
    if group.members.is_empty() {
        return Ok(false);
    }
    let asked: BTreeSet<String> = asked.iter().map(|member| member.id.to_string()).collect();
    let found: BTreeSet<String> = group.members.keys().cloned().collect();
    if found == asked {
        return Ok(true);
    }
    // ceph-csi writes member after member, and has answered nothing before it has written all.
    if found.is_subset(&asked) && are_of_ceph_csi(cx, session, group).await? {
        return Ok(false);
    }
    Err(Error::OtherMembers {
        name: group.request_name.clone().unwrap_or_default(),
        id: super::message::id(session, group)?,
        members: found.into_iter().collect(),
        asked: asked.into_iter().collect(),
    })
}

/// Whether this driver has made none of the snapshots.
async fn are_of_ceph_csi(
    cx: &Context,
    session: &Session,
    group: &GroupRecord,
) -> Result<bool, Error> {
    for (_, id) in group.snapshots()? {
        let record = session.snapshot_journal.lookup(cx, id.uuid()).await?;
        if record.is_some_and(|record| record.details.is_some()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what an attempt that was cut short has left under this name.
///
/// # Errors
/// [`Error`].
pub(super) async fn discard(
    cx: &Context,
    session: &Session,
    entry: &Entry<crate::ids::Snapshot>,
) -> Result<(), Error> {
    let journal = &session.snapshot_journal;
    match journal.lookup(cx, &entry.uuid).await? {
        Some(record) => {
            delete_snapshot::check_served(&record)?;
            undo(cx, session, &record).await
        }
        None => Ok(journal.release_entry(cx, entry).await?),
    }
}

/// Removes a snapshot that nobody was told of, and gives its name back.
///
/// # Errors
/// [`Error`].
pub(super) async fn undo(
    cx: &Context,
    session: &Session,
    record: &SnapshotRecord,
) -> Result<(), Error> {
    snapshot::remove(cx, session, &session.snapshot(record)).await?;
    Ok(session.snapshot_journal.give_back(cx, record).await?)
}

/// The id of a snapshot.
///
/// # Errors
/// [`Error::ClusterIdTooLong`], which no id that was handed out once can meet.
pub(super) fn snapshot_id(session: &Session, record: &SnapshotRecord) -> Result<SnapshotId, Error> {
    let (cluster, fs) = (&session.cluster.cluster_id, session.filesystem.id);
    Ok(SnapshotId::new(cluster, fs, record.uuid.clone())?)
}

/// The values if all are there; else the error that leaves most open.
///
/// # Errors
/// One of those given.
pub(super) fn all<T>(results: Vec<Result<T, Error>>) -> Result<Vec<T>, Error> {
    let mut values = Vec::new();
    let mut failed: Option<Error> = None;
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => {
                let holds = failed.as_ref().is_some_and(Error::has_unknown_effect);
                if failed.is_none() || (!holds && error.has_unknown_effect()) {
                    failed = Some(error);
                }
            }
        }
    }
    failed.map_or(Ok(values), Err)
}
