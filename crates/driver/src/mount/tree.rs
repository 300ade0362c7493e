//! Mounts that are in no file tree yet.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags as Flags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change,
    mount_remount, move_mount, open_tree,
};
use rustix::thread::UnshareFlags;

use super::{MountFlags, path};

/// A copy of the mount at `source`, or of the directory or file that is there (see [`path::open`]), with these flags and
/// not attached to anything. Who attaches it shows it as it is to be from the first moment, and to all namespaces that it is propagated
/// to: a change of flags afterwards reaches none of them.
///
/// Flags are changed of a mount in the file tree alone (mount_setattr(2) could do without, which nothing offers in safe
/// Rust). So the calling thread enters a mount namespace that nobody else sees, and stays there: it has to end soon, as
/// that namespace has a copy of every mount.
///
/// Kernels before 5.2 answer [`Errno::NOSYS`].
pub(super) fn copy(source: &Path, flags: MountFlags) -> Result<OwnedFd, Errno> {
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    // Here, where a source that hangs keeps no namespace.
    let tree = open_tree(
        path::open(source)?,
        "",
        clone | OpenTreeFlags::AT_EMPTY_PATH,
    )?;
    #[expect(
        deprecated,
        reason = "what it can do wrong is to part threads from their descriptors, with another flag"
    )]
    rustix::thread::unshare(UnshareFlags::NEWNS)?;
    let alone = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", alone)?;
    let place = attach_anywhere(&tree)?;
    mount_remount(place, flags.bits() | Flags::BIND, "")?;
    open_tree(CWD, place, clone)
}

/// Attaches a copy to `target`.
pub(super) fn attach(tree: impl AsFd, target: &Path) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree.as_fd(), "", CWD, target, flags)
}

/// Attaches a tree over what every machine has. Over its source it would wait for those who look something up in it,
/// and they may wait for the cluster.
fn attach_anywhere(tree: &OwnedFd) -> Result<&'static str, Errno> {
    const DIRECTORY: &str = "/proc";
    const FILE: &str = "/proc/version";
    match attach(tree, Path::new(DIRECTORY)) {
        // A `subPath` can be a file.
        Err(Errno::NOTDIR) => attach(tree, Path::new(FILE)).map(|()| FILE),
        other => other.map(|()| DIRECTORY),
    }
}
