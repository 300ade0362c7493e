//! What a volume is to be made of: from the source of the request to the subvolume and snapshot that Ceph
//! copies.

use std::time::SystemTime;

use ceph::{Context, ErrorKind};

use super::check_served;
use crate::backend::Session;
use crate::error::Error;
use crate::ids::{self, Id, SnapshotId, SnapshotUuid, VolumeId, VolumeUuid};
use crate::journal::{Origin, Record, Source};
use crate::mount::Access;
use crate::request::{self, CreateVolume};

/// Where the content of a new volume is, and its quota in bytes if that is known.
pub(super) struct Found {
    pub(super) origin: Origin,
    pub(super) size: Option<u64>,
}

/// Looks up `source`.
///
/// # Errors
/// [`Error::NoSnapshot`], [`Error::NoVolume`]; [`Error::Request`] if it is somewhere else;
/// [`Error::SmallerThanSource`].
pub(super) async fn find(
    cx: &Context,
    session: &Session,
    request: &CreateVolume,
    source: &Source,
) -> Result<Found, Error> {
    let found = match source {
        Source::Snapshot(id) => snapshot(cx, session, source, id).await?,
        Source::Volume(id) => volume(cx, session, request, source, id).await?,
    };
    if request.shallow {
        check_group(session, source, &found.origin.group)?;
    }
    let asked = request.size.map(|range| range.quota());
    match (found.size, asked) {
        (Some(source_bytes), Some(asked)) if asked < source_bytes => {
            Err(Error::SmallerThanSource {
                of: source.clone(),
                source_bytes,
                asked,
            })
        }
        _ => Ok(found),
    }
}

async fn snapshot(
    cx: &Context,
    session: &Session,
    of: &Source,
    text: &str,
) -> Result<Found, Error> {
    let absent = |why: String| Error::NoSnapshot {
        id: text.to_owned(),
        why,
    };
    let id = SnapshotId::decode(text).map_err(|error| absent(error.to_string()))?;
    check_place(session, of, &id)?;
    let Some(record) = session.snapshot_journal.lookup(cx, id.uuid()).await? else {
        let as_volume = VolumeUuid::at_end_of(id.uuid().as_str());
        let is_volume = match &as_volume {
            Some(uuid) => session.journal.lookup(cx, uuid).await?.is_some(),
            None => false,
        };
        let why = if is_volume {
            "it is the id of a volume; use it as `volume_content_source.volume`".to_owned()
        } else {
            not_in_journal(session, "snapshot")
        };
        return Err(absent(why));
    };
    if let Some(kms) = &record.kms_id {
        return Err(encrypted(kms));
    }
    // A volume that shows it needs it still, and so does its copy.
    if record.deleted && matches!(of, Source::Snapshot(_)) {
        return Err(absent(
            "it was deleted, and is kept only for volumes that show it".to_owned(),
        ));
    }
    let at = session.source(&record);
    let noted = record.details.clone().unwrap_or_default();
    let size = match (noted.taken, noted.size) {
        (Some(taken), _) => taken.size,
        (None, Some(size)) => Some(size),
        // Of a removed subvolume Ceph does not tell it any more.
        (None, None) => match session.subvolumes.info(cx, &at).await {
            Ok(info) => info.quota,
            Err(error) if error.is_not_found() => {
                session.confirm(cx).await?;
                return Err(absent(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        },
    };
    let origin = origin(of, at, Some(record.name));
    Ok(Found { origin, size })
}

async fn volume(
    cx: &Context,
    session: &Session,
    request: &CreateVolume,
    of: &Source,
    text: &str,
) -> Result<Found, Error> {
    let absent = |why: String| Error::NoVolume {
        id: text.to_owned(),
        why,
    };
    let id = VolumeId::decode(text).map_err(|error| absent(error.to_string()))?;
    check_place(session, of, &id)?;
    let known = session.journal.lookup(cx, id.uuid()).await?;
    let is_known = known.is_some();
    let record = known.unwrap_or_else(|| Record::without_journal(id.uuid()));
    check_served(&record)?;
    if let Some(snapshot_id) = &record.backing_snapshot {
        if request.access == Access::ReadOnly {
            return Err(for_readers(text, snapshot_id).into());
        }
        // It has no subvolume of its own; what it shows is copied.
        return snapshot(cx, session, of, snapshot_id).await;
    }
    let at = session.subvolume(&record);
    let info = match session.subvolumes.existing(cx, &at).await {
        Ok(info) => info,
        Err(error) if error.is_not_found() => {
            session.confirm(cx).await?;
            let as_snapshot = SnapshotUuid::at_end_of(id.uuid().as_str());
            if let Some(uuid) = as_snapshot
                && !is_known
                && session.snapshot_journal.lookup(cx, &uuid).await?.is_some()
            {
                let why = "it is the id of a snapshot; use it as `volume_content_source.snapshot`";
                return Err(absent(why.to_owned()));
            }
            return Err(absent(error.to_string()));
        }
        Err(error) if error.kind == ErrorKind::NotReady => {
            let name = record.request_name.clone().unwrap_or_default();
            return Err(Error::Unfinished {
                name,
                of: of.clone(),
                state: "its source is itself not complete yet".to_owned(),
                age: std::time::Duration::ZERO,
            });
        }
        Err(error) => return Err(error.into()),
    };
    let origin = origin(of, at, None);
    let size = info.quota;
    Ok(Found { origin, size })
}

fn origin(of: &Source, at: ceph::Subvolume, snapshot: Option<String>) -> Origin {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Origin {
        of: of.clone(),
        subvolume: at.name,
        group: at.group,
        snapshot,
        since: since.as_secs(),
        complete: false,
    }
}

/// Both would show the same data for ever.
fn for_readers(volume: &str, snapshot: &str) -> request::Error {
    let why = format!(
        "the volume `{volume}` only shows the snapshot `{snapshot}`, and nobody may write to its copy \
         either; use that snapshot as `volume_content_source.snapshot`, or an access mode with writers"
    );
    request::Error::invalid("volume_content_source", why)
}

/// A driver that stages a volume looks for its snapshot in the group of its cluster.
fn check_group(session: &Session, of: &Source, group: &str) -> Result<(), Error> {
    let ours = &session.cluster.subvolume_group;
    if group == ours {
        return Ok(());
    }
    let why = format!(
        "{of} is in the subvolume group `{group}`, and a volume that shows it has to be in the same one, \
         not in `{ours}`; use a clusterID with the group `{group}`, or `backingSnapshot: \"false\"` for \
         a copy"
    );
    Err(request::Error::invalid("volume_content_source", why).into())
}

/// Ceph copies within one file system only, and shows no snapshot elsewhere.
fn check_place<K: ids::Kind>(session: &Session, of: &Source, id: &Id<K>) -> Result<(), Error> {
    let elsewhere = |theirs: String, ours: &str, parameter: &str| {
        let why = format!(
            "{of} is in the {theirs}, and what is made of it has to be there as well; use a \
             StorageClass with the source's {parameter} instead of `{ours}`"
        );
        Err(request::Error::invalid("volume_content_source", why).into())
    };
    let (cluster, fs) = (&session.cluster.cluster_id, &session.filesystem);
    if id.cluster_id() != cluster {
        let theirs = format!("cluster `{}`", id.cluster_id());
        return elsewhere(theirs, cluster, "clusterID");
    }
    if id.fs_id() != fs.id {
        let theirs = format!("file system with id {}", id.fs_id());
        return elsewhere(theirs, &fs.name, "fsName");
    }
    Ok(())
}

fn not_in_journal(session: &Session, noun: &str) -> String {
    let fs = &session.filesystem.name;
    format!("the journal of file system `{fs}` has no {noun} of this id")
}

fn encrypted(kms: &str) -> Error {
    Error::Unserved {
        what: format!("a copy of an encrypted snapshot (KMS `{kms}`)"),
        cure: "use ceph-csi for this volume",
    }
}
