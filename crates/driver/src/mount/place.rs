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
    /// What is right there.
    pub there: There,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// A mount, which is not looked at.
    Mount,
    /// A directory.
    Directory,
    /// A file, or a link, whatever that leads to.
    Other,
    /// Nothing.
    Nothing,
}

/// A path that is to be mounted or emptied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// What is there.
    pub place: Place,
    /// Whether a client was starting for it, see [`Mounts::end_strays`](super::Mounts::end_strays).
    pub starting: bool,
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
