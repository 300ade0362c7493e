//! Ids of volumes, snapshots and group snapshots: what Kubernetes stores as `volumeHandle`,
//! `snapshotHandle` and `volumeGroupSnapshotHandle`, so every byte of them is for ever.
//!
//! `0001-<len>-<clusterID>-<fscID>-<uuid>`: version and length of the cluster id as four hex digits,
//! the file system's id as sixteen, the uuid as its 36 characters. The cluster id may itself contain
//! hyphens, so it is cut out by its length. An id does not tell what it is the id of: only the journal
//! does.

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

#[cfg(test)]
mod tests;

/// The longest id that the CSI specification allows in a `volume_id`.
pub const MAX_LEN: usize = 128;

/// Everything but the cluster id: the digits, four hyphens, the uuid.
const FIXED_LEN: usize = VERSION.len() + 4 + 16 + UUID_LEN + 4;
const VERSION: &str = "0001";
const UUID_LEN: usize = 36;

/// What an id can be the id of.
pub trait Kind: Clone + Copy + fmt::Debug + Eq + Hash + Ord + Send + Sync + 'static {
    /// What people call it.
    const NOUN: &'static str;
}

/// Volumes, as a [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Volume {}

/// Snapshots, as a [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Snapshot {}

/// Group snapshots, as a [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {}

impl Kind for Volume {
    const NOUN: &'static str = "volume";
}

impl Kind for Snapshot {
    const NOUN: &'static str = "snapshot";
}

impl Kind for Group {
    const NOUN: &'static str = "group snapshot";
}

/// Names a thing: its cluster, its file system, and its uuid in that file system's journal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id<K> {
    cluster: String,
    fs: i64,
    uuid: Uuid<K>,
}

/// The uuid of a thing, which names its journal object and, after a prefix, its subvolume or snapshot.
///
/// Usually a version 4 uuid, but any 36 bytes that were read from an id or the journal are kept as
/// they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid<K>(String, PhantomData<K>);

/// The id of a volume.
pub type VolumeId = Id<Volume>;
/// The uuid of a volume.
pub type VolumeUuid = Uuid<Volume>;
/// The id of a snapshot.
pub type SnapshotId = Id<Snapshot>;
/// The uuid of a snapshot.
pub type SnapshotUuid = Uuid<Snapshot>;
/// The id of a group snapshot.
pub type GroupId = Id<Group>;
/// The uuid of a group snapshot.
pub type GroupUuid = Uuid<Group>;

/// Why a string is no id of this driver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than the fixed fields.
    #[error("{noun} id `{id}` has {} bytes, a dynamic one has at least {FIXED_LEN}", .id.len())]
    TooShort {
        /// What was to be named.
        noun: &'static str,
        /// The string.
        id: String,
    },
    /// A field is not what its place demands.
    #[error("{noun} id `{id}` has no valid {field}")]
    Field {
        /// What was to be named.
        noun: &'static str,
        /// The string.
        id: String,
        /// The field.
        field: &'static str,
    },
}

/// A cluster id so long that no id can hold it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "clusterID `{cluster_id}` has {} bytes, a volume id has room for {}",
    .cluster_id.len(), MAX_LEN - FIXED_LEN
)]
pub struct TooLong {
    cluster_id: String,
}

impl<K: Kind> Id<K> {
    /// The id of `uuid` in the file system `fs_id` of the cluster `cluster_id`.
    ///
    /// # Errors
    /// [`TooLong`] if it would be longer than [`MAX_LEN`].
    pub fn new(cluster_id: &str, fs_id: i64, uuid: Uuid<K>) -> Result<Self, TooLong> {
        if cluster_id.len() + FIXED_LEN > MAX_LEN {
            return Err(TooLong {
                cluster_id: cluster_id.to_owned(),
            });
        }
        Ok(Self {
            cluster: cluster_id.to_owned(),
            fs: fs_id,
            uuid,
        })
    }

    /// Reads an id. The version, the hyphens and the uuid's syntax are not checked, so that whatever
    /// was handed out once stays readable.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else, such as the free-text handle of a static volume.
    pub fn decode(id: &str) -> Result<Self, DecodeError> {
        let noun = K::NOUN;
        let field = |field| DecodeError::Field {
            noun,
            id: id.to_owned(),
            field,
        };
        if id.len() < FIXED_LEN {
            return Err(DecodeError::TooShort {
                noun,
                id: id.to_owned(),
            });
        }
        hex(id.get(0..4)).ok_or_else(|| field("version"))?;
        let length = hex(id.get(5..9)).ok_or_else(|| field("cluster id length"))?;
        let length = usize::try_from(length).map_err(|_| field("cluster id length"))?;
        let cluster_end = 10 + length;
        let cluster_id = id.get(10..cluster_end).ok_or_else(|| field("cluster id"))?;
        let fs_id = hex(id.get(cluster_end + 1..cluster_end + 17));
        let fs_id = fs_id.ok_or_else(|| field("file system id"))?.cast_signed();
        let uuid = id
            .get(cluster_end + 18..)
            .filter(|uuid| uuid.len() == UUID_LEN);
        let uuid = uuid.ok_or_else(|| field("uuid"))?;
        Ok(Self {
            cluster: cluster_id.to_owned(),
            fs: fs_id,
            uuid: Uuid(uuid.to_owned(), PhantomData),
        })
    }

    /// The `clusterID` of config.json.
    pub fn cluster_id(&self) -> &str {
        &self.cluster
    }

    /// The file system's id (fscID).
    pub fn fs_id(&self) -> i64 {
        self.fs
    }

    /// The uuid.
    pub fn uuid(&self) -> &Uuid<K> {
        &self.uuid
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, fs, uuid } = self;
        write!(
            f,
            "{VERSION}-{:04x}-{cluster}-{fs:016x}-{uuid}",
            cluster.len()
        )
    }
}

impl<K: Kind> Uuid<K> {
    /// A new random one.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string(), PhantomData)
    }

    /// The uuid at the end of a stored value, or of the name of a subvolume or snapshot, `None` if that is too short.
    pub fn at_end_of(text: &str) -> Option<Self> {
        let start = text.len().checked_sub(UUID_LEN)?;
        text.get(start..)
            .map(|uuid| Self(uuid.to_owned(), PhantomData))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<K: Kind> fmt::Display for Uuid<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Strict hexadecimal: digits only, where the standard library would also take a sign.
fn hex(digits: Option<&str>) -> Option<u64> {
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(digits, 16).ok()
}
