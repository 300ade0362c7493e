//! Questions to mounted file systems that may never be answered: at most one for each mount.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ceph::Context;

use super::super::probe::{self, OpenQuestions, Probe};
use super::super::{Error, Usage, stats};

/// The questions that are open, and those that outlive their mounts.
#[derive(Debug)]
pub(super) struct Questions {
    attributes: Probe<()>,
    usage: Probe<Usage>,
    open: OpenQuestions,
    /// Mounts that were detached while a question about them was open, with the devices of their superblocks.
    asleep: Mutex<HashMap<PathBuf, String>>,
}

impl Questions {
    /// Those that are put here, and others among `open`.
    pub(super) fn new(open: OpenQuestions) -> Self {
        Self {
            attributes: Probe::new("stat", probe::attributes).among(&open),
            usage: Probe::new("statfs", stats::usage).among(&open),
            open,
            asleep: Mutex::default(),
        }
    }

    /// Whether the file system at `path` answers; see [`Mounts::probe`](super::Mounts::probe).
    pub(super) async fn probe(&self, cx: &Context, path: &Path) -> Result<(), Error> {
        self.attributes.ask(cx, path).await
    }

    /// Space and files of the file system at `path`.
    pub(super) async fn usage(&self, cx: &Context, path: &Path) -> Result<Usage, Error> {
        self.usage.ask(cx, path).await
    }

    /// Whether a question about `path` is open.
    pub(super) fn are_open(&self, path: &Path) -> bool {
        self.open.about(path)
    }

    /// The mount at `path` of the superblock `device` has been detached.
    pub(super) fn detached(&self, path: &Path, device: &str) {
        if self.are_open(path) {
            let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
            asleep.insert(path.to_owned(), device.to_owned());
        }
    }

    /// Whether a question sleeps in the superblock `device`, at a mount that is no more.
    pub(super) fn sleep_in(&self, device: &str) -> bool {
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        asleep.retain(|path, _| self.are_open(path));
        asleep.values().any(|other| other == device)
    }
}
