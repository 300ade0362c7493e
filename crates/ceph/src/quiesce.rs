//! Quiescing: clients hold back their writes to a set of subvolumes, so that snapshots of them show one
//! moment. Ceph 19.2 (Squid) and later can do it.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Context, Result, Subvolume};

/// Which set, by a name that its maker chooses. A set is known to Ceph for as long as its mds lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuiesceSet {
    /// The file system that all members are in.
    pub fs: String,
    /// Name.
    pub name: String,
}

/// The times of a set, which the mds minds even if whoever asked for it dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuiesceLimits {
    /// The longest that the clients may take to finish what they have begun.
    pub patience: Duration,
    /// The longest that the members stay quiet.
    pub expiration: Duration,
}

/// A period of quiet, to be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    pub(crate) version: u64,
}

/// Operations on quiesce sets; `Unsupported` before Ceph 19.2.
#[async_trait]
pub trait Quiesce: Send + Sync + std::fmt::Debug {
    /// Begins anew with these members, in whatever state the set is, and waits until all of them are
    /// quiet. `NotQuiet` if they do not become so within the patience; then nobody waits any more.
    /// `NotFound` for an absent subvolume, `Invalid` for none at all.
    async fn quiesce(
        &self,
        cx: &Context,
        set: &QuiesceSet,
        members: &[Subvolume],
        limits: QuiesceLimits,
    ) -> Result<Quiet>;

    /// Lets the clients go on. Success means that all members were quiet from then until now;
    /// `NotQuiet` that the time ran out, or that somebody else began anew or released the set.
    async fn release(&self, cx: &Context, set: &QuiesceSet, quiet: Quiet) -> Result<()>;

    /// Lets the clients go on in whatever state the set is, also if there is none.
    async fn cancel(&self, cx: &Context, set: &QuiesceSet) -> Result<()>;
}
