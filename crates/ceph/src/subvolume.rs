//! Subvolumes: what a CSI volume is made of.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::{Context, Error, ErrorKind, Result};

/// Which subvolume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subvolume {
    /// File system name.
    pub fs: String,
    /// Subvolume group; `""` for none.
    pub group: String,
    /// Name.
    pub name: String,
}

impl Subvolume {
    /// The directory, from the root of the file system, that holds the subvolume's data directory and
    /// its snapshots: subvolumes of version 2, which Ceph makes since Octopus.
    pub fn directory(&self) -> String {
        let group = match self.group.as_str() {
            "" => "_nogroup",
            group => group,
        };
        format!("/volumes/{group}/{}/", self.name)
    }
}

/// What [`Subvolumes::info`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Path of the data directory from the root of the file system; empty if `state` is
    /// `snapshot-retained`, when there is none.
    pub path: String,
    /// Quota in bytes, `None` if unlimited.
    pub quota: Option<u64>,
    /// Bytes used, by the recursive statistics.
    pub used: u64,
    /// Features, such as `snapshot-retention`.
    pub features: Vec<String>,
    /// `complete`, `snapshot-retained`, `pending`, ...
    pub state: String,
    /// The data pool.
    pub data_pool: String,
}

/// What a new subvolume shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateOptions {
    /// Quota in bytes, `None` for none.
    pub size: Option<u64>,
    /// Data pool of its layout, `None` for the file system's default.
    pub pool: Option<String>,
}

/// Operations on subvolumes. They behave as Ceph's own: `create` of an existing one succeeds, everything
/// else on an absent one is `NotFound`, anything in an absent group is `GroupNotFound`, and in an absent file
/// system `FilesystemNotFound`; most on a clone that is not complete is `NotReady`. A name or group that is not
/// one path component is `Invalid` and never sent.
#[async_trait]
pub trait Subvolumes: Send + Sync + std::fmt::Debug {
    /// Creates the subvolume. One that exists is no error: it gets the size of `options`, even a smaller
    /// one. `Invalid` if `pool` is no data pool of it.
    async fn create(&self, cx: &Context, at: &Subvolume, options: &CreateOptions) -> Result<()>;

    /// The path of the data directory.
    async fn path(&self, cx: &Context, at: &Subvolume) -> Result<String>;

    /// What is known about the subvolume.
    async fn info(&self, cx: &Context, at: &Subvolume) -> Result<Info>;

    /// As [`Self::info`], for who needs the subvolume and not only its snapshots: `NotFound` if those are all that is
    /// left of it.
    async fn existing(&self, cx: &Context, at: &Subvolume) -> Result<Info> {
        let info = self.info(cx, at).await?;
        if info.path.is_empty() {
            let call = format!("subvolume `{}`", at.name);
            let detail = "it is removed, and only its snapshots are left";
            return Err(Error::new(ErrorKind::NotFound, call, detail));
        }
        Ok(info)
    }

    /// Sets the quota to `bytes`, more or less than before; `Invalid` if more than that is in use.
    async fn resize(&self, cx: &Context, at: &Subvolume, bytes: u64) -> Result<()>;

    /// Removes the subvolume: `NotEmpty` if it has snapshots that `removal` does not retain, `NotReady`
    /// if it is a clone that is still being made.
    async fn remove(&self, cx: &Context, at: &Subvolume, removal: Removal) -> Result<()>;

    /// Sets one metadata key, whose case Ceph folds. `Invalid` for a key that Ceph could not keep,
    /// `Unsupported` before Ceph 16.2.8.
    async fn set_metadata(
        &self,
        cx: &Context,
        at: &Subvolume,
        key: &str,
        value: &str,
    ) -> Result<()>;

    /// All metadata, with keys in lower case.
    async fn metadata(&self, cx: &Context, at: &Subvolume) -> Result<BTreeMap<String, String>>;

    /// Names of all subvolumes of a group.
    async fn list(&self, cx: &Context, fs: &str, group: &str) -> Result<Vec<String>>;
}

/// How a subvolume is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Only if it has no snapshots, and is no unfinished clone.
    Plain,
    /// Also if it is a failed or canceled clone; one that is absent, be it with its file system, is no error then.
    Force,
    /// Its snapshots stay, and its name with them, until the last is removed; until then its
    /// [`Info::state`] is `snapshot-retained`, and most operations find it absent. `Invalid` for
    /// subvolumes made by old Ceph releases, which cannot.
    RetainSnapshots,
}
