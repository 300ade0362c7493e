//! Everything that can fail in an RPC. Each variant says what was wrong with what; which gRPC code
//! that becomes is decided in [`crate::status`] alone.

use std::fmt;
use std::time::Duration;

use crate::{
    config, credentials, ids, journal, mount, node, operations, own_credentials, reftracker,
    request, size,
};

/// An RPC that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is wrong.
    #[error(transparent)]
    Request(#[from] request::Error),
    /// No size satisfies the capacity range.
    #[error(transparent)]
    Size(#[from] size::Error),
    /// The clusterID makes ids that are too long.
    #[error(transparent)]
    ClusterIdTooLong(#[from] ids::TooLong),
    /// The secrets do not hold a usable cephx user and key.
    #[error(transparent)]
    Credentials(#[from] credentials::Error),
    /// The request carries no secrets, and the driver has no usable credentials of its own.
    #[error(transparent)]
    OwnCredentials(#[from] own_credentials::Error),
    /// The place where a listing is to go on is none.
    #[error(
        "`starting_token` is none that this driver gave; list again from the start, without it"
    )]
    Token,
    /// One of several clusters cannot be asked, so there is no answer for all of them.
    #[error("cluster `{cluster}`: {source}")]
    Listing {
        /// The clusterID.
        cluster: String,
        /// Why.
        source: Box<Error>,
    },
    /// config.json has no answer.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The driver itself cannot work.
    #[error("not ready: {0}")]
    NotReady(#[source] config::Error),
    /// A stored id names a cluster that config.json has no answer for.
    #[error("{noun} `{id}`: {source}")]
    ConfigOf {
        /// What has the id.
        noun: &'static str,
        /// The id.
        id: String,
        /// Why.
        source: config::Error,
    },
    /// The StorageClass names a file system that is not there.
    #[error("`parameters.fsName`: {0}")]
    UnknownFilesystem(#[source] ceph::Error),
    /// The subvolume group of config.json is not there.
    #[error(
        "subvolume group `{group}` of file system `{fs}` does not exist; create it once with \
         `ceph fs subvolumegroup create {fs} {group}`, or set cephFS.subvolumeGroup in config.json"
    )]
    NoGroup {
        /// File system.
        fs: String,
        /// Group.
        group: String,
    },
    /// The subvolume group of a volume is not there, which says nothing about the volume.
    #[error(
        "{0}; the volume was made in a group that is gone, or cephFS.subvolumeGroup in config.json no \
         longer names the group it was made in"
    )]
    OtherGroup(#[source] ceph::Error),
    /// Only volumes that CreateVolume made can be the object of the RPC.
    #[error("{0}; only dynamic volumes have this operation")]
    NotDynamic(#[source] ids::DecodeError),
    /// There is no such volume.
    #[error("volume `{id}` does not exist: {why}")]
    NoVolume {
        /// The volume id.
        id: String,
        /// How we know.
        why: String,
    },
    /// There is no such snapshot.
    #[error("snapshot `{id}` does not exist: {why}")]
    NoSnapshot {
        /// The snapshot id.
        id: String,
        /// How we know.
        why: String,
    },
    /// The name is taken by a volume that is not what is asked for.
    #[error("volume `{name}` exists already and {why}; delete it or ask by another name")]
    Incompatible {
        /// Request name.
        name: String,
        /// What differs.
        why: String,
    },
    /// The name is taken by a snapshot of another volume.
    #[error(
        "snapshot `{name}` exists already, of `{source_name}` and not of `{asked}`; delete it or ask by \
         another name"
    )]
    OtherSource {
        /// Request name.
        name: String,
        /// The subvolume that it is of.
        source_name: String,
        /// The subvolume that was asked for.
        asked: String,
    },
    /// There is no such group snapshot.
    #[error("group snapshot `{id}` does not exist: {why}")]
    NoGroupSnapshot {
        /// The group snapshot id.
        id: String,
        /// How we know.
        why: String,
    },
    /// The name is taken by a group snapshot of other volumes.
    #[error(
        "group snapshot `{name}` exists already, with the id `{id}`, of the volumes {} and not of {}; \
         delete it or ask by another name", List(.members), List(.asked)
    )]
    OtherMembers {
        /// Request name.
        name: String,
        /// Its id.
        id: String,
        /// The volumes that it is of.
        members: Vec<String>,
        /// The volumes that were asked for.
        asked: Vec<String>,
    },
    /// Snapshots of a group were deleted, so that it is no group any more.
    #[error(
        "group snapshot `{id}` is not complete any more, because these snapshots of it were deleted: {}; \
         delete it and ask by another name", List(.missing)
    )]
    GroupIncomplete {
        /// The group snapshot id.
        id: String,
        /// Ids of the snapshots.
        missing: Vec<String>,
    },
    /// Clones that are being made need snapshots of the group.
    #[error(
        "group snapshot `{id}` cannot be deleted yet, because volumes are being made of {}; wait until \
         they are complete, or delete them", .of.join(", ")
    )]
    GroupInUse {
        /// The group snapshot id.
        id: String,
        /// The snapshots, with the subvolumes that are made of them.
        of: Vec<String>,
    },
    /// This Ceph cannot hold writes back.
    #[error(
        "{0}; a group snapshot needs the writes to all its volumes held back, which Ceph can do since \
         19.2 (Squid): upgrade Ceph, or take a snapshot of each volume"
    )]
    NoQuiesce(#[source] ceph::Error),
    /// Ceph allows no further snapshot of the volume.
    #[error(
        "{source}; the volume `{volume}` has {count} snapshots and Ceph allows no more to a directory \
         (mds_max_snaps_per_dir); delete some of them"
    )]
    SnapshotLimit {
        /// The volume id.
        volume: String,
        /// How many there are.
        count: usize,
        /// Ceph's refusal.
        source: ceph::Error,
    },
    /// Clones that are being made need the snapshot.
    #[error(
        "snapshot `{id}` cannot be deleted yet, because volumes are being made of it{}; wait until they \
         are complete, or delete them", Names(.clones)
    )]
    PendingClones {
        /// The snapshot id.
        id: String,
        /// Names of their subvolumes, where Ceph tells them.
        clones: Vec<String>,
    },
    /// The volume is still being made of its source.
    #[error(
        "volume `{name}` is being made of {of}: {state} after {age:.1?}; that goes on, and asking again \
         with the same name waits for it"
    )]
    Unfinished {
        /// Request name.
        name: String,
        /// What it is made of.
        of: journal::Source,
        /// How far it is.
        state: String,
        /// How long ago it was first asked for.
        age: Duration,
    },
    /// It failed, and something of what was to be made may be there, or go on.
    #[error(
        "{source}; something of {noun} `{name}` may exist, and asking again with the same name goes on with it"
    )]
    Begun {
        /// What was to be made.
        noun: &'static str,
        /// Request name.
        name: String,
        /// Why it failed.
        source: Box<Error>,
    },
    /// Ceph gave up making the volume.
    #[error(
        "volume `{name}` could not be made of {of}: Ceph gave the copy up: {text}{}; what there was of \
         it is removed, and asking again begins anew", Errno(*.errno)
    )]
    CopyFailed {
        /// Request name.
        name: String,
        /// What it was made of.
        of: journal::Source,
        /// Why, positive, where Ceph told.
        errno: Option<i32>,
        /// Ceph's words.
        text: String,
    },
    /// A copy cannot be smaller than what it is a copy of.
    #[error(
        "a volume made of {of} has to have at least its {source_bytes} bytes, and {asked} are asked for; \
         ask for as much or more"
    )]
    SmallerThanSource {
        /// The source.
        of: journal::Source,
        /// The quota of the source.
        source_bytes: u64,
        /// What was asked for.
        asked: u64,
    },
    /// The volume is larger than the limit of the request.
    #[error(
        "the volume has {quota} bytes already, more than `capacity_range.limit_bytes` admits, and \
         volumes never shrink"
    )]
    BeyondLimit {
        /// Its quota.
        quota: u64,
    },
    /// The volume is of a kind that this release does not serve.
    #[error("{what} is not served by this release of spirula: {cure}")]
    Unserved {
        /// What was met.
        what: String,
        /// What to do.
        cure: &'static str,
    },
    /// The cephx user may not do what the step needs.
    #[error("{source}; {cure}")]
    Caps {
        /// Ceph's refusal.
        source: ceph::Error,
        /// The command that grants what is missing.
        cure: String,
    },
    /// Ceph failed.
    #[error(transparent)]
    Ceph(#[from] ceph::Error),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// The references of a snapshot could not be read or changed.
    #[error(transparent)]
    References(#[from] reftracker::Error),
    /// The node is not as the request supposes.
    #[error(transparent)]
    Path(#[from] node::PathError),
    /// Mounting or unmounting failed.
    #[error(transparent)]
    Mount(#[from] mount::Error),
    /// Another request is at the same thing.
    #[error(transparent)]
    Busy(#[from] operations::Busy),
    /// The deadline has passed.
    #[error(transparent)]
    Expired(#[from] operations::Expired),
    /// A defect of the driver.
    #[error("the request made the driver panic, which is a defect of it: {0}")]
    Panicked(String),
}

impl Error {
    /// [`Error::Begun`]: nobody may forget the thing `name`, although its creation failed.
    pub(crate) fn begun<K: ids::Kind>(name: &str, source: impl Into<Self>) -> Self {
        match source.into() {
            // They say themselves that it is to be asked for again.
            again @ (Self::Unfinished { .. } | Self::Journal(journal::Error::Contended(_))) => {
                again
            }
            source => Self::Begun {
                noun: K::NOUN,
                name: name.to_owned(),
                source: Box::new(source),
            },
        }
    }

    /// Whether what failed may have had its effect, or may have it later, for all that this error tells.
    pub(crate) fn has_unknown_effect(&self) -> bool {
        match self {
            Self::Ceph(error) | Self::Journal(journal::Error::Ceph(error)) => {
                error.has_unknown_effect()
            }
            Self::References(reftracker::Error::Ceph(error)) => error.has_unknown_effect(),
            _ => false,
        }
    }
}

/// ` (errno 5)`, or nothing.
struct Errno(Option<i32>);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(errno) => write!(f, " (errno {errno})"),
            None => Ok(()),
        }
    }
}

/// `` `a`, `b` ``.
struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}`{name}`")?;
        }
        Ok(())
    }
}

/// ` (a, b)`, or nothing.
struct Names<'a>(&'a [String]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.0.join(", "))
    }
}
