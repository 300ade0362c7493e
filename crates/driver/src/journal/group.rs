//! What the journal keeps of group snapshots, and how a group comes to have its members.
//!
//! ceph-csi takes every key of such a record that it does not know for a member, so there is none of ours.
//! What it does not say follows from what it does:
//!
//! * a group is complete once its members are in its record. They are written in one operation, after all
//!   snapshots are taken and were taken in one period of quiet;
//! * the members' request names begin with the group's name, so that those of a group that was cut short
//!   can be found ([`Journal::named_under`]) and removed;
//! * until a group is complete, `csi.creationtime` is when the last attempt at it began. Who begins another
//!   one changes the time, and the earlier one cannot complete the group any more. So of two processes
//!   that make one group at once at most one succeeds, and each removes only what itself has made, or what
//!   was there when it began.

use std::collections::BTreeMap;

use ceph::{Context, ErrorKind, WriteOp, WriteStep};
use jiff::Timestamp;

use super::fields::{self, bytes};
use super::{Error, Fields, Journal, Kind};
use crate::ids::{Group, GroupUuid, SnapshotId, Uuid, VolumeId};

/// The group's name.
const NAME: &str = "csi.groupname";
/// When it was made, in RFC 3339.
const CREATED: &str = "csi.creationtime";

/// Prefix of group names unless the VolumeGroupSnapshotClass has another.
const DEFAULT_PREFIX: &str = "csi-vol-group-";

/// What the journal knows about a group snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecord {
    /// Which group.
    pub uuid: GroupUuid,
    /// The name it was asked for by, `None` if the record does not say.
    pub request_name: Option<String>,
    /// Its name, with which the names of its members begin.
    pub name: String,
    /// When it was made, or is being made, as stored.
    pub created: Option<String>,
    /// Volume ids, each with the id of its snapshot; empty until the group is complete.
    pub members: BTreeMap<String, String>,
}

/// What a new group's record shall say.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// What the uuid is appended to for the group's name; `None` for the default.
    pub name_prefix: Option<String>,
    /// The attempt that begins with the reservation.
    pub attempt: Attempt,
}

/// An attempt at making a group, by the moment when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt(String);

impl Attempt {
    /// One that begins now.
    pub fn now() -> Self {
        Self(Timestamp::now().to_string())
    }
}

impl GroupRecord {
    /// The request name of the snapshot of the volume `id`, as ceph-csi has it.
    pub fn member_name(&self, id: &VolumeId) -> String {
        format!("{}{id}", self.member_prefix())
    }

    /// What the request names of all its members begin with.
    pub fn member_prefix(&self) -> String {
        format!("{}-", self.name)
    }

    /// The members: volume ids, each with the id of its snapshot.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn snapshots(&self) -> Result<Vec<(&str, SnapshotId)>, Error> {
        let members = self.members.iter().map(|(volume, snapshot)| {
            let decoded = SnapshotId::decode(snapshot).map_err(|_| Error::Malformed {
                object: format!("{}{}", Group::RECORD, self.uuid),
                key: volume.clone(),
                expected: "the id of a snapshot",
            });
            Ok((volume.as_str(), decoded?))
        });
        members.collect()
    }

    /// When it was made, in nanoseconds since 1970, if the record says so.
    pub fn created_at(&self) -> Option<i64> {
        let created: Timestamp = self.created.as_ref()?.parse().ok()?;
        i64::try_from(created.as_nanosecond()).ok()
    }
}

impl Kind for Group {
    type Record = GroupRecord;
    type New = NewGroup;

    const DIRECTORY: &'static str = "csi.groups";
    const DIRECTORY_KEY: &'static str = "csi.volume.group.";
    const RECORD: &'static str = "csi.volume.group.";
    const REQUEST_NAME: &'static str = "csi.volname";

    fn reserved(new: &NewGroup, request_name: &str, uuid: GroupUuid) -> GroupRecord {
        let prefix = new.name_prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
        GroupRecord {
            name: format!("{prefix}{uuid}"),
            uuid,
            request_name: Some(request_name.to_owned()),
            created: Some(new.attempt.0.clone()),
            members: BTreeMap::new(),
        }
    }

    fn decode(uuid: &GroupUuid, fields: &Fields<'_>) -> Result<GroupRecord, Error> {
        let name = fields.text(NAME)?;
        Ok(GroupRecord {
            uuid: uuid.clone(),
            request_name: fields.text(Self::REQUEST_NAME)?,
            name: name.unwrap_or_else(|| format!("{DEFAULT_PREFIX}{uuid}")),
            created: fields.text(CREATED)?,
            members: fields.unshared()?,
        })
    }

    fn encode(record: &GroupRecord) -> BTreeMap<String, Vec<u8>> {
        let mut omap = fields::omap([
            (
                Self::REQUEST_NAME,
                record.request_name.as_deref().map(bytes),
            ),
            (NAME, Some(bytes(&record.name))),
            (CREATED, record.created.as_deref().map(bytes)),
        ]);
        let members = record.members.iter();
        omap.extend(members.map(|(volume, snapshot)| (volume.clone(), bytes(snapshot))));
        omap
    }

    fn uuid(record: &GroupRecord) -> &Uuid<Self> {
        &record.uuid
    }

    fn request_name(record: &GroupRecord) -> Option<&str> {
        record.request_name.as_deref()
    }
}

impl Journal<Group> {
    /// Begins another attempt at the group of `record`, unless somebody else has begun one, or completed
    /// the group, since that was read. Members that it names are forgotten.
    ///
    /// # Errors
    /// [`Error::Contended`], [`Error::Ceph`].
    pub async fn begin(&self, cx: &Context, record: &GroupRecord) -> Result<GroupRecord, Error> {
        let Attempt(created) = Attempt::now();
        let stale = record.members.keys().cloned().collect();
        let keys = BTreeMap::from([(CREATED.to_owned(), bytes(&created))]);
        let write = WriteOp::new()
            .then(WriteStep::OmapRemove(stale))
            .then(WriteStep::OmapSet(keys));
        self.write_if_unchanged(cx, record, write).await?;
        Ok(GroupRecord {
            created: Some(created),
            members: BTreeMap::new(),
            ..record.clone()
        })
    }

    /// Completes the group of `record` with these members, made at `at` (nanoseconds since 1970), unless
    /// somebody else has begun another attempt since that of `record`.
    ///
    /// # Errors
    /// [`Error::Contended`], [`Error::Ceph`].
    pub async fn complete(
        &self,
        cx: &Context,
        record: &GroupRecord,
        members: BTreeMap<String, String>,
        at: i64,
    ) -> Result<GroupRecord, Error> {
        let at = Timestamp::from_nanosecond(at.into()).unwrap_or_default();
        let complete = GroupRecord {
            created: Some(at.to_string()),
            members,
            ..record.clone()
        };
        let write = WriteOp::new().then(WriteStep::OmapSet(Group::encode(&complete)));
        self.write_if_unchanged(cx, record, write).await?;
        Ok(complete)
    }

    /// Gives the name of an attempt up that has failed, and whose members are gone; it stays if somebody
    /// else has begun another one.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn give_attempt_up(&self, cx: &Context, record: &GroupRecord) -> Result<(), Error> {
        let remove = WriteOp::new().then(WriteStep::Remove);
        match self.write_if_unchanged(cx, record, remove).await {
            Ok(()) => self.release_name(cx, record).await,
            Err(Error::Contended(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn write_if_unchanged(
        &self,
        cx: &Context,
        record: &GroupRecord,
        write: WriteOp,
    ) -> Result<(), Error> {
        let mut guarded =
            WriteOp::new()
                .then(WriteStep::AssertExists)
                .then(WriteStep::OmapEquals {
                    key: CREATED.to_owned(),
                    value: record.created.as_deref().map(bytes).unwrap_or_default(),
                });
        guarded.steps.extend(write.steps);
        let object = self.record(&record.uuid);
        match self.cluster.write(cx, &object, guarded).await {
            Err(error) if error.kind == ErrorKind::CompareFailed || error.is_not_found() => {
                let name = record.request_name.as_ref().unwrap_or(&record.name);
                Err(Error::Contended(name.clone()))
            }
            other => Ok(other?),
        }
    }
}
