//! A path, looked up in the mount table.

use std::path::PathBuf;

use super::{Mount, MountTable};

/// A path and what is mounted around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path as the mount table spells it: links in its parent directories resolved.
    pub path: PathBuf,
    /// What is mounted on this node.
    pub table: MountTable,
    /// Whether a directory, and not a link to one, is there. `None` if something is mounted right there, which
    /// is not looked at.
    pub is_dir: Option<bool>,
}

impl Place {
    /// What is mounted right there.
    pub fn mount(&self) -> Option<&Mount> {
        self.table.at(&self.path)
    }

    /// Other places that show the superblock of `mount`.
    pub fn others<'a>(&'a self, mount: &'a Mount) -> impl Iterator<Item = &'a Mount> {
        let of_device = self.table.of_device(&mount.device);
        of_device.filter(move |other| other.mount_point != mount.mount_point)
    }
}
