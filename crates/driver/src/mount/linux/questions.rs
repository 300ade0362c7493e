//! Questions to mounted file systems that may never be answered: at most one for each mount.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ceph::Context;

use super::super::probe::{self, Probe};
use super::super::{Error, Usage, stats};

/// The questions that are open, and those that outlive their mounts.
#[derive(Debug)]
pub(super) struct Questions {
    attributes: Probe<()>,
    usage: Probe<Usage>,
    /// Mounts that were detached while a question about them was open, with the devices of their superblocks.
    asleep: Mutex<HashMap<PathBuf, String>>,
}

impl Default for Questions {
    fn default() -> Self {
        Self {
            attributes: Probe::new("stat", probe::attributes),
            usage: Probe::new("statfs", stats::usage),
            asleep: Mutex::default(),
        }
    }
}

impl Questions {
    /// Whether the file system at `path` answers; see [`Mounts::probe`](super::Mounts::probe).
    pub(super) async fn probe(&self, cx: &Context, path: &Path) -> Result<(), Error> {
        // One open question about a mount that hangs is enough, whichever it is.
        if self.usage.is_open(path) {
            return self.usage.ask(cx, path).await.map(drop);
        }
        self.attributes.ask(cx, path).await
    }

    /// Space and files of the file system at `path`.
    pub(super) async fn usage(&self, cx: &Context, path: &Path) -> Result<Usage, Error> {
        if self.attributes.is_open(path) {
            self.attributes.ask(cx, path).await?;
        }
        self.usage.ask(cx, path).await
    }

    /// Whether a question about `path` is open.
    pub(super) fn is_open(&self, path: &Path) -> bool {
        self.usage.is_open(path) || self.attributes.is_open(path)
    }

    /// The mount at `path` of the superblock `device` has been detached.
    pub(super) fn detached(&self, path: &Path, device: &str) {
        if self.is_open(path) {
            let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
            asleep.insert(path.to_owned(), device.to_owned());
        }
    }

    /// Whether a question sleeps in the superblock `device`, at a mount that is no more.
    pub(super) fn sleep_in(&self, device: &str) -> bool {
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        asleep.retain(|path, _| self.is_open(path));
        asleep.values().any(|other| other == device)
    }
}
