//! Volume ids: what Kubernetes stores as `volumeHandle`, so every byte of them is for ever.
//!
//! `0001-<len>-<clusterID>-<fscID>-<uuid>`: version and length of the cluster id as four hex digits,
//! the file system's id as sixteen, the uuid as its 36 characters. The cluster id may itself contain
//! hyphens, so it is cut out by its length.

use std::fmt;

use uuid::Uuid;

#[cfg(test)]
mod tests;

/// The longest id that the CSI specification allows in a `volume_id`.
pub const MAX_LEN: usize = 128;

/// Everything but the cluster id: the digits, four hyphens, the uuid.
const FIXED_LEN: usize = VERSION.len() + 4 + 16 + UUID_LEN + 4;
const VERSION: &str = "0001";
const UUID_LEN: usize = 36;

/// Names a volume: its cluster, its file system, and its uuid in that file system's journal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VolumeId {
    cluster_id: String,
    fs_id: i64,
    uuid: VolumeUuid,
}

/// The uuid of a volume, which names its journal object and, after a prefix, its subvolume.
///
/// Usually a version 4 uuid, but any 36 bytes that were read from an id or the journal are kept as
/// they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeUuid(String);

/// Why a string is no volume id of this driver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than the fixed fields.
    #[error("volume id `{id}` has {} bytes, a dynamic one has at least {FIXED_LEN}", .id.len())]
    TooShort {
        /// The string.
        id: String,
    },
    /// A field is not what its place demands.
    #[error("volume id `{id}` has no valid {field}")]
    Field {
        /// The string.
        id: String,
        /// The field.
        field: &'static str,
    },
}

/// A cluster id so long that no volume id can hold it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "clusterID `{cluster_id}` has {} bytes, a volume id has room for {}",
    .cluster_id.len(), MAX_LEN - FIXED_LEN
)]
pub struct TooLong {
    cluster_id: String,
}

impl VolumeId {
    /// The id of the volume `uuid` in the file system `fs_id` of the cluster `cluster_id`.
    ///
    /// # Errors
    /// [`TooLong`] if it would be longer than [`MAX_LEN`].
    pub fn new(cluster_id: &str, fs_id: i64, uuid: VolumeUuid) -> Result<Self, TooLong> {
        if cluster_id.len() + FIXED_LEN > MAX_LEN {
            return Err(TooLong {
                cluster_id: cluster_id.to_owned(),
            });
        }
        Ok(Self {
            cluster_id: cluster_id.to_owned(),
            fs_id,
            uuid,
        })
    }

    /// Reads an id. The version, the hyphens and the uuid's syntax are not checked, so that whatever
    /// was handed out once stays readable.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else, such as the free-text handle of a static volume.
    pub fn decode(id: &str) -> Result<Self, DecodeError> {
        let field = |field| DecodeError::Field {
            id: id.to_owned(),
            field,
        };
        if id.len() < FIXED_LEN {
            return Err(DecodeError::TooShort { id: id.to_owned() });
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
            cluster_id: cluster_id.to_owned(),
            fs_id,
            uuid: VolumeUuid(uuid.to_owned()),
        })
    }

    /// The `clusterID` of config.json.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The file system's id (fscID).
    pub fn fs_id(&self) -> i64 {
        self.fs_id
    }

    /// The uuid.
    pub fn uuid(&self) -> &VolumeUuid {
        &self.uuid
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cluster_id,
            fs_id,
            uuid,
        } = self;
        write!(
            f,
            "{VERSION}-{:04x}-{cluster_id}-{fs_id:016x}-{uuid}",
            cluster_id.len()
        )
    }
}

impl VolumeUuid {
    /// A new random one.
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The uuid at the end of a stored value or subvolume name, `None` if that is too short.
    pub fn at_end_of(text: &str) -> Option<Self> {
        let start = text.len().checked_sub(UUID_LEN)?;
        text.get(start..).map(|uuid| Self(uuid.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VolumeUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Strict hexadecimal: digits only, where the standard library would also take a sign.
fn hex(digits: Option<&str>) -> Option<u64> {
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u64::from_str_radix(digits, 16).ok()
}
