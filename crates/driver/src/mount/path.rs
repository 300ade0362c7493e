//! Paths that the orchestrator gives, made comparable with the mount table.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The path as the mount table spells it: symbolic links in its parent directories resolved.
///
/// Its last component is left alone: it may be a mount that hangs when it is looked at. `None` if the
/// parent directory does not exist, so that neither the path nor a mount on it can.
pub(super) fn canonical(path: &Path) -> io::Result<Option<PathBuf>> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Some(path.to_owned())); // the root directory
    };
    match parent.canonicalize() {
        Ok(parent) => Ok(Some(parent.join(name))),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

/// Whether the path is a symbolic link, found out without looking at what is mounted there.
///
/// readlink(2) answers from the kernel's name cache for a mount point; lstat(2) would ask the file
/// system, which may hang.
pub(super) fn is_symlink(path: &Path) -> io::Result<bool> {
    match rustix::fs::readlink(path, Vec::new()) {
        Ok(_) => Ok(true),
        Err(Errno::INVAL | Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What is at a canonical path, and not where a symbolic link leads that somebody has put there since, or below: in a
/// volume its users can.
///
/// # Errors
/// `NOENT` and `NOTDIR` if there is nothing, `LOOP` if the last component is a link.
pub(super) fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::open("/", flags, Mode::empty())?;
    for component in path.components().skip(1) {
        // A link on the way is opened itself, and then is no directory.
        at = rustix::fs::openat(&at, component.as_os_str(), flags, Mode::empty())?;
    }
    // Of anything but a link nobody is asked.
    match rustix::fs::readlinkat(&at, "", Vec::new()) {
        Ok(_) => Err(Errno::LOOP),
        Err(_) => Ok(at),
    }
}

/// Whether an error of [`open`] says that nothing is there which could be shown.
pub(super) fn is_nothing(errno: Errno) -> bool {
    [Errno::NOENT, Errno::NOTDIR, Errno::LOOP].contains(&errno)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_above_the_last_component_are_resolved() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(dir.join("data/pods")).unwrap();
        symlink(dir.join("data"), dir.join("kubelet")).unwrap();
        symlink("/nowhere", dir.join("data/pods/mount")).unwrap();

        let path = dir.join("kubelet/pods/mount");
        let found = canonical(&path).unwrap().unwrap();
        assert_eq!(found, dir.join("data/pods/mount"));
        assert!(is_symlink(&found).unwrap());
        assert!(!is_symlink(&dir.join("data/pods")).unwrap());
        assert!(!is_symlink(&dir.join("data/pods/absent")).unwrap());
    }

    #[test]
    fn no_link_is_followed_to_what_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(dir.join("volume/kept")).unwrap();
        std::fs::write(dir.join("volume/file"), "").unwrap();
        symlink("/", dir.join("volume/link")).unwrap();
        symlink(dir.join("volume"), dir.join("volume/inside")).unwrap();

        for there in ["volume", "volume/kept", "volume/file"] {
            let opened = open(&dir.join(there)).unwrap();
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&opened));
            assert_eq!(std::fs::read_link(path).unwrap(), dir.join(there));
        }
        for (nothing, errno) in [
            ("volume/link", Errno::LOOP),
            ("volume/inside", Errno::LOOP),
            ("volume/link/proc", Errno::NOTDIR),
            ("volume/inside/kept", Errno::NOTDIR),
            ("volume/file/below", Errno::NOTDIR),
            ("volume/absent", Errno::NOENT),
        ] {
            assert_eq!(open(&dir.join(nothing)).unwrap_err(), errno, "{nothing}");
            assert!(is_nothing(errno));
        }
    }

    #[test]
    fn nothing_is_below_an_absent_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        for parent in ["absent", "file/below"] {
            let path = dir.path().join(parent).join("mount");
            assert_eq!(canonical(&path).unwrap(), None, "{parent}");
        }
        assert!(canonical(Path::new("/")).unwrap().is_some());
    }
}
