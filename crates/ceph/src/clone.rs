//! Clones: subvolumes that the manager fills with copies of what is in a snapshot.

use async_trait::async_trait;

use crate::{Context, Result, Snapshot, Subvolume};

/// How far a clone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloneStatus {
    /// Its state.
    pub state: CloneState,
    /// The snapshot that it is made of; Ceph forgets it once the clone is complete.
    pub source: Option<Snapshot>,
    /// How much is copied, as Ceph words it, e.g. `42.5%, 12 of 30 files`; `None` where it does not tell
    /// (19.2 and later do while the clone is in progress).
    pub progress: Option<String>,
}

/// The states of a clone. The last three are final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloneState {
    /// It waits for a thread of the manager.
    Pending,
    /// A thread of the manager copies.
    InProgress,
    /// It is an ordinary subvolume from now on.
    Complete,
    /// The manager gave up.
    Failed {
        /// The errno, positive; `None` where Ceph does not tell.
        errno: Option<i32>,
        /// Ceph's words; may be empty.
        text: String,
    },
    /// It was canceled.
    Canceled,
}

/// Operations on clones. An absent subvolume is `NotFound`, its group `GroupNotFound`, an absent snapshot
/// `SnapshotNotFound`; names are checked as for [`crate::Subvolumes`] and [`crate::Snapshots`].
///
/// A clone that is not complete answers most operations with `NotReady`. One that is failed or canceled
/// stays until it is removed with [`Removal::Force`](crate::subvolume::Removal::Force); one that is
/// pending or in progress has to be canceled first.
#[async_trait]
pub trait Clones: Send + Sync + std::fmt::Debug {
    /// Begins to make `to`, in `pool` or else in the pool of the source. `AlreadyExists` if there is a
    /// subvolume of that name in whatever state, `ClonersBusy` if Ceph 18 or later makes as many clones
    /// as it can, `Invalid` if `pool` is no data pool of the file system, or `to` in another one.
    ///
    /// The clone gets the quota of the source just before it is complete.
    async fn start(
        &self,
        cx: &Context,
        from: &Snapshot,
        to: &Subvolume,
        pool: Option<&str>,
    ) -> Result<()>;

    /// How far the clone is; `NotAClone` for other subvolumes.
    async fn status(&self, cx: &Context, at: &Subvolume) -> Result<CloneStatus>;

    /// Cancels the clone and waits until nothing of it goes on; `CloneFinished` if it is in a final
    /// state, `NotAClone` for other subvolumes.
    async fn cancel(&self, cx: &Context, at: &Subvolume) -> Result<()>;
}
