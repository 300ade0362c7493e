//! What the driver wants from Ceph, and nothing about CSI.
//!
//! * [`Cluster`] is the boundary: objects with omaps and xattrs, advisory locks, monitor and manager
//!   commands. [`rados`] implements it over librados, [`memory`] in memory; [`suite`] is the contract
//!   that both must pass, [`fault`] makes any of them fail at a chosen call, and [`observe`] tells of
//!   each call.
//! * [`Subvolumes`], [`Snapshots`], [`Clones`] and [`Quiesce`] are what volumes are made with; [`mgr`]
//!   implements them with manager commands.
//! * [`health`] and [`storage`] are what the monitors tell of file systems and pools.
//! * [`Pool`] hands out shared connections, each with its cached [`filesystem`] facts.
//!
//! Every call takes a [`Context`]: the instant by which it must have answered, and the place where it
//! says what it waits for, so that an expired request can name the Ceph command that held it up.

pub mod clone;
mod cluster;
mod context;
mod error;
pub mod fault;
pub mod filesystem;
pub mod health;
pub mod memory;
pub mod mgr;
mod mon;
mod object;
pub mod observe;
pub mod pool;
pub mod quiesce;
pub mod rados;
pub mod snapshot;
pub mod storage;
pub mod subvolume;
pub mod suite;

pub use clone::{CloneState, CloneStatus, Clones};
pub use cluster::{Cluster, Command, Lock};
pub use context::{Context, Progress, Step};
pub use error::{Error, ErrorKind, Result};
pub use filesystem::Filesystem;
pub use librados::{end_process, monitors};
pub use object::{Object, OmapPage, ReadAnswer, ReadOp, WriteOp, WriteStep};
pub use pool::{Connect, Connection, Identity, Pool};
pub use quiesce::{Quiesce, QuiesceLimits, QuiesceSet, Quiet};
pub use snapshot::{Snapshot, SnapshotInfo, Snapshots};
pub use subvolume::{Subvolume, Subvolumes};
