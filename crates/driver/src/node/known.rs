//! What this process has done with volumes, for questions about their health that name no path.
//!
//! Nothing depends on it but the answers of NodeGetVolumeHealth: after a restart it is empty.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By volume id.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, State>>);

/// What became of the last attempt to stage a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is mounted here.
    Staged(PathBuf),
    /// It could not be mounted, for this reason.
    Failed(String),
}

impl Known {
    pub(super) fn get(&self, volume: &str) -> Option<State> {
        self.lock().get(volume).cloned()
    }

    pub(super) fn staged(&self, volume: &str, path: &Path) {
        let state = State::Staged(path.to_owned());
        self.lock().insert(volume.to_owned(), state);
    }

    pub(super) fn failed(&self, volume: &str, why: String) {
        self.lock().insert(volume.to_owned(), State::Failed(why));
    }

    pub(super) fn forget(&self, volume: &str) {
        self.lock().remove(volume);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
