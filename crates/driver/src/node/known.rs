//! What this process has done with volumes, for questions about their health that name no path.
//!
//! Nothing depends on it but what NodeGetVolumeHealth answers, and a remark of NodeGetVolumeStats: after a
//! restart it is empty.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mount::Fallback;

/// By volume id.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, State>>);

/// What became of the last attempt to stage a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is mounted here, perhaps by another client than it asks for.
    Staged(PathBuf, Option<Fallback>),
    /// It could not be mounted, for this reason.
    Failed(String),
}

impl Known {
    pub(super) fn get(&self, volume: &str) -> Option<State> {
        self.lock().get(volume).cloned()
    }

    /// Notes that it is staged; `fallback` is `None`, too, when it had been staged before.
    pub(super) fn staged(&self, volume: &str, path: &Path, fallback: Option<Fallback>) {
        let fallback = fallback.or_else(|| self.fallback(volume));
        let state = State::Staged(path.to_owned(), fallback);
        self.lock().insert(volume.to_owned(), state);
    }

    /// By which client it is mounted instead of the one that it asks for.
    pub(super) fn fallback(&self, volume: &str) -> Option<Fallback> {
        match self.get(volume) {
            Some(State::Staged(_, fallback)) => fallback,
            _ => None,
        }
    }

    /// How many are mounted by another client than they ask for, and how many could not be mounted.
    pub(super) fn counts(&self) -> (usize, usize) {
        let known = self.lock();
        let count =
            |wanted: fn(&State) -> bool| known.values().filter(|state| wanted(state)).count();
        (
            count(|state| matches!(state, State::Staged(_, Some(_)))),
            count(|state| matches!(state, State::Failed(_))),
        )
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
