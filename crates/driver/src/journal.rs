//! The journal: which volume a request name stands for, kept in omaps of the file system's metadata
//! pool so that any driver instance, and ceph-csi itself, finds the same answer.
//!
//! Two objects tell about a volume:
//!
//! * the **directory** `csi.volumes.<instance>` has a key per request name whose value is the
//!   volume's uuid;
//! * the **record** `csi.volume.<uuid>` has the volume's properties as keys.
//!
//! A name is reserved by setting the directory key *if it is absent*, in one atomic operation, and
//! only then writing the record, exclusively and whole. So a name leads to at most one uuid whatever
//! races or dies: a directory key without a record is a reservation that was cut short, and repeating
//! the request completes it under the same uuid. Releasing goes the same way round: the directory key
//! first, so that the record, which knows the name, is there until nothing else is.
//!
//! Keys that begin with `spirula.` are ours; ceph-csi reads only those that begin with `csi.`.

mod keys;
mod lookup;
mod release;
mod reserve;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use ceph::{Cluster, Object};
use serde::{Deserialize, Serialize};

pub use self::keys::DEFAULT_PREFIX;
pub use self::lookup::Entry;
pub use self::reserve::Reservation;
use crate::ids::VolumeUuid;

/// The journal of one file system.
#[derive(Clone, Debug)]
pub struct Journal {
    cluster: Arc<dyn Cluster>,
    /// Id of the metadata pool.
    pool: i64,
    namespace: String,
    instance: String,
}

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
}

/// What a new volume's record shall say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// What the uuid is appended to for the subvolume's name.
    pub name_prefix: String,
    /// Namespace of the PVC.
    pub owner: Option<String>,
    /// What to note.
    pub details: Details,
    /// Subvolume metadata to be set in the background.
    pub pending_metadata: BTreeMap<String, String>,
}

/// Notes of this driver in a record: they spare commands to Ceph, and survive edits of config.json.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// The largest quota given, in bytes; `None` if the volume was made without one.
    pub size: Option<u64>,
    /// The data pool asked for, `None` for the default of the file system.
    pub pool: Option<String>,
    /// The subvolume group it was made in.
    pub group: String,
}

/// The journal could not be read or written, or contradicts itself.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Ceph failed.
    #[error("journal: {0}")]
    Ceph(#[from] ceph::Error),
    /// A stored value is not what its key promises.
    #[error("journal object `{object}`, key `{key}`: the value is not {expected}")]
    Malformed {
        /// The object.
        object: String,
        /// The key.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The directory leads from one name to the record of another.
    #[error(
        "journal: the name `{asked}` leads to volume {uuid}, whose record says that it was made for \
         `{stored}`; look at object `csi.volume.{uuid}` before anything else"
    )]
    NameConflict {
        /// The name that was asked.
        asked: String,
        /// The name in the record.
        stored: String,
        /// The volume.
        uuid: VolumeUuid,
    },
    /// The same name was reserved and released by others again and again.
    #[error("journal: the name `{0}` keeps changing under us; is another driver deleting it?")]
    Contended(String),
}

impl Journal {
    /// The journal in `namespace` of the metadata pool `pool`; `instance` is the driver instance id.
    pub fn new(cluster: Arc<dyn Cluster>, pool: i64, namespace: &str, instance: &str) -> Self {
        Self {
            cluster,
            pool,
            namespace: namespace.to_owned(),
            instance: instance.to_owned(),
        }
    }

    fn directory(&self) -> Object {
        self.object(keys::directory(&self.instance))
    }

    fn record(&self, uuid: &VolumeUuid) -> Object {
        self.object(keys::record(uuid))
    }

    fn object(&self, name: String) -> Object {
        Object {
            pool: self.pool,
            namespace: self.namespace.clone(),
            name,
        }
    }
}

/// The text of a stored value.
fn text(object: &Object, key: &str, value: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(value).map_err(|_| malformed(object, key, "text"))?;
    Ok(text.to_owned())
}

fn malformed(object: &Object, key: &str, expected: &'static str) -> Error {
    Error::Malformed {
        object: object.name.clone(),
        key: key.to_owned(),
        expected,
    }
}
