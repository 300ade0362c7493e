//! Mounting: what the node service asks of the operating system.
//!
//! [`Mounts`] is the boundary. [`Linux`] implements it with system calls and the Ceph clients;
//! a second implementation in memory lets tests fail or kill it at any step. Nothing here knows CSI.
//!
//! Three rules keep a dead cluster from taking the driver down with it: what is mounted is learnt from
//! the mount table and never by looking at the mount; a path is made canonical without touching its
//! last component; and every call that can hang runs where it can be left behind at the deadline.

mod cephfs;
mod command;
mod failure;
mod fuse;
mod group;
mod helper;
mod kernel;
mod key_file;
pub mod keyring;
mod linux;
mod liveness;
pub mod memory;
mod monitors;
mod mounter;
mod namespaces;
mod net_namespace;
mod options;
mod path;
mod place;
mod probe;
pub mod role;
mod snapshot;
mod stats;
mod table;
mod tree;
mod unmount;
mod witness;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use ceph::Context;

use crate::ceph_conf;

pub use cephfs::{CephFs, Serving};
pub use command::Error as CommandError;
pub use failure::{Cause, Failure};
pub use fuse::{CgroupSettings, Fuse};
pub use kernel::Kernel;
pub use keyring::{Error as KeyringError, Keyring};
pub use linux::Linux;
pub use liveness::Liveness;
pub use mounter::{Fallback, Mounter, MounterKind, UnknownMounter};
pub use net_namespace::NetNamespaceError;
pub use options::{Access, MountFlags, MountOptions, OptionSources};
pub use place::{Place, Survey, There};
pub use snapshot::{Snapshot, SnapshotName};
pub use stats::Usage;
pub use table::{Mount, MountTable, ParseError};
pub use unmount::{Unmounted, Users};
pub use witness::Witness;

/// What the node service asks of the operating system.
///
/// Contract of every method: it answers before the deadline of its [`Context`] (what it started may
/// still take effect later), never waits on a mounted file system on the caller's thread, and can be
/// repeated: repeating a call that has taken effect either succeeds or is told apart by the table.
/// Paths are canonical, as [`Mounts::locate`] returns them, unless said otherwise.
#[async_trait]
pub trait Mounts: Send + Sync + std::fmt::Debug {
    /// Makes a path canonical and reads the mount table. `None` if the parent directory of the path
    /// does not exist.
    async fn locate(&self, cx: &Context, path: &Path) -> Result<Option<Place>, Error>;

    /// The same, and whether clients have been started for the path that have not mounted there yet. That is looked at
    /// before the table is read: a client that is starting no more is in it, unless it has failed.
    async fn survey(&self, cx: &Context, path: &Path) -> Result<Option<Survey>, Error>;

    /// What is mounted now.
    async fn table(&self, cx: &Context) -> Result<MountTable, Error>;

    /// Creates a directory and its missing parents, readable by owner and group, and returns its
    /// canonical path. One that is there is fine; [`Error::NoDirectory`] if what is there is none, or a link to
    /// one. The path need not be canonical.
    async fn create_dir(&self, cx: &Context, path: &Path) -> Result<PathBuf, Error>;

    /// Removes an empty directory; one that is gone is fine. [`Error::NotEmpty`] if it holds anything:
    /// contents are never deleted.
    async fn remove_dir(&self, cx: &Context, path: &Path) -> Result<(), Error>;

    /// Mounts a CephFS at a directory. When it returns an error nothing of it is left mounted.
    async fn mount(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<Mounted, Error>;

    /// What serves the mount `at`, as far as can be found out without asking it: `None` if unknown.
    async fn serving(&self, cx: &Context, at: &Mount) -> Result<Option<Serving>, Error>;

    /// Ends clients that were started for `at` but have not mounted there yet: what a stage that was
    /// killed leaves behind. One that mounts before it can be ended leaves a dead mount, which is in the table
    /// that is returned: what is mounted once there are none.
    async fn end_strays(&self, cx: &Context, at: &Path) -> Result<MountTable, Error>;

    /// Ends the clients that this driver has started, and whose mounts have been gone everywhere for as long
    /// as `grace`: their cluster does not answer. How long is counted from when a call first sees it.
    async fn end_leftovers(&self, cx: &Context, grace: Duration) -> Result<(), Error>;

    /// The directory that shows `snapshot` of the CephFS mounted at `at`. [`Error::NoSnapshot`],
    /// [`Error::AmbiguousSnapshot`].
    async fn find_snapshot(
        &self,
        cx: &Context,
        at: &Path,
        snapshot: &Snapshot,
    ) -> Result<PathBuf, Error>;

    /// Whether there is a directory or file at `source` that can be mounted a second time. A link is none.
    async fn is_bindable(&self, cx: &Context, source: &Path) -> Result<bool, Error>;

    /// Mounts the directory `source` a second time at `target`, whatever `source` is by then, but for a symbolic link: none
    /// is followed, as those who use a volume can put one anywhere in it. With these flags instead of
    /// those of its mount, if there are some and the kernel can do that in one step; who calls has to look, and to set
    /// them otherwise.
    async fn bind(
        &self,
        cx: &Context,
        source: &Path,
        target: &Path,
        flags: Option<MountFlags>,
    ) -> Result<(), Error>;

    /// Gives the mount at `target` these flags instead of its present ones.
    async fn set_flags(&self, cx: &Context, target: &Path, flags: MountFlags) -> Result<(), Error>;

    /// Gives the directory at `path` to `group`, with all rights and for whatever is made in it. What is in
    /// it stays as it is; nothing is written if the directory is so already.
    async fn set_group(&self, cx: &Context, path: &Path, group: u32) -> Result<(), Error>;

    /// Takes away the topmost mount at `target`; nothing mounted there is fine. Escalates when the
    /// mount is dead or hangs, and says how far it had to go. [`Error::InUse`] if a live mount is busy.
    async fn unmount(&self, cx: &Context, target: &Path, users: Users) -> Result<Unmounted, Error>;

    /// Whether the file system of `mount` answers. [`Error::Dead`] if its client is gone,
    /// [`Error::Hangs`] if it does not answer.
    async fn probe(&self, cx: &Context, mount: &Mount) -> Result<(), Error>;

    /// Space and files of the file system of `mount`; errors as for [`Mounts::probe`].
    async fn usage(&self, cx: &Context, mount: &Mount) -> Result<Usage, Error>;

    /// How the client of `at` is, found out without asking the mount.
    async fn liveness(&self, cx: &Context, at: &Mount) -> Result<Liveness, Error>;

    /// Shows the mount `fresh` in other mount namespaces than ours, in place of the mounts of the dead
    /// superblocks `dead`, each with the options of the dead one. Those of containers that end meanwhile
    /// are left out.
    async fn replace_elsewhere(
        &self,
        cx: &Context,
        dead: &[String],
        fresh: &Mount,
    ) -> Result<(), Error>;

    /// Whether this node can mount at all; errors name what is missing.
    async fn check(&self, cx: &Context) -> Result<(), Error>;
}

/// A CephFS that has just been mounted.
#[derive(Debug)]
pub struct Mounted {
    /// `major:minor` of its superblock.
    pub device: String,
    /// Set if it is not mounted by the client that was asked for.
    pub fallback: Option<Fallback>,
}

/// What could not be done to which path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client has no ceph.conf to read.
    #[error(transparent)]
    CephConf(#[from] ceph_conf::Error),
    /// A system call failed.
    #[error("cannot {call} `{}`", path.display())]
    Call {
        /// What was tried.
        call: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A system call has not returned.
    #[error(
        "{call} `{}` has not returned for {:.1} s: the file system there may be waiting for a Ceph \
         cluster that does not answer", path.display(), waited.as_secs_f64()
    )]
    Hangs {
        /// What was tried.
        call: &'static str,
        /// On what.
        path: PathBuf,
        /// How long ago.
        waited: Duration,
    },
    /// The client of a mount is gone.
    #[error("the mount at `{}` is dead", path.display())]
    Dead {
        /// The mount point.
        path: PathBuf,
        /// What the kernel answers to everything there.
        source: io::Error,
    },
    /// Something is still open below a mount that is to go.
    #[error(
        "`{}` is in use and cannot be unmounted: a process has files open there or its working \
         directory below; `fuser -vm {}` names it", path.display(), path.display()
    )]
    InUse {
        /// The mount point.
        path: PathBuf,
    },
    /// What should be a directory is none.
    #[error("`{}` is not a directory", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
    },
    /// A mounted CephFS has no such snapshot.
    #[error("there is no snapshot `{snapshot}` in the directory that the volume shows it of")]
    NoSnapshot {
        /// What identifies it.
        snapshot: String,
    },
    /// A mounted CephFS has several such snapshots.
    #[error("`{snapshot}` does not identify a snapshot; there are: {}", found.join(", "))]
    AmbiguousSnapshot {
        /// What should identify it.
        snapshot: String,
        /// All that it fits.
        found: Vec<String>,
    },
    /// A directory that should go holds something.
    #[error(
        "directory `{}` is not empty and stays: files were written to it while nothing was mounted \
         there; move them away", path.display()
    )]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The kernel's mount table was not understood.
    #[error(transparent)]
    Table(#[from] ParseError),
    /// No client that can mount CephFS works on this node.
    #[error("no CephFS client works on this node: {reasons}")]
    NoMounter {
        /// Each client and what it lacks.
        reasons: String,
    },
    /// A mount option is one that the driver does not take.
    #[error("mount option `{option}` {why}")]
    Option {
        /// Its name; its value may be a secret.
        option: String,
        /// Why not.
        why: &'static str,
    },
    /// A cluster's network namespace cannot be entered.
    #[error(transparent)]
    NetNamespace(#[from] NetNamespaceError),
    /// The kernel's keyring does not take a cephx key.
    #[error(
        "cannot lend the cephx key to the kernel; the driver's container has to be privileged, or its \
         seccomp profile has to allow add_key and keyctl"
    )]
    LentKey {
        /// Why.
        source: io::Error,
    },
    /// A program did not run to its end.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A dead mount could not be replaced where another process sees it.
    #[error(
        "cannot replace the dead mount at `{}` of process {process}, which runs on without the volume: \
         {why}", path.display()
    )]
    Replace {
        /// One of the processes that see it.
        process: i32,
        /// Where they see it.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The client could not mount.
    #[error(transparent)]
    Failure(#[from] Box<Failure>),
    /// The client reported success, but nothing is mounted.
    #[error(
        "{client} reported success but nothing is mounted at `{}`: if the driver runs in a container, \
         it needs the host's /dev/fuse and CAP_SYS_ADMIN", at.display()
    )]
    Vanished {
        /// The client.
        client: &'static str,
        /// The mount point.
        at: PathBuf,
    },
}
