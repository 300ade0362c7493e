//! `/etc/ceph/ceph.conf`: honoured when an administrator has put it there, written when ceph-fuse needs
//! one and there is none.

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use uuid::Uuid;

/// Where Ceph's programs look for their files.
pub const DEFAULT_DIR: &str = "/etc/ceph";

/// What a client must be told where nobody has told it anything: that the cluster uses cephx.
const CONTENT: &str = "[global]\n\
                       auth_cluster_required = cephx\n\
                       auth_service_required = cephx\n\
                       auth_client_required = cephx\n";

/// There is no file for ceph-fuse, and none could be written anywhere.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is absent and cannot be written, nor a private copy of it", path.display())]
pub struct Error {
    /// The file that should be there.
    pub path: PathBuf,
    /// Why the private copy could not be written.
    pub source: io::Error,
}

/// The ceph.conf of a host or container.
#[derive(Debug)]
pub struct CephConf {
    dir: PathBuf,
    private: Mutex<Option<PrivateCopy>>,
}

impl CephConf {
    /// The file in `dir`, which is [`DEFAULT_DIR`] outside of tests. Looks at nothing yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            private: Mutex::default(),
        }
    }

    /// The file, if it is there.
    pub fn existing(&self) -> Option<PathBuf> {
        let path = self.dir.join("ceph.conf");
        // One that cannot be looked at cannot be read either.
        path.try_exists().unwrap_or(false).then_some(path)
    }

    /// A file for ceph-fuse: the one that is there, else one that is written there, else (on a read-only
    /// file system) a private one that lasts as long as `self`.
    pub fn for_fuse(&self) -> Result<PathBuf, Error> {
        if let Some(path) = self.existing() {
            return Ok(path);
        }
        let path = self.dir.join("ceph.conf");
        match self.write(&path) {
            Ok(()) => Ok(path),
            Err(reason) => {
                tracing::debug!("{}: {reason}; writing a private copy", path.display());
                self.private_copy().map_err(|source| Error { path, source })
            }
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o755).create(&self.dir)?;
        // Written aside and renamed, so that nobody reads half of it, and never over a file that
        // somebody has put there meanwhile.
        let aside = self.dir.join(format!(".ceph.conf.{}", Uuid::new_v4()));
        let written = create(&aside, CONTENT).and_then(|()| {
            Ok(renameat_with(
                CWD,
                &aside,
                CWD,
                path,
                RenameFlags::NOREPLACE,
            )?)
        });
        match written {
            Ok(()) => tracing::info!("wrote {}", path.display()),
            Err(error) => {
                // Whatever is left of it is of no use, and the first error says more.
                let _ = fs::remove_file(&aside);
                if error.kind() != io::ErrorKind::AlreadyExists {
                    return Err(error);
                }
            }
        }
        // Spares a warning about its absence, no more.
        let _ = create(&self.dir.join("keyring"), "");
        Ok(())
    }

    fn private_copy(&self) -> io::Result<PathBuf> {
        let mut private = self.private.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(copy) = private.as_ref()
            && copy.path().try_exists()?
        {
            return Ok(copy.path());
        }
        let copy = PrivateCopy::write()?;
        let path = copy.path();
        *private = Some(copy);
        Ok(path)
    }
}

/// A directory of our own with the file in it, removed when dropped.
#[derive(Debug)]
struct PrivateCopy(PathBuf);

impl PrivateCopy {
    fn write() -> io::Result<Self> {
        // A fresh name that is not followed if it exists: others may write to this directory.
        let dir = std::env::temp_dir().join(format!("spirula-{}", Uuid::new_v4()));
        DirBuilder::new().mode(0o700).create(&dir)?;
        let copy = Self(dir);
        create(&copy.path(), CONTENT)?;
        Ok(copy)
    }

    fn path(&self) -> PathBuf {
        self.0.join("ceph.conf")
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        // Nothing depends on its absence.
        let _ = fs::remove_file(self.path());
        let _ = fs::remove_dir(&self.0);
    }
}

/// Writes a file that must not be there yet.
fn create(path: &Path, content: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}
