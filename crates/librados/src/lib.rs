//! Safe binding to librados, the C client of Ceph.
//!
//! * [`Cluster`] is a connection: [`Cluster::connect`] takes a [`Config`] with monitors, user and key,
//!   all of it in memory. Monitor and manager commands run on it.
//! * [`IoCtx`] is a pool and namespace on a connection: objects are read and written through it with
//!   [`ReadOp`] and [`WriteOp`], and locked.
//! * [`Monitors`] are monitor addresses in any form that people write.
//!
//! Calls block. Those to OSDs end after [`Config::osd_timeout`] and connecting ends after
//! [`Config::connect_timeout`], but monitor and manager commands **wait until they are answered**:
//! librados leaves a manager command that it times out with pointers into the stack of a function
//! that has returned, and the late answer writes through them. So librados never times one out here
//! (the setting that would is forced to "never" on every connection, see [`Config`]); a caller with a
//! deadline makes the call on a thread that it can leave alone. A connection is shut down after it was
//! dropped, and as calls borrow it, none is in flight then.
//!
//! The library is loaded by the first connection, not at the start of the process: librados and what
//! it needs cost 14 MB and 10 ms, which a process that never connects does not pay.

mod buffer;
mod cluster;
mod command;
mod config;
mod error;
mod exit;
mod ioctx;
mod iterator;
mod library;
mod lock;
pub mod monitors;
mod read_op;
#[expect(
    unsafe_code,
    non_camel_case_types,
    reason = "function pointers of C, with the names of the C header"
)]
mod sys;
mod write_op;

pub use cluster::Cluster;
pub use config::Config;
pub use error::Error;
pub use exit::end_process;
pub use ioctx::IoCtx;
pub use monitors::Monitors;
pub use read_op::{OmapPage, ReadAnswer, ReadOp};
pub use write_op::WriteOp;
