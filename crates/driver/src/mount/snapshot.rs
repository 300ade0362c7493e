//! Snapshots in a mounted CephFS.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

#[cfg(test)]
mod tests;

/// The directory of a CephFS that its snapshots are in.
const SNAP_DIR: &str = ".snap";

/// Which snapshot of a mounted directory is to be shown instead of the directory itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// That of a subvolume by this name. The subvolume is mounted with all that belongs to it, and its
    /// data is the only directory in the snapshot.
    OfSubvolume(SnapshotName),
    /// The only one whose name contains this text: Ceph shows the snapshot `s` of a directory above as
    /// `_s_<inode>`.
    Containing(String),
}

/// A name of one path component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotName(String);

/// Why a snapshot is not shown.
#[derive(Debug)]
pub(super) enum NotFound {
    /// There is none, or it has no data.
    Absent,
    /// There are several.
    Ambiguous(Vec<String>),
    /// The file system refused to tell.
    Unreadable(io::Error),
}

impl SnapshotName {
    /// `None` for what names no directory entry.
    pub fn new(name: &str) -> Option<Self> {
        let is_entry =
            !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
        is_entry.then(|| Self(name.to_owned()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Snapshot {
    /// What identifies it, for people.
    pub fn text(&self) -> &str {
        match self {
            Self::OfSubvolume(name) => name.as_str(),
            Self::Containing(text) => text,
        }
    }

    /// The directory that shows it of the CephFS mounted at `at`. Reads directories there, which may hang.
    pub(super) fn find(&self, at: &Path) -> Result<PathBuf, NotFound> {
        let snapshots = at.join(SNAP_DIR);
        match self {
            Self::OfSubvolume(name) => only_directory(&snapshots.join(name.as_str()), |_| true),
            Self::Containing(text) => only_directory(&snapshots, |name| {
                name.to_string_lossy().contains(text.as_str())
            }),
        }
    }

    /// Whether a mount of the directory `root`, from the root of the mounted CephFS, shows this snapshot.
    pub fn is_at(&self, root: &Path) -> bool {
        let parts: Vec<_> = root
            .components()
            .skip(1)
            .map(Component::as_os_str)
            .collect();
        match (self, parts.as_slice()) {
            (Self::OfSubvolume(name), [snap, found, _data]) => {
                *snap == SNAP_DIR && *found == name.as_str()
            }
            (Self::Containing(text), [snap, found]) => {
                *snap == SNAP_DIR && found.to_string_lossy().contains(text.as_str())
            }
            _ => false,
        }
    }
}

/// The only directory in `parent` whose name `wanted` accepts.
fn only_directory(parent: &Path, wanted: impl Fn(&OsStr) -> bool) -> Result<PathBuf, NotFound> {
    let mut found: Vec<OsString> = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if wanted(&name) && entry.file_type().map_err(unreadable)?.is_dir() {
            found.push(name);
        }
    }
    match found.as_slice() {
        [] => Err(NotFound::Absent),
        [name] => Ok(parent.join(name)),
        _ => {
            found.sort();
            let names = found.iter().map(|name| name.to_string_lossy().into_owned());
            Err(NotFound::Ambiguous(names.collect()))
        }
    }
}

fn unreadable(error: io::Error) -> NotFound {
    match error.kind() {
        io::ErrorKind::NotFound => NotFound::Absent,
        _ => NotFound::Unreadable(error),
    }
}
