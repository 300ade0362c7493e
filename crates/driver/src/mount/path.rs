//! Paths that the orchestrator gives, made comparable with the mount table.

use std::io;
use std::path::{Path, PathBuf};

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
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
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
