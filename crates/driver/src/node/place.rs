//! Emptying a path, and naming what is mounted there.

use std::path::Path;

use ceph::Context;

use super::Node;
use crate::error::Error;
use crate::mount::{self, Mount, Unmounted, Users};

/// So many mounts over each other at one path are a defect, and not to be unmounted one by one.
const DEEPEST_STACK: usize = 32;

impl Node {
    /// Unmounts all that is mounted at `path`, one over the other.
    pub(super) async fn unmount_all(&self, cx: &Context, path: &Path) -> Result<(), Error> {
        self.unmount_while(cx, path, |_| true).await
    }

    /// Unmounts what is mounted at `path`, from the top down to what `wanted` does not accept.
    pub(super) async fn unmount_while(
        &self,
        cx: &Context,
        path: &Path,
        wanted: impl Fn(&Mount) -> bool + Send + Sync,
    ) -> Result<(), Error> {
        for _ in 0..DEEPEST_STACK {
            let Some(place) = self.mounts.locate(cx, path).await? else {
                return Ok(());
            };
            let Some(mount) = place.mount().filter(|mount| wanted(mount)) else {
                return Ok(());
            };
            if !mount.is_cephfs() {
                tracing::warn!(
                    "`{}` has {} mounted on it, not a CephFS: unmounting it all the same",
                    place.path.display(),
                    describe(mount)
                );
            }
            let users = match place.others(mount).next() {
                Some(_) => Users::Others,
                None => Users::Nobody,
            };
            match self.mounts.unmount(cx, &place.path, users).await? {
                Unmounted::Nothing | Unmounted::Cleanly => {}
                how => tracing::warn!(?how, "unmounted `{}`", place.path.display()),
            }
        }
        Err(mount::Error::InUse {
            path: path.to_owned(),
        }
        .into())
    }
}

/// A mount, for people.
pub(super) fn describe(mount: &Mount) -> String {
    format!("{} (`{}`)", mount.fs_type, mount.source.display())
}
