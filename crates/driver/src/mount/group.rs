//! A directory that a group works in.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::Path;

/// All rights for owner and group, and the group for whatever is made in the directory: what the kubelet
/// gives every directory of a volume.
const MODE: u32 = 0o2770;

/// What a mode has besides the type of the file.
const MODE_BITS: u32 = 0o7777;

/// Gives the directory at `path` to `group`.
///
/// The mode comes last, so that a repeat after a kill in between finds it missing.
pub(super) fn set(path: &Path, group: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.gid() != group {
        lchown(path, None, Some(group))?;
    }
    let mode = found.mode() & MODE_BITS;
    if mode & MODE != MODE {
        fs::set_permissions(path, Permissions::from_mode(mode | MODE))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(path: &Path) -> (u32, u32, i64) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.gid(), found.mode() & MODE_BITS, found.ctime_nsec())
    }

    #[test]
    fn the_directory_changes_and_its_content_does_not() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path();
        fs::set_permissions(path, Permissions::from_mode(0o1705)).unwrap();
        fs::write(path.join("old"), "").unwrap();
        let old = state(&path.join("old"));
        set(path, 4242).unwrap();
        let changed = state(path);
        assert_eq!((changed.0, changed.1), (4242, 0o3775));
        assert_eq!(state(&path.join("old")), old);
        fs::create_dir(path.join("new")).unwrap();
        assert_eq!(state(&path.join("new")).0, 4242);
        let changed = state(path);
        set(path, 4242).unwrap();
        assert_eq!(state(path), changed);
    }
}
