//! Which mounts are a volume's.

use super::record::Record;
use crate::mount::{Mount, MountTable};

impl Record {
    pub(in super::super) fn shows(&self, mount: &Mount) -> bool {
        mount.is_cephfs() && self.devices.contains(&mount.device)
    }

    /// The mount at the staging path, dead or alive.
    pub(super) fn staged<'a>(&self, table: &'a MountTable) -> Option<&'a Mount> {
        table.at(&self.staging).filter(|mount| self.shows(mount))
    }

    /// The dead superblocks of the volume.
    pub(super) fn old(&self) -> &[String] {
        self.devices.split_last().map_or(&[][..], |(_, old)| old)
    }

    pub(super) fn is_old(&self, mount: &Mount) -> bool {
        mount.is_cephfs() && self.old().contains(&mount.device)
    }

    /// Where else a dead superblock of the volume is mounted.
    pub(super) fn stale<'a>(&'a self, table: &'a MountTable) -> impl Iterator<Item = &'a Mount> {
        let mounts = table.mounts().iter();
        mounts.filter(|mount| self.is_old(mount) && mount.mount_point != self.staging)
    }
}
