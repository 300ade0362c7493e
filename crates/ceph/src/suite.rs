//! The contract of [`Cluster`] and of [`MgrVolumes`], as named cases
//! that every implementation must pass.
//!
//! [`contract_tests!`](crate::contract_tests) makes a test of each case. A case works under names of its
//! own, so that all of them can run at once on a cluster that serves others too. Where a real cluster
//! answers otherwise than a case says, the case is wrong.

mod clients;
mod clones;
mod commands;
mod deadlines;
mod locks;
mod objects;
mod omap;
mod quiesce;
mod snapshots;
mod subvolumes;
mod versions;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;

pub use clients::*;
pub use clones::*;
pub use commands::*;
pub use deadlines::*;
pub use locks::*;
pub use objects::*;
pub use omap::*;
pub use quiesce::*;
pub use snapshots::*;
pub use subvolumes::*;
pub use versions::*;

use crate::mgr::MgrVolumes;
use crate::subvolume::Subvolume;
use crate::{Clones, Cluster, Context, ErrorKind, Filesystem, Object, ReadAnswer, ReadOp, Result};
use crate::{Quiesce, Snapshot, Snapshots, Subvolumes, WriteOp, WriteStep};

/// What a case runs on.
#[derive(Clone, Debug)]
pub struct Subject {
    /// A client of the cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Another client of the same cluster.
    pub other: Arc<dyn Cluster>,
    /// A file system that the cases may use.
    pub fs: Filesystem,
    /// A subvolume group of it.
    pub group: String,
    /// A name that nothing else in the cluster has: RADOS namespace and prefix of subvolume names.
    pub unique: String,
    /// Writes files.
    pub files: Arc<dyn Files>,
    /// Whether the user may take locks.
    pub locks: Locks,
    /// Whether subvolumes can be quiesced.
    pub quiescing: Quiescing,
}

/// Whether the release of Ceph has `fs quiesce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiescing {
    /// It does: 19.2 and later.
    Known,
    /// It is `Unsupported`.
    Unknown,
}

/// What the capabilities of the user say about locks. The ones that ceph-csi asks for (`allow rw` on the
/// pools) do not allow them, as a lock is a class method, which takes `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locks {
    /// They may be taken.
    Allowed,
    /// Taking or releasing one is `PermissionDenied`.
    Denied,
}

/// Writes files into the subject's file system, which [`Cluster`] cannot.
#[async_trait]
pub trait Files: Send + Sync + Debug {
    /// Writes a file of `bytes` into the directory `path`.
    ///
    /// # Errors
    /// What hindered it.
    async fn write(&self, path: &str, bytes: u64) -> anyhow::Result<()>;

    /// Writes so many small files into the directory `path` that a clone of them takes its time.
    ///
    /// # Errors
    /// What hindered it.
    async fn write_many(&self, path: &str, files: u32) -> anyhow::Result<()>;
}

impl Subject {
    /// A context for calls that should succeed.
    fn cx() -> Context {
        Context::with_timeout(Duration::from_mins(2))
    }

    fn object(&self, name: &str) -> Object {
        Object {
            pool: self.fs.metadata_pool,
            namespace: self.unique.clone(),
            name: name.to_owned(),
        }
    }

    fn subvolume(&self, name: &str) -> Subvolume {
        Subvolume {
            fs: self.fs.name.clone(),
            group: self.group.clone(),
            name: format!("{}-{name}", self.unique),
        }
    }

    fn subvolumes(&self) -> impl Subvolumes {
        MgrVolumes::new(Arc::clone(&self.cluster))
    }

    fn snapshots(&self) -> impl Snapshots {
        MgrVolumes::new(Arc::clone(&self.cluster))
    }

    fn clones(&self) -> impl Clones {
        MgrVolumes::new(Arc::clone(&self.cluster))
    }

    fn quiesce(&self) -> impl Quiesce {
        MgrVolumes::new(Arc::clone(&self.cluster))
    }

    fn snapshot(&self, of: &str, name: &str) -> Snapshot {
        Snapshot {
            of: self.subvolume(of),
            name: name.to_owned(),
        }
    }

    /// Makes a call until Ceph does not put it off any more.
    async fn patiently<T>(&self, call: impl AsyncFn() -> Result<T>) -> Result<T> {
        loop {
            match call().await {
                Err(error)
                    if matches!(
                        error.kind,
                        ErrorKind::Busy | ErrorKind::ClonersBusy | ErrorKind::PendingClones
                    ) =>
                {
                    self.pause().await;
                }
                answer => return answer,
            }
        }
    }

    /// Waits until nothing is left of a removed subvolume.
    async fn gone(&self, subvolumes: &dyn Subvolumes, at: &Subvolume) -> anyhow::Result<()> {
        while subvolumes.info(&Self::cx(), at).await.is_ok() {
            self.pause().await;
        }
        fails(subvolumes.info(&Self::cx(), at).await, ErrorKind::NotFound)
    }

    /// Between two questions.
    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    async fn write(&self, object: &Object, steps: impl Into<Vec<WriteStep>> + Send) -> Result<()> {
        let op = WriteOp {
            steps: steps.into(),
        };
        self.cluster.write(&Self::cx(), object, op).await
    }

    async fn read(&self, object: &Object, op: ReadOp) -> Result<ReadAnswer> {
        self.cluster.read(&Self::cx(), object, op).await
    }

    /// All that a small object has in its omap.
    async fn omap(&self, object: &Object) -> Result<Entries> {
        let op = ReadOp {
            omap_page: Some(omap::page("", "", 1000)),
            ..ReadOp::default()
        };
        Ok(self.read(object, op).await?.omap)
    }
}

type Entries = std::collections::BTreeMap<String, Vec<u8>>;

fn entries(pairs: &[(&str, &str)]) -> Entries {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
    pairs.iter().map(owned).collect()
}

fn omap_set(pairs: &[(&str, &str)]) -> WriteStep {
    WriteStep::OmapSet(entries(pairs))
}

fn omap_equals(key: &str, value: &str) -> WriteStep {
    WriteStep::OmapEquals {
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
    }
}

/// Demands that a call failed in this way.
fn fails<T: Debug>(result: Result<T>, kind: ErrorKind) -> anyhow::Result<()> {
    let error = result
        .err()
        .with_context(|| format!("succeeded instead of {kind:?}"))?;
    ensure!(
        error.kind == kind,
        "{:?} instead of {kind:?}: {error}",
        error.kind
    );
    Ok(())
}

/// Makes a test of every case: `contract_tests!(subject)` with
/// `async fn subject(case: &str) -> anyhow::Result<Subject>`. Attributes for the tests go before the name.
#[macro_export]
macro_rules! contract_tests {
    ($(#[$attribute:meta])* $subject:path) => {
        $crate::contract_tests! { @each [$(#[$attribute])*] $subject;
            a_write_is_all_or_nothing
            absent_objects_are_not_found
            changes_by_version_lose_no_reference
            clone_life
            clone_of_a_removed_subvolume
            clones_of_what_is_absent
            commands_that_do_not_exist
            creating_a_subvolume_again_changes_its_size
            creating_one_subvolume_at_once_makes_one
            data_is_replaced_whole
            exclusive_create_has_one_winner
            exclusive_create_refuses_an_existing_object
            expired_contexts_time_out_at_once
            filesystems_are_listed
            health_is_reported
            lock_excludes_everybody_else
            locks_expire
            locks_of_different_names_are_independent
            more_clones_than_at_once
            namespaces_are_apart
            omap_compare_and_set_loses_no_update
            omap_equals_compares
            omap_pages_go_through_all_keys
            omap_pages_keep_to_their_prefix
            omap_remove_ignores_absent_keys
            omap_values_by_key
            pools_have_room
            quiesce_interrupted
            quiesce_life
            quiesce_of_what_is_absent
            retained_snapshots
            snapshot_life
            snapshots_of_absent_subvolumes
            steps_are_noted
            steps_run_in_order
            subvolume_life
            subvolume_metadata
            subvolume_names_that_are_paths_are_refused
            subvolume_resize
            subvolume_resize_below_use_is_refused
            subvolumes_without_group
            too_many_snapshots
            unfinished_clones
            unknown_group_filesystem_and_subvolume
            unknown_pool_is_not_found
            versions_are_asserted
            versions_are_not_used_again
            xattrs
        }
    };
    (@each $attributes:tt $subject:path; $($case:ident)*) => {
        $($crate::contract_tests! { @one $attributes $subject; $case })*
    };
    (@one [$(#[$attribute:meta])*] $subject:path; $case:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $case() {
            let outcome = match $subject(stringify!($case)).await {
                Ok(subject) => $crate::suite::$case(&subject).await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                panic!("{error:#}");
            }
        }
    };
}
