//! Snapshots of subvolumes.

use std::collections::BTreeMap;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::{Context, Result, Subvolume};

/// Which snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// The subvolume that it is a snapshot of, which may itself be removed but for its snapshots.
    pub of: Subvolume,
    /// Name.
    pub name: String,
}

/// What [`Snapshots::info`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// When it was made, by the clock of the mds, in the time zone of the manager, which is taken to be
    /// UTC. Differs by less than a second once its subvolume is removed.
    pub created_at: SystemTime,
    /// The data pool of its subvolume.
    pub data_pool: String,
    /// Whether clones of it are being made, which keep it from being removed.
    pub has_pending_clones: bool,
    /// Names of those clones, where Ceph tells them: 16.2.13, 17.2.6 and later do.
    pub pending_clones: Vec<String>,
}

/// Operations on snapshots. They behave as Ceph's own, and tell what is absent: an absent subvolume is
/// `NotFound`, its group `GroupNotFound`, an absent snapshot of a present subvolume `SnapshotNotFound`.
/// A name that is not one path component, or begins with `_`, is `Invalid` and never sent.
///
/// A subvolume that is removed with its snapshots retained
/// ([`Removal::RetainSnapshots`](crate::subvolume::Removal::RetainSnapshots)) is present for `info`, `list`
/// and `remove`, and absent for the others.
#[async_trait]
pub trait Snapshots: Send + Sync + std::fmt::Debug {
    /// Creates the snapshot. One that exists stays as it is, and is no error. `TooManySnapshots` at the
    /// limit of the mds (100 per subvolume, unless `mds_max_snaps_per_dir` says otherwise), before Ceph 20
    /// even for one that exists.
    async fn create(&self, cx: &Context, at: &Snapshot) -> Result<()>;

    /// What is known about the snapshot.
    async fn info(&self, cx: &Context, at: &Snapshot) -> Result<SnapshotInfo>;

    /// Names of all snapshots of a subvolume.
    async fn list(&self, cx: &Context, of: &Subvolume) -> Result<Vec<String>>;

    /// Removes the snapshot; `PendingClones` while clones of it are being made. The last one of a
    /// removed subvolume takes the rest of the subvolume with it.
    async fn remove(&self, cx: &Context, at: &Snapshot) -> Result<()>;

    /// Sets one metadata key, as [`Subvolumes::set_metadata`](crate::Subvolumes::set_metadata).
    async fn set_metadata(&self, cx: &Context, at: &Snapshot, key: &str, value: &str)
    -> Result<()>;

    /// All metadata, with keys in lower case.
    async fn metadata(&self, cx: &Context, at: &Snapshot) -> Result<BTreeMap<String, String>>;
}
