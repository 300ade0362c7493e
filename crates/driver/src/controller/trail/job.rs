//! What follows one volume or snapshot.

use std::collections::BTreeMap;
use std::time::Instant;

use ceph::Context;

use crate::backend::Session;
use crate::controller::snapshot;
use crate::ids::{SnapshotUuid, VolumeUuid};
use crate::journal::{Error, Record, SnapshotRecord};

/// Metadata to be set, or what is to be removed.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) session: Session,
    pub(super) whose: Whose,
    of: Of,
    pub(super) pending: BTreeMap<String, String>,
    pub(super) since: Instant,
    pub(super) failures: u32,
}

/// What it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Whose {
    Volume(VolumeUuid),
    Snapshot(SnapshotUuid),
    /// What is left of it in the journal.
    RestOfVolume(VolumeUuid),
    RestOfSnapshot(SnapshotUuid),
}

#[derive(Clone, Debug)]
enum Of {
    Volume(Record),
    Snapshot(SnapshotRecord),
    /// One whose name is released.
    RetiredVolume(VolumeUuid),
    RetiredSnapshot(SnapshotUuid),
    /// One whose name is not, and whether it is known that Ceph has removed it.
    DeletedSnapshot(SnapshotRecord, bool),
}

impl Job {
    /// What is pending for a volume, if anything is. One that is not complete cannot have it yet.
    pub(super) fn of_volume(session: &Session, record: &Record) -> Option<Self> {
        if record.unfinished().is_some() || record.pending_metadata.is_empty() {
            return None;
        }
        let whose = (&record.uuid).into();
        let job = Self::new(session, whose, Of::Volume(record.clone()));
        Some(job.with(&record.pending_metadata))
    }

    /// What is pending for a snapshot, if anything is.
    pub(super) fn of_snapshot(session: &Session, record: &SnapshotRecord) -> Option<Self> {
        if record.deleted {
            // Where one of ceph-csi would be only config.json says.
            let is_known = record.details.is_some();
            return is_known.then(|| Self::of_deleted(session, record, false));
        }
        if record.pending_metadata.is_empty() {
            return None;
        }
        let whose = (&record.uuid).into();
        let job = Self::new(session, whose, Of::Snapshot(record.clone()));
        Some(job.with(&record.pending_metadata))
    }

    /// What is left of a volume that is gone: its record, to which nothing leads.
    pub(super) fn of_retired_volume(session: &Session, uuid: VolumeUuid) -> Self {
        let whose = Whose::RestOfVolume(uuid.clone());
        Self::new(session, whose, Of::RetiredVolume(uuid))
    }

    /// The same of a snapshot.
    pub(super) fn of_retired_snapshot(session: &Session, uuid: SnapshotUuid) -> Self {
        let whose = Whose::RestOfSnapshot(uuid.clone());
        Self::new(session, whose, Of::RetiredSnapshot(uuid))
    }

    /// What is left of a snapshot that is deleted: its name and its record. If it is not known to be `gone`, Ceph is
    /// asked, and all stays if it is not.
    pub(super) fn of_deleted(session: &Session, record: &SnapshotRecord, gone: bool) -> Self {
        let whose = Whose::RestOfSnapshot(record.uuid.clone());
        Self::new(session, whose, Of::DeletedSnapshot(record.clone(), gone))
    }

    fn new(session: &Session, whose: Whose, of: Of) -> Self {
        Self {
            session: session.clone(),
            whose,
            of,
            pending: BTreeMap::new(),
            since: Instant::now(),
            failures: 0,
        }
    }

    fn with(self, pending: &BTreeMap<String, String>) -> Self {
        Self {
            pending: pending.clone(),
            ..self
        }
    }

    /// Sets one key of the metadata.
    pub(super) async fn set(&self, cx: &Context, key: &str, value: &str) -> ceph::Result<()> {
        let session = &self.session;
        match &self.of {
            Of::Volume(record) => {
                let at = session.subvolume(record);
                session.subvolumes.set_metadata(cx, &at, key, value).await
            }
            Of::Snapshot(record) => {
                let at = session.snapshot(record);
                session.snapshots.set_metadata(cx, &at, key, value).await
            }
            // They have none.
            Of::RetiredVolume(_) | Of::RetiredSnapshot(_) | Of::DeletedSnapshot(..) => Ok(()),
        }
    }

    /// Notes in the journal whether all metadata is `set`; removes what is to be removed.
    pub(super) async fn done(&self, cx: &Context, set: bool) -> Result<(), Error> {
        let session = &self.session;
        let snapshots = &session.snapshot_journal;
        match &self.of {
            Of::Volume(record) if set => session.journal.metadata_done(cx, &record.uuid).await,
            Of::Snapshot(record) if set => snapshots.metadata_done(cx, &record.uuid).await,
            Of::Volume(_) | Of::Snapshot(_) => Ok(()),
            Of::RetiredVolume(uuid) => session.journal.purge(cx, uuid).await,
            Of::RetiredSnapshot(uuid) => snapshots.purge(cx, uuid).await,
            Of::DeletedSnapshot(record, gone) => {
                if !*gone && snapshot::gone(cx, session, record).await?.is_none() {
                    return Ok(());
                }
                snapshots.retire(cx, record).await?;
                snapshots.purge(cx, &record.uuid).await
            }
        }
    }

    /// Whether it is about something that is gone, and not metadata: that goes first, as it hardly takes time.
    pub(super) fn is_rest(&self) -> bool {
        let whose = &self.whose;
        matches!(whose, Whose::RestOfVolume(_) | Whose::RestOfSnapshot(_))
    }
}

impl From<&VolumeUuid> for Whose {
    fn from(uuid: &VolumeUuid) -> Self {
        Self::Volume(uuid.clone())
    }
}

impl From<&SnapshotUuid> for Whose {
    fn from(uuid: &SnapshotUuid) -> Self {
        Self::Snapshot(uuid.clone())
    }
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Volume(uuid) => write!(f, "volume {uuid}"),
            Self::Snapshot(uuid) => write!(f, "snapshot {uuid}"),
            Self::RestOfVolume(uuid) => write!(f, "the deletion of volume {uuid}"),
            Self::RestOfSnapshot(uuid) => write!(f, "the deletion of snapshot {uuid}"),
        }
    }
}
