//! What the journal keeps of snapshots.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::fields::{self, KMS, NAME_IN_CEPH, OWNER, PENDING_METADATA, bytes};
use super::{Error, Fields, Kind, Noted};
use crate::ids::{GroupUuid, Snapshot, SnapshotUuid, Uuid, VolumeUuid};

/// The subvolume that the snapshot is of.
const SOURCE: &str = "csi.source";
/// Where ceph-csi stores the PVC's namespace of a snapshot, by mistake; it never reads it.
const OWNER_OF_CEPH_CSI: &str = "";

/// Ours: that CSI has deleted the snapshot, which stays only while volumes show it.
pub(super) const DELETED: &str = "spirula.deleted";
/// Its value, as an empty one compares like none.
pub(super) const DELETED_VALUE: &[u8] = b"1";

/// Prefix of snapshot names unless the VolumeSnapshotClass has another.
const DEFAULT_PREFIX: &str = "csi-snap-";

/// What the journal knows about a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// Which snapshot.
    pub uuid: SnapshotUuid,
    /// The name it was asked for by, `None` if the record does not say.
    pub request_name: Option<String>,
    /// Its name in Ceph.
    pub name: String,
    /// Name of the subvolume that it is of.
    pub source: String,
    /// Namespace of the PVC that it was taken of.
    pub owner: Option<String>,
    /// The KMS that keeps its key, if it is encrypted.
    pub kms_id: Option<String>,
    /// What this driver noted about it; `None` for snapshots that ceph-csi made.
    pub details: Option<SnapshotDetails>,
    /// Snapshot metadata that still has to be set.
    pub pending_metadata: BTreeMap<String, String>,
    /// Whether its deletion was asked for: it stays at most until the last volume that shows it is
    /// deleted, and nothing new may be made of it.
    pub deleted: bool,
}

/// What a new snapshot's record shall say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSnapshot {
    /// What the uuid is appended to for the snapshot's name; `None` for the default.
    pub name_prefix: Option<String>,
    /// Name of the subvolume that it is of.
    pub source: String,
    /// Namespace of the PVC that it is taken of.
    pub owner: Option<String>,
    /// What to note.
    pub details: SnapshotDetails,
    /// Snapshot metadata to be set in the background.
    pub pending_metadata: BTreeMap<String, String>,
}

/// Notes of this driver about a snapshot: they spare commands to Ceph, keep what a repeat has to answer,
/// and survive edits of config.json.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotDetails {
    /// The subvolume group of its subvolume.
    pub group: String,
    /// The uuid of the group snapshot that it is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_of: Option<String>,
    /// The quota of its subvolume in bytes, noted before the snapshot is taken; `None` if it has none, or if
    /// nobody has noted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What is known once the snapshot exists.
    pub taken: Option<Taken>,
}

/// A snapshot as it was when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// When, in nanoseconds since 1970.
    pub at: i64,
    /// The quota that its subvolume had, in bytes; `None` for none.
    pub size: Option<u64>,
}

impl Taken {
    /// Taken at `at`, with the quota `size`.
    pub fn new(at: SystemTime, size: Option<u64>) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        Self { at, size }
    }

    /// When it was taken.
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.at.try_into().unwrap_or_default())
    }
}

impl SnapshotRecord {
    /// The uuid of the volume that it is of: subvolumes are named by it.
    pub fn source_uuid(&self) -> Option<VolumeUuid> {
        VolumeUuid::at_end_of(&self.source)
    }

    /// The quota of its subvolume that was noted before it was taken.
    pub fn noted_size(&self) -> Option<u64> {
        self.details.as_ref()?.size
    }

    /// The uuid of the group snapshot that it is a member of; ceph-csi does not note it.
    pub fn group_uuid(&self) -> Option<GroupUuid> {
        let noted = self.details.as_ref()?.member_of.as_deref()?;
        GroupUuid::at_end_of(noted)
    }
}

impl Kind for Snapshot {
    type Record = SnapshotRecord;
    type New = NewSnapshot;

    const DIRECTORY: &'static str = "csi.snaps";
    const DIRECTORY_KEY: &'static str = "csi.snap.";
    const RECORD: &'static str = "csi.snap.";
    const REQUEST_NAME: &'static str = "csi.snapname";
    const UNLISTED: &'static [&'static str] = &[OWNER_OF_CEPH_CSI];

    fn reserved(new: &NewSnapshot, request_name: &str, uuid: SnapshotUuid) -> SnapshotRecord {
        let prefix = new.name_prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
        SnapshotRecord {
            name: format!("{prefix}{uuid}"),
            uuid,
            request_name: Some(request_name.to_owned()),
            source: new.source.clone(),
            owner: new.owner.clone(),
            kms_id: None,
            details: Some(new.details.clone()),
            pending_metadata: new.pending_metadata.clone(),
            deleted: false,
        }
    }

    fn decode(uuid: &SnapshotUuid, fields: &Fields<'_>) -> Result<SnapshotRecord, Error> {
        let name = fields.text(NAME_IN_CEPH)?;
        let owner = match fields.text(OWNER)? {
            None => fields.text(OWNER_OF_CEPH_CSI)?,
            owner => owner,
        };
        Ok(SnapshotRecord {
            uuid: uuid.clone(),
            request_name: fields.text(Self::REQUEST_NAME)?,
            name: name.unwrap_or_else(|| format!("{DEFAULT_PREFIX}{uuid}")),
            source: fields.required(SOURCE)?,
            owner: owner.filter(|owner| !owner.is_empty()),
            kms_id: fields.text(KMS)?,
            details: fields.json(Self::DETAILS)?,
            pending_metadata: fields.json(PENDING_METADATA)?.unwrap_or_default(),
            deleted: fields.has(DELETED),
        })
    }

    fn encode(record: &SnapshotRecord) -> BTreeMap<String, Vec<u8>> {
        fields::omap([
            (
                Self::REQUEST_NAME,
                record.request_name.as_deref().map(bytes),
            ),
            (NAME_IN_CEPH, Some(bytes(&record.name))),
            (SOURCE, Some(bytes(&record.source))),
            (OWNER, record.owner.as_deref().map(bytes)),
            (Self::DETAILS, record.details.as_ref().map(fields::json)),
            (PENDING_METADATA, fields::pending(&record.pending_metadata)),
            (DELETED, record.deleted.then(|| DELETED_VALUE.to_vec())),
        ])
    }

    fn uuid(record: &SnapshotRecord) -> &Uuid<Self> {
        &record.uuid
    }

    fn request_name(record: &SnapshotRecord) -> Option<&str> {
        record.request_name.as_deref()
    }
}

impl Noted for Snapshot {
    type Details = SnapshotDetails;
    const DETAILS: &'static str = "spirula.snapshot";

    fn details(record: &SnapshotRecord) -> Option<&SnapshotDetails> {
        record.details.as_ref()
    }

    fn renewed(record: SnapshotRecord, new: &NewSnapshot) -> SnapshotRecord {
        SnapshotRecord {
            details: Some(new.details.clone()),
            pending_metadata: new.pending_metadata.clone(),
            ..record
        }
    }
}
