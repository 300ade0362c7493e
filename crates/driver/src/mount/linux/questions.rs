//! Questions to mounted file systems that may never be answered: at most one for each mount.

use ceph::Context;

use super::super::probe::{self, OpenQuestions, Probe};
use super::super::{Error, Mount, MountTable, Usage, stats};

/// The questions that are open, also those that outlive their mounts.
#[derive(Debug)]
pub(super) struct Questions {
    attributes: Probe<()>,
    usage: Probe<Usage>,
    open: OpenQuestions,
}

impl Questions {
    /// Those that are put here, and others among `open`.
    pub(super) fn new(open: OpenQuestions) -> Self {
        Self {
            attributes: Probe::new("stat", probe::attributes).among(&open),
            usage: Probe::new("statfs", stats::usage).among(&open),
            open,
        }
    }

    /// Whether the file system of `mount` answers; see [`Mounts::probe`](super::Mounts::probe).
    pub(super) async fn probe(&self, cx: &Context, mount: &Mount) -> Result<(), Error> {
        self.attributes.ask(cx, mount).await
    }

    /// Space and files of the file system of `mount`.
    pub(super) async fn usage(&self, cx: &Context, mount: &Mount) -> Result<Usage, Error> {
        self.usage.ask(cx, mount).await
    }

    /// Whether a question about `mount` is open.
    pub(super) fn are_open(&self, mount: &Mount) -> bool {
        self.open.about(mount)
    }

    /// Whether a question sleeps in the superblock `device`, at a mount that is no more: it was detached, by whomever,
    /// and is not in `table`.
    pub(super) fn sleep_in(&self, device: &str, table: &MountTable) -> bool {
        self.open.sleep_in(device, table)
    }
}
