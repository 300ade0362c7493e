//! What follows one volume or snapshot.

use std::collections::BTreeMap;
use std::time::Instant;

use ceph::Context;

use crate::backend::Session;
use crate::controller::snapshot;
use crate::ids::{SnapshotUuid, VolumeUuid};
use crate::journal::{Error, Record, SnapshotRecord, Taken};

/// Metadata to be set, and what is to be noted.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) session: Session,
    pub(super) whose: Whose,
    of: Of,
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

#[derive(Clone, Debug)]
enum Of {
    Volume(Record),
    Snapshot(SnapshotRecord, Note),
}

/// What is to be noted of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Note {
    /// The record says all.
    Nothing,
    Taken(Taken),
    /// How Ceph says that it was taken.
    Unknown,
}

impl Job {
    /// What is pending for a volume, if anything is. One that is not complete cannot have it yet.
    pub(super) fn of_volume(session: &Session, record: &Record) -> Option<Self> {
        if record.unfinished().is_some() || record.pending_metadata.is_empty() {
            return None;
        }
        let whose = (&record.uuid).into();
        let pending = &record.pending_metadata;
        Some(Self::new(
            session,
            whose,
            pending,
            Of::Volume(record.clone()),
        ))
    }

    /// What is pending for a snapshot, if anything is. `taken` tells how it was taken, if that is known.
    pub(super) fn of_snapshot(
        session: &Session,
        record: &SnapshotRecord,
        taken: Option<Taken>,
    ) -> Option<Self> {
        let noted = record.details.as_ref().and_then(|noted| noted.taken);
        let note = match taken {
            Some(taken) if noted != Some(taken) => Note::Taken(taken),
            // Not that of all snapshots that ceph-csi has made: each would cost a command.
            None if noted.is_none() && record.details.is_some() && !record.deleted => Note::Unknown,
            _ => Note::Nothing,
        };
        if note == Note::Nothing && record.pending_metadata.is_empty() {
            return None;
        }
        let whose = (&record.uuid).into();
        let pending = &record.pending_metadata;
        let of = Of::Snapshot(record.clone(), note);
        Some(Self::new(session, whose, pending, of))
    }

    fn new(session: &Session, whose: Whose, pending: &BTreeMap<String, String>, of: Of) -> Self {
        Self {
            session: session.clone(),
            whose,
            of,
            pending: pending.clone(),
            since: Instant::now(),
            failures: 0,
        }
    }

    /// Sets one key.
    pub(super) async fn set(&self, cx: &Context, key: &str, value: &str) -> ceph::Result<()> {
        let session = &self.session;
        match &self.of {
            Of::Volume(record) => {
                let at = session.subvolume(record);
                session.subvolumes.set_metadata(cx, &at, key, value).await
            }
            Of::Snapshot(record, _) => {
                let at = session.snapshot(record);
                session.snapshots.set_metadata(cx, &at, key, value).await
            }
        }
    }

    /// Notes in the journal what is to be noted, and whether all metadata is `set`.
    pub(super) async fn done(&self, cx: &Context, set: bool) -> Result<(), Error> {
        let session = &self.session;
        match &self.of {
            Of::Volume(record) if set => {
                session.journal.metadata_done(cx, &record.uuid, None).await
            }
            Of::Volume(_) => Ok(()),
            Of::Snapshot(record, note) => {
                let taken = match note {
                    Note::Nothing => None,
                    Note::Taken(taken) => Some(*taken),
                    Note::Unknown => Some(snapshot::taken(cx, session, record).await?),
                };
                let details = taken.map(|taken| snapshot::details(session, record, taken));
                let (journal, uuid) = (&session.snapshot_journal, &record.uuid);
                match details {
                    details if set => journal.metadata_done(cx, uuid, details.as_ref()).await,
                    Some(details) => journal.note(cx, uuid, &details).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Whether there is something to do without metadata.
    pub(super) fn has_note(&self) -> bool {
        matches!(&self.of, Of::Snapshot(_, note) if *note != Note::Nothing)
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
