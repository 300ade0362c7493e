//! The mount table, from `/proc/self/mountinfo`.
//!
//! Reading the table never touches a mounted file system, so it works when a mount hangs or is dead.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use ceph::Context;

use super::options::MountFlags;
use super::{Error, helper};

#[cfg(test)]
mod tests;

/// The mount table of this process.
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// What the kernel appends to the root of a mount once its name cache has lost that directory, which may be there all the
/// same. No path has two slashes in it.
const DELETED: &[u8] = b"//deleted";

/// What the step is called.
const READ: &str = "read";

/// All mounts of this process's mount namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountTable {
    mounts: Vec<Mount>,
}

/// One line of the table: proc(5), `/proc/PID/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Id of this mount.
    pub id: u64,
    /// Id of the mount that it is mounted on.
    pub parent: u64,
    /// `major:minor` of the file system; mounts of one superblock share it.
    pub device: String,
    /// Which directory of the file system is mounted, `/` for all of it.
    pub root: PathBuf,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// The mount's own flags (not the superblock's).
    pub flags: MountFlags,
    /// `fuse.ceph-fuse`, `ceph`, `ext4`, ...
    pub fs_type: String,
    /// What was mounted, as the file system names it.
    pub source: OsString,
    /// Whether the superblock is read-only for everybody.
    pub read_only_superblock: bool,
    /// The options of the file system as it shows them, secrets hidden.
    pub super_options: String,
}

/// A line that is not in the format of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of mountinfo is not understood: no {field}")]
pub struct ParseError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The first field that is missing or malformed.
    pub field: &'static str,
}

impl MountTable {
    /// What is mounted now. Who changes the table holds this up.
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::Table`].
    pub(super) fn read() -> Result<Self, Error> {
        let content = std::fs::read(MOUNTINFO).map_err(|source| Error::Call {
            call: READ,
            path: MOUNTINFO.into(),
            source,
        })?;
        Ok(Self::parse(&content)?)
    }

    /// The same on a helper thread.
    ///
    /// # Errors
    /// The same, and [`Error::Hangs`].
    pub(super) async fn read_by(cx: &Context) -> Result<Self, Error> {
        helper::run(cx, READ, Path::new(MOUNTINFO), Self::read).await?
    }

    /// Parses the content of mountinfo.
    pub fn parse(content: &[u8]) -> Result<Self, ParseError> {
        let mut mounts = Vec::new();
        for (index, line) in content.split(|&byte| byte == b'\n').enumerate() {
            if !line.is_empty() {
                let mount = Mount::parse(line).map_err(|field| ParseError {
                    line: index + 1,
                    field,
                })?;
                mounts.push(mount);
            }
        }
        Ok(Self { mounts })
    }

    /// A table of these mounts, the oldest first.
    pub fn new(mounts: Vec<Mount>) -> Self {
        Self { mounts }
    }

    /// All mounts.
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// The mount that a lookup of `path` ends on if `path` is a mount point: with several mounted over
    /// each other there, the topmost. `None` if nothing is mounted right there.
    ///
    /// `path` must be canonical, see [`Mounts::locate`](super::Mounts::locate).
    pub fn at(&self, path: &Path) -> Option<&Mount> {
        self.containing(path)
            .filter(|mount| mount.mount_point == path)
    }

    /// The mount that `path` is on.
    ///
    /// Walks down from the root as the kernel does, since a mount can be hidden by another one mounted
    /// later above it.
    pub fn containing(&self, path: &Path) -> Option<&Mount> {
        let ids: HashSet<u64> = self.mounts.iter().map(|mount| mount.id).collect();
        let is_root = |mount: &Mount| mount.parent == mount.id || !ids.contains(&mount.parent);
        let mut current = nearest(path, self.mounts.iter().filter(|mount| is_root(mount)))?;
        let mut visited = HashSet::from([current.id]);
        let children = |id: u64| {
            let children = self.mounts.iter().filter(move |mount| mount.parent == id);
            children.filter(move |mount| mount.id != id)
        };
        while let Some(next) = nearest(path, children(current.id)) {
            if !visited.insert(next.id) {
                return None; // a loop: not a table that a kernel wrote
            }
            current = next;
        }
        Some(current)
    }

    /// All mounts at or below `path`, hidden ones included.
    pub fn under<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Mount> {
        self.mounts
            .iter()
            .filter(move |mount| mount.mount_point.starts_with(path))
    }

    /// All mounts of the superblock `device`.
    pub fn of_device<'a>(&'a self, device: &'a str) -> impl Iterator<Item = &'a Mount> {
        self.mounts
            .iter()
            .filter(move |mount| mount.device == device)
    }
}

/// What tells a mount from others, also from one that was at the same path before: its own id and the device of its
/// superblock. Both are given again, but hardly ever together, and not while somebody sleeps in the mount.
pub(super) type MountId = (u64, String);

impl Mount {
    /// What tells it from others.
    pub(super) fn identity(&self) -> MountId {
        (self.id, self.device.clone())
    }

    /// Whether this is a CephFS, mounted by either client.
    pub fn is_cephfs(&self) -> bool {
        self.is_fuse() || self.fs_type == "ceph"
    }

    /// Whether this is a CephFS that ceph-fuse serves.
    pub fn is_fuse(&self) -> bool {
        self.fs_type == "fuse.ceph-fuse"
    }

    /// Where this mount shows the directory that `other`, a mount of the same volume, shows: `None` if it
    /// does not.
    pub fn counterpart(&self, other: &Self) -> Option<PathBuf> {
        let below = other.root.strip_prefix(&self.root).ok()?;
        if below.as_os_str().is_empty() {
            return Some(self.mount_point.clone());
        }
        Some(self.mount_point.join(below))
    }

    /// Whether nothing can be written through this mount.
    pub fn read_only(&self) -> bool {
        self.flags.read_only() || self.read_only_superblock
    }

    fn parse(line: &[u8]) -> Result<Self, &'static str> {
        let mut fields = line.split(|&byte| byte == b' ');
        let mut next = |name: &'static str| fields.next().filter(|f| !f.is_empty()).ok_or(name);
        let id = number(next("mount id")?).ok_or("mount id")?;
        let parent = number(next("parent id")?).ok_or("parent id")?;
        let device = text(next("device")?);
        let root = next("root")?;
        let root = unescape(root.strip_suffix(DELETED).unwrap_or(root));
        let mount_point = unescape(next("mount point")?);
        let options = text(next("options")?);
        // Any number of optional fields (`shared:1`, ...) ends with a lone hyphen.
        while next("separator")? != b"-" {}
        let fs_type = text(next("file system type")?);
        // The kernel prints an empty source as nothing between two blanks.
        let source = unescape(fields.next().ok_or("source")?);
        let super_options = text(fields.next().ok_or("superblock options")?);
        Ok(Self {
            id,
            parent,
            device,
            root: root.into(),
            mount_point: mount_point.into(),
            flags: MountFlags::from_kernel(&options),
            fs_type,
            source,
            read_only_superblock: super_options.split(',').any(|option| option == "ro"),
            super_options,
        })
    }
}

/// The mount that a lookup of `path` from above meets first.
fn nearest<'a>(path: &Path, mounts: impl Iterator<Item = &'a Mount>) -> Option<&'a Mount> {
    mounts
        .filter(|mount| path.starts_with(&mount.mount_point))
        .min_by_key(|mount| mount.mount_point.components().count())
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn text(field: &[u8]) -> String {
    unescape(field).to_string_lossy().into_owned()
}

/// Blanks, tabs, newlines and backslashes are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        if let (b'\\', Some(byte)) = (first, tail.first_chunk().copied().and_then(octal)) {
            bytes.push(byte);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    OsString::from_vec(bytes)
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    digits.into_iter().try_fold(0_u8, |value, digit| {
        let digit = digit.checked_sub(b'0').filter(|&digit| digit < 8)?;
        value.checked_mul(8)?.checked_add(digit)
    })
}
