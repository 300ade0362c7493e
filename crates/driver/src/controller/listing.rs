//! Going through all volumes or snapshots, page by page: clusters in the order of their clusterIDs, in each the file
//! systems by id, in each the journal's directory by request name.
//!
//! A page ends at a place in that order and the next one goes on right after it, whether or not what was
//! at that place still exists. So whatever exists all the time is listed exactly once. If one cluster
//! cannot be listed the listing fails: a caller takes what is missing as gone.

mod page;
mod position;
mod presence;
mod snapshots;
mod volumes;
mod walk;

pub(super) use page::Page;
pub(super) use position::Position;
pub(super) use presence::Directories;
pub(super) use snapshots::{snapshot, snapshots, snapshots_of};
pub(super) use volumes::{ListedVolume, volumes};
pub(super) use walk::Walk;

/// Records that are read at once.
const LOOKUPS: usize = 32;
/// Subvolumes that the manager is asked about at once.
const QUESTIONS: usize = 8;
