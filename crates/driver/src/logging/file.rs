//! The log file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that is appended to and kept below a size.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    max_bytes: Option<u64>,
    file: File,
}

impl LogFile {
    /// Opens or creates the file, mode 0600.
    pub(super) fn open(path: &Path, max_bytes: Option<u64>) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            max_bytes,
            file: open(path)?,
        })
    }

    /// Writes whole lines at the end, to a new file if they would make this one too long.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Some(max) = self.max_bytes {
            // Asked and not counted, because log rotation truncates the file under us.
            let length = self.file.metadata()?.len();
            let added = u64::try_from(lines.len()).unwrap_or(u64::MAX);
            if length > 0 && length.saturating_add(added) > max {
                // A file that is too long is better than no log.
                let _ = self.rotate();
            }
        }
        self.file.write_all(lines)
    }

    /// The file becomes `<path>.1`, in place of the one before.
    fn rotate(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        fs::rename(&self.path, old)?;
        self.file = open(&self.path)?;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}
