//! What the journal keeps of volumes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fields::{self, KMS, NAME_IN_CEPH, OWNER, PENDING_METADATA, bytes};
use super::{Error, Fields, Kind, Noted};
use crate::ids::{Uuid, Volume, VolumeUuid};

/// The snapshot behind a snapshot-backed volume.
const BACKING_SNAPSHOT: &str = "csi.volume.backingsnapshotid";

/// Ours: that the volume will never be complete.
pub(super) const GIVEN_UP: &str = "spirula.given_up";
/// Its value, as an empty one compares like none.
pub(super) const GIVEN_UP_VALUE: &[u8] = b"1";

/// Prefix of subvolume names unless the StorageClass has another.
pub const DEFAULT_PREFIX: &str = "csi-vol-";

/// What the journal knows about a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which volume.
    pub uuid: VolumeUuid,
    /// The name it was asked for by, `None` if the record does not say.
    pub request_name: Option<String>,
    /// Name of its subvolume.
    pub subvolume: String,
    /// Namespace of its PVC.
    pub owner: Option<String>,
    /// The KMS that keeps its key, if it is encrypted.
    pub kms_id: Option<String>,
    /// The snapshot that it shows, if it is snapshot-backed.
    pub backing_snapshot: Option<String>,
    /// What this driver noted about it; `None` for volumes that ceph-csi made.
    pub details: Option<Details>,
    /// Subvolume metadata that still has to be set.
    pub pending_metadata: BTreeMap<String, String>,
    /// Whether it will never be complete: what it shows was gone, and what there is of it has to go.
    pub given_up: bool,
}

/// What a new volume's record shall say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// What the uuid is appended to for the subvolume's name.
    pub name_prefix: String,
    /// Namespace of the PVC.
    pub owner: Option<String>,
    /// The snapshot that it is to show, if it is to be snapshot-backed.
    pub backing_snapshot: Option<String>,
    /// What to note.
    pub details: Details,
    /// Subvolume metadata to be set in the background.
    pub pending_metadata: BTreeMap<String, String>,
}

/// Notes of this driver about a volume: they spare commands to Ceph, and survive edits of config.json.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The largest quota asked for, in bytes; `None` if the volume was made without one.
    pub size: Option<u64>,
    /// Whether that was asked for when the volume was there already: what it has is for Ceph to tell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub grown: bool,
    /// The data pool asked for, `None` for the default of the file system.
    pub pool: Option<String>,
    /// The subvolume group it was made in.
    pub group: String,
    /// What it was made of; `None` if it was made empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// What a volume is a copy of, or shows, and whether it does so already: whatever has to be removed again
/// if it never will is noted here before it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The source, as the request named it.
    pub of: Source,
    /// The subvolume that is copied, or whose snapshot is shown.
    pub subvolume: String,
    /// Its group.
    pub group: String,
    /// The snapshot of it that is copied or shown. `None` if one is made for the purpose, and removed afterwards:
    /// it has the name of the new subvolume, as ceph-csi calls it.
    pub snapshot: Option<String>,
    /// When the copy was first asked for, in seconds since 1970.
    pub since: u64,
    /// Whether the volume is complete, and nothing else is left of its making.
    pub complete: bool,
}

/// What a volume can be made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The snapshot with this id.
    Snapshot(String),
    /// The volume with this id.
    Volume(String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Snapshot(id) => write!(f, "snapshot `{id}`"),
            Self::Volume(id) => write!(f, "volume `{id}`"),
        }
    }
}

impl Record {
    /// What it is made of, if this driver noted it.
    pub fn origin(&self) -> Option<&Origin> {
        self.details.as_ref()?.origin.as_ref()
    }

    /// The same, while it is not complete yet.
    pub fn unfinished(&self) -> Option<&Origin> {
        self.origin().filter(|origin| !origin.complete)
    }

    /// What is noted once the volume is complete: made of `origin`, and of this size. Group and pool are those of the
    /// record, with which it was begun, as config.json may name others by now; else those of `new`.
    pub fn completed(&self, new: &Details, origin: &Origin, size: Option<u64>) -> Details {
        Details {
            size,
            origin: Some(Origin {
                complete: true,
                ..origin.clone()
            }),
            ..self.details.as_ref().unwrap_or(new).clone()
        }
    }

    /// What is to be assumed of a volume that has no record: the default name, made by ceph-csi.
    pub fn without_journal(uuid: &VolumeUuid) -> Self {
        Self {
            uuid: uuid.clone(),
            request_name: None,
            subvolume: format!("{DEFAULT_PREFIX}{uuid}"),
            owner: None,
            kms_id: None,
            backing_snapshot: None,
            details: None,
            pending_metadata: BTreeMap::new(),
            given_up: false,
        }
    }
}

impl Kind for Volume {
    type Record = Record;
    type New = NewRecord;

    const DIRECTORY: &'static str = "csi.volumes";
    const DIRECTORY_KEY: &'static str = "csi.volume.";
    const RECORD: &'static str = "csi.volume.";
    const REQUEST_NAME: &'static str = "csi.volname";

    fn reserved(new: &NewRecord, request_name: &str, uuid: VolumeUuid) -> Record {
        Record {
            subvolume: format!("{}{uuid}", new.name_prefix),
            uuid,
            request_name: Some(request_name.to_owned()),
            owner: new.owner.clone(),
            kms_id: None,
            backing_snapshot: new.backing_snapshot.clone(),
            details: Some(new.details.clone()),
            pending_metadata: new.pending_metadata.clone(),
            given_up: false,
        }
    }

    fn decode(uuid: &VolumeUuid, fields: &Fields<'_>) -> Result<Record, Error> {
        let assumed = Record::without_journal(uuid);
        Ok(Record {
            request_name: fields.text(Self::REQUEST_NAME)?,
            subvolume: fields.text(NAME_IN_CEPH)?.unwrap_or(assumed.subvolume),
            owner: fields.text(OWNER)?,
            kms_id: fields.text(KMS)?,
            backing_snapshot: fields.text(BACKING_SNAPSHOT)?.filter(|id| !id.is_empty()),
            details: fields.json(Self::DETAILS)?,
            pending_metadata: fields.json(PENDING_METADATA)?.unwrap_or_default(),
            given_up: fields.has(GIVEN_UP),
            ..assumed
        })
    }

    fn encode(record: &Record) -> BTreeMap<String, Vec<u8>> {
        fields::omap([
            (
                Self::REQUEST_NAME,
                record.request_name.as_deref().map(bytes),
            ),
            (NAME_IN_CEPH, Some(bytes(&record.subvolume))),
            (OWNER, record.owner.as_deref().map(bytes)),
            (
                BACKING_SNAPSHOT,
                record.backing_snapshot.as_deref().map(bytes),
            ),
            (Self::DETAILS, record.details.as_ref().map(fields::json)),
            (PENDING_METADATA, fields::pending(&record.pending_metadata)),
            (GIVEN_UP, record.given_up.then(|| GIVEN_UP_VALUE.to_vec())),
        ])
    }

    fn uuid(record: &Record) -> &Uuid<Self> {
        &record.uuid
    }

    fn request_name(record: &Record) -> Option<&str> {
        record.request_name.as_deref()
    }
}

impl Noted for Volume {
    type Details = Details;
    const DETAILS: &'static str = "spirula.volume";

    fn details(record: &Record) -> Option<&Details> {
        record.details.as_ref()
    }

    fn renewed(record: Record, new: &NewRecord) -> Record {
        Record {
            details: Some(new.details.clone()),
            pending_metadata: new.pending_metadata.clone(),
            ..record
        }
    }
}
