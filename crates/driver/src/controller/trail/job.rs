//! The metadata of one volume or snapshot.

use std::collections::BTreeMap;
use std::time::Instant;

use ceph::{Context, Snapshot, Subvolume};

use crate::backend::Session;
use crate::ids::{SnapshotUuid, VolumeUuid};
use crate::journal::{Error, Record, SnapshotRecord};

/// Metadata to be set.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) session: Session,
    pub(super) whose: Whose,
    on: On,
    pub(super) pending: BTreeMap<String, String>,
    pub(super) since: Instant,
    pub(super) failures: u32,
}

/// Whose metadata it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) enum Whose {
    Volume(VolumeUuid),
    Snapshot(SnapshotUuid),
}

/// What it is set on.
#[derive(Clone, Debug)]
enum On {
    Subvolume(Subvolume),
    Snapshot(Snapshot),
}

impl Job {
    /// What is pending for a volume, if anything is. One that is not complete cannot have it yet.
    pub(super) fn of_volume(session: &Session, record: &Record) -> Option<Self> {
        if record.unfinished().is_some() {
            return None;
        }
        let on = || On::Subvolume(session.subvolume(record));
        Self::new(session, (&record.uuid).into(), &record.pending_metadata, on)
    }

    /// What is pending for a snapshot, if anything is.
    pub(super) fn of_snapshot(session: &Session, record: &SnapshotRecord) -> Option<Self> {
        let on = || On::Snapshot(session.snapshot(record));
        Self::new(session, (&record.uuid).into(), &record.pending_metadata, on)
    }

    fn new(
        session: &Session,
        whose: Whose,
        pending: &BTreeMap<String, String>,
        on: impl FnOnce() -> On,
    ) -> Option<Self> {
        (!pending.is_empty()).then(|| Self {
            session: session.clone(),
            whose,
            on: on(),
            pending: pending.clone(),
            since: Instant::now(),
            failures: 0,
        })
    }

    /// Sets one key.
    pub(super) async fn set(&self, cx: &Context, key: &str, value: &str) -> ceph::Result<()> {
        let Session {
            subvolumes,
            snapshots,
            ..
        } = &self.session;
        match &self.on {
            On::Subvolume(at) => subvolumes.set_metadata(cx, at, key, value).await,
            On::Snapshot(at) => snapshots.set_metadata(cx, at, key, value).await,
        }
    }

    /// Notes in the journal that all is set.
    pub(super) async fn done(&self, cx: &Context) -> Result<(), Error> {
        let Session {
            journal,
            snapshot_journal,
            ..
        } = &self.session;
        match &self.whose {
            Whose::Volume(uuid) => journal.metadata_done(cx, uuid).await,
            Whose::Snapshot(uuid) => snapshot_journal.metadata_done(cx, uuid).await,
        }
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
        }
    }
}
