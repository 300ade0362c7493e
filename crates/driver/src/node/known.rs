//! What this process has done with volumes, for questions about their health that name no path.
//!
//! Nothing depends on it but what NodeGetVolumeHealth answers, and a remark of NodeGetVolumeStats: after a
//! restart it is empty.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::mount::Fallback;

/// How long a failure counts that is not repeated. The kubelet tries again at least every two minutes, and when it
/// has given up it tells nobody: it unstages only what it may have staged.
const FAILURE_KEPT: Duration = Duration::from_mins(10);

/// By volume id.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, State>>);

/// What became of the last attempt to stage a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is mounted here, perhaps by another client than it asks for.
    Staged(PathBuf, Option<Fallback>),
    /// It could not be mounted, for this reason, at this time.
    Failed(String, Instant),
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
            count(|state| matches!(state, State::Failed(..))),
        )
    }

    pub(super) fn failed(&self, volume: &str, why: String) {
        let state = State::Failed(why, Instant::now());
        self.lock().insert(volume.to_owned(), state);
    }

    pub(super) fn forget(&self, volume: &str) {
        self.lock().remove(volume);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, state| match state {
            State::Staged(..) => true,
            State::Failed(_, at) => at.elapsed() < FAILURE_KEPT,
        });
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_is_not_repeated_is_forgotten() {
        let known = Known::default();
        known.staged("well", Path::new("/staging"), None);
        for _ in 0..3 {
            known.failed("tried", "no".to_owned());
            tokio::time::advance(Duration::from_secs(599)).await;
            assert_eq!(known.counts(), (0, 1));
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(known.counts(), (0, 0));
        assert_eq!(known.get("tried"), None);
        assert!(known.get("well").is_some());
    }
}
