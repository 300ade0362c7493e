//! Reading the file, and telling whether it has changed since.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// No configuration is larger; a ConfigMap ends at 1 MiB.
const MAX_BYTES: u64 = 8 << 20;

/// What tells one state of a file from another without reading it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// The file that the path leads to, symbolic links followed.
    File {
        /// Device and inode.
        identity: (u64, u64),
        /// Length in bytes.
        size: u64,
        /// Seconds and nanoseconds of the last modification, and of the last change of the inode.
        times: [(i64, i64); 2],
    },
    /// It cannot be looked at.
    Failed(io::ErrorKind),
}

impl Stamp {
    /// The present state of the file at `path`.
    pub(super) fn of(path: &Path) -> Self {
        fs::metadata(path).map_or_else(|error| Self::Failed(error.kind()), |found| (&found).into())
    }
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self::File {
            identity: (found.dev(), found.ino()),
            size: found.size(),
            times: [
                (found.mtime(), found.mtime_nsec()),
                (found.ctime(), found.ctime_nsec()),
            ],
        }
    }
}

/// The content of the file and the state it had before it was read.
pub(super) fn read(path: &Path) -> io::Result<(Stamp, Vec<u8>)> {
    let file = File::open(path)?;
    // Taken before reading: if the file changes meanwhile, the next look sees another stamp.
    let stamp = Stamp::from(&file.metadata()?);
    let mut bytes = Vec::new();
    let length = file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_BYTES) {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {MAX_BYTES} bytes"),
        ));
    }
    Ok((stamp, bytes))
}
