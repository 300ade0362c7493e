//! From an id to its record, for RPCs that need the volume or snapshot to be there.

use ceph::Context;

use super::Controller;
use crate::backend::Session;
use crate::credentials::Credentials;
use crate::error::Error;
use crate::ids::{self, GroupId, Id, SnapshotId, VolumeId};
use crate::journal::{GroupRecord, Record, SnapshotRecord};

impl Controller {
    /// The file system and the record of the volume `id`.
    ///
    /// # Errors
    /// [`Error::NotDynamic`]; [`Error::NoVolume`] if its file system is gone. A missing record is no
    /// error, as ceph-csi can leave a volume without.
    pub(super) async fn open_record(
        &self,
        cx: &Context,
        id: &str,
        credentials: &Credentials,
    ) -> Result<(Session, Record), Error> {
        let (session, id) = self.open_volume(cx, id, credentials).await?;
        let record = record(cx, &session, &id).await?;
        Ok((session, record))
    }

    /// The file system of the volume `id`.
    ///
    /// # Errors
    /// [`Error::NotDynamic`]; [`Error::NoVolume`] if it is gone.
    pub(super) async fn open_volume(
        &self,
        cx: &Context,
        id: &str,
        credentials: &Credentials,
    ) -> Result<(Session, VolumeId), Error> {
        let decoded = VolumeId::decode(id).map_err(Error::NotDynamic)?;
        let session = self.backend.open_id(cx, &decoded, credentials).await?;
        let session = session.ok_or_else(|| Error::NoVolume {
            id: id.to_owned(),
            why: no_filesystem(&decoded),
        })?;
        Ok((session, decoded))
    }

    /// The file system and the record of the snapshot `id`. That there is a record does not mean that
    /// the snapshot still exists, or does already.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`] if no such snapshot can exist.
    pub(super) async fn open_snapshot(
        &self,
        cx: &Context,
        id: &str,
        credentials: &Credentials,
    ) -> Result<(Session, SnapshotRecord), Error> {
        let no_snapshot = |why: String| Error::NoSnapshot {
            id: id.to_owned(),
            why,
        };
        let decoded = SnapshotId::decode(id).map_err(|error| no_snapshot(error.to_string()))?;
        let session = self.backend.open_id(cx, &decoded, credentials).await?;
        let session = session.ok_or_else(|| no_snapshot(no_filesystem(&decoded)))?;
        let record = session.snapshot_journal.lookup(cx, decoded.uuid()).await;
        let record = record.map_err(|error| session.explain(error.into()))?;
        let record = record.ok_or_else(|| {
            let fs = &session.filesystem.name;
            no_snapshot(format!(
                "the journal of file system `{fs}` has no snapshot of this id"
            ))
        })?;
        Ok((session, record))
    }

    /// The file system and the record of the group snapshot `id`.
    ///
    /// # Errors
    /// [`Error::NoGroupSnapshot`] if there is none that was ever answered.
    pub(super) async fn open_group(
        &self,
        cx: &Context,
        id: &str,
        credentials: &Credentials,
    ) -> Result<(Session, GroupRecord), Error> {
        let no_group = |why: String| Error::NoGroupSnapshot {
            id: id.to_owned(),
            why,
        };
        let decoded = GroupId::decode(id).map_err(|error| no_group(error.to_string()))?;
        let session = self.backend.open_id(cx, &decoded, credentials).await?;
        let session = session.ok_or_else(|| no_group(no_filesystem(&decoded)))?;
        let record = session.group_journal.lookup(cx, decoded.uuid()).await;
        let record = record.map_err(|error| session.explain(error.into()))?;
        let fs = &session.filesystem.name;
        let record = record.ok_or_else(|| {
            no_group(format!(
                "the journal of file system `{fs}` has no group snapshot of this id"
            ))
        })?;
        if record.members.is_empty() {
            return Err(no_group("its creation has not come to its end".to_owned()));
        }
        Ok((session, record))
    }
}

/// The record of a volume, or what is to be assumed of one without.
///
/// # Errors
/// Those of the journal.
pub(super) async fn record(
    cx: &Context,
    session: &Session,
    id: &VolumeId,
) -> Result<Record, Error> {
    let record = session.journal.lookup(cx, id.uuid()).await;
    let record = record.map_err(|error| session.explain(error.into()))?;
    Ok(record.unwrap_or_else(|| Record::without_journal(id.uuid())))
}

fn no_filesystem<K: ids::Kind>(id: &Id<K>) -> String {
    let (fs, cluster) = (id.fs_id(), id.cluster_id());
    format!("cluster `{cluster}` has no file system with id {fs}")
}

/// Refuses volumes that this release would treat wrongly.
///
/// # Errors
/// [`Error::Unserved`].
pub(crate) fn check_served(record: &Record) -> Result<(), Error> {
    if let Some(kms) = &record.kms_id {
        let what = format!("an encrypted volume (KMS `{kms}`)");
        return Err(Error::Unserved {
            what,
            cure: "use ceph-csi for this volume",
        });
    }
    Ok(())
}
