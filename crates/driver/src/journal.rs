//! The journal: which volume, snapshot or group snapshot a request name stands for, kept in omaps of the file system's
//! metadata pool so that any driver instance, and ceph-csi itself, finds the same answer.
//!
//! Two objects tell about a volume, and others in the same way about a snapshot and a group snapshot:
//!
//! * the **directory** `csi.volumes.<instance>` has a key per request name whose value is the
//!   volume's uuid;
//! * the **record** `csi.volume.<uuid>` has the volume's properties as keys.
//!
//! A name is reserved by setting the directory key *if it is absent*, in one atomic operation, and
//! only then writing the record, exclusively and whole. So a name leads to at most one uuid whatever
//! races or dies: a directory key without a record is a reservation that was cut short, and repeating
//! the request completes it under the same uuid. Releasing goes the same way round: the directory key
//! first, so that the record, which knows the name, is there until nothing else is. Where nobody comes back for
//! the record, a mark takes the key's place in the same operation. A reservation that
//! comes to nothing is given back in the other order, as its uuid was never told to anybody.
//!
//! What differs between the kinds is in [`Kind`]; the protocol is one.
//!
//! Keys that begin with `spirula.` are ours; ceph-csi reads only those that begin with `csi.`, but for
//! group snapshots, of which it reads all: those have no notes of ours.

mod fields;
mod group;
mod lookup;
mod notes;
mod release;
mod reserve;
mod snapshot;
#[cfg(test)]
mod tests;
mod volume;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use ceph::{Cluster, Object};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::fields::Fields;
pub use self::group::{Attempt, GroupRecord, NewGroup};
pub use self::lookup::{Entry, Page};
pub use self::notes::NotedOver;
pub use self::reserve::Reservation;
pub use self::snapshot::{NewSnapshot, SnapshotDetails, SnapshotRecord, Taken};
pub use self::volume::{DEFAULT_PREFIX, Details, NewRecord, Origin, Record, Source};
use crate::ids::{self, Uuid, Volume};

/// What the journal can keep: names of objects and keys, and what a record says. All that begins with
/// `csi.` is shared with ceph-csi and can never change.
pub trait Kind: ids::Kind {
    /// What a record says.
    type Record: Clone + fmt::Debug + PartialEq + Send + Sync;
    /// What a new record shall say.
    type New: Sync;

    /// The directory object without `.<instance>`.
    const DIRECTORY: &'static str;
    /// Prefix of the directory's keys, before the request name.
    const DIRECTORY_KEY: &'static str;
    /// The record object without the uuid.
    const RECORD: &'static str;
    /// The record's key with the request name, which is there from its first moment on.
    const REQUEST_NAME: &'static str;
    /// Keys to be read by name as well, because no listing shows them.
    const UNLISTED: &'static [&'static str] = &[];

    /// The record of a new reservation.
    fn reserved(new: &Self::New, request_name: &str, uuid: Uuid<Self>) -> Self::Record;

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Incomplete`].
    fn decode(uuid: &Uuid<Self>, fields: &Fields<'_>) -> Result<Self::Record, Error>;

    /// All keys of a record.
    fn encode(record: &Self::Record) -> BTreeMap<String, Vec<u8>>;

    /// Whose record it is.
    fn uuid(record: &Self::Record) -> &Uuid<Self>;

    /// The name it was asked for by, `None` if the record does not say.
    fn request_name(record: &Self::Record) -> Option<&str>;
}

/// Kinds whose records have notes of this driver beside what is shared with ceph-csi.
pub trait Noted: Kind {
    /// The notes, stored as JSON.
    type Details: Serialize + DeserializeOwned + PartialEq + Sync;
    /// The record's key with the notes.
    const DETAILS: &'static str;

    /// The notes of `record`, `None` if it has none.
    fn details(record: &Self::Record) -> Option<&Self::Details>;

    /// `record` with the notes of `new`, for something that is to be made under it.
    fn renewed(record: Self::Record, new: &Self::New) -> Self::Record;
}

/// The journal of one file system, for one kind of things.
#[derive(Clone, Debug)]
pub struct Journal<K = Volume> {
    cluster: Arc<dyn Cluster>,
    /// Id of the metadata pool.
    pool: i64,
    namespace: String,
    instance: String,
    kind: PhantomData<K>,
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
    /// A record lacks what every record of its kind has.
    #[error(
        "journal object `{object}` lacks the key `{key}`, without which nobody can tell what it is \
         about; look at it with `rados listomapvals` before anything else"
    )]
    Incomplete {
        /// The object.
        object: String,
        /// The key.
        key: &'static str,
    },
    /// The directory leads from one name to the record of another.
    #[error(
        "journal: the name `{asked}` leads to {noun} {uuid}, whose record says that it was made for \
         `{stored}`; look at object `{object}` before anything else"
    )]
    NameConflict {
        /// What it is that is named.
        noun: &'static str,
        /// The name that was asked.
        asked: String,
        /// The name in the record.
        stored: String,
        /// Whose record it is.
        uuid: String,
        /// The record.
        object: String,
    },
    /// The same name was reserved and released by others again and again.
    #[error("journal: the name `{0}` keeps changing under us; is another driver deleting it?")]
    Contended(String),
}

impl<K: Kind> Journal<K> {
    /// The journal in `namespace` of the metadata pool `pool`; `instance` is the driver instance id.
    pub fn new(cluster: Arc<dyn Cluster>, pool: i64, namespace: &str, instance: &str) -> Self {
        Self {
            cluster,
            pool,
            namespace: namespace.to_owned(),
            instance: instance.to_owned(),
            kind: PhantomData,
        }
    }

    fn directory(&self) -> Object {
        self.object(format!("{}.{}", K::DIRECTORY, self.instance))
    }

    fn record(&self, uuid: &Uuid<K>) -> Object {
        self.object(format!("{}{uuid}", K::RECORD))
    }

    fn object(&self, name: String) -> Object {
        Object {
            pool: self.pool,
            namespace: self.namespace.clone(),
            name,
        }
    }
}

/// The directory's key for a request name.
fn directory_key<K: Kind>(request_name: &str) -> String {
    format!("{}{request_name}", K::DIRECTORY_KEY)
}

/// Success, and also if what was to be changed is gone.
fn unless_gone(result: ceph::Result<()>) -> Result<(), Error> {
    match result {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
