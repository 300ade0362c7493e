//! How full a mounted CephFS is.

use std::path::Path;

use rustix::io::Errno;

use super::probe;

/// Space and files of a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The quota in bytes; what the cluster has if there is none.
    pub total_bytes: u64,
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes that can still be written.
    pub available_bytes: u64,
    /// Files and directories.
    pub used_inodes: u64,
    /// How many files and directories there can be, `None` if there is no limit.
    pub total_inodes: Option<u64>,
}

/// Both Ceph clients answer a statfs(2) for the whole volume with its quota. The number of files comes
/// from the directory's recursive statistics, as the kernel client puts a number of objects there.
///
/// One after the other, so that a mount that hangs costs one thread.
pub(super) fn usage(path: &Path) -> Result<Usage, Errno> {
    let fs = rustix::fs::statvfs(path)?;
    // A client that its cluster has shut out still knows how much space there was.
    probe::attributes(path)?;
    let entries = entries(path);
    let bytes = |blocks: u64| blocks.saturating_mul(fs.f_frsize);
    // CephFS has no table of inodes that could fill up, so it reports all ones as the free ones.
    let limited = fs.f_ffree <= fs.f_files;
    let free = if limited { fs.f_ffree } else { 0 };
    let counted = fs.f_files - free;
    Ok(Usage {
        total_bytes: bytes(fs.f_blocks),
        used_bytes: bytes(fs.f_blocks.saturating_sub(fs.f_bfree)),
        available_bytes: bytes(fs.f_bavail),
        used_inodes: entries.unwrap_or(counted),
        total_inodes: limited.then_some(fs.f_files),
    })
}

/// The number of files and directories below `path`, from Ceph's recursive statistics. `None` where
/// they cannot be had.
fn entries(path: &Path) -> Option<u64> {
    let mut buffer = [0; 32]; // a decimal number
    let length = rustix::fs::getxattr(path, "ceph.dir.rentries", &mut buffer[..]).ok()?;
    std::str::from_utf8(buffer.get(..length)?)
        .ok()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_file_system_has_space_and_a_limit_of_inodes() {
        let dir = tempfile::tempdir().unwrap();
        let usage = usage(dir.path()).unwrap();
        assert!(usage.total_bytes >= usage.used_bytes + usage.available_bytes);
        assert!(usage.available_bytes > 0);
        if let Some(total) = usage.total_inodes {
            assert!(total >= usage.used_inodes);
        }
    }

    #[test]
    fn an_absent_path_is_an_error() {
        assert_eq!(usage(Path::new("/absent")).unwrap_err(), Errno::NOENT);
    }
}
