//! Deadlines, and the record of what a request is waiting for.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Error, ErrorKind, Result};

/// The frame in which a call runs: when it must have answered, and where it reports its step.
///
/// Cheap to clone; clones share the [`Progress`].
#[derive(Clone, Debug)]
pub struct Context {
    deadline: Instant,
    progress: Progress,
}

impl Context {
    /// A context that expires at `deadline` and reports to `progress`.
    pub fn new(deadline: Instant, progress: Progress) -> Self {
        Self { deadline, progress }
    }

    /// A context that expires `timeout` from now and reports to nobody.
    pub fn with_timeout(timeout: Duration) -> Self {
        Self::new(now() + timeout, Progress::default())
    }

    /// The same request with at most `limit` left: for a step that deserves less than the whole rest.
    #[must_use]
    pub fn at_most(&self, limit: Duration) -> Self {
        Self {
            deadline: self.deadline.min(now() + limit),
            progress: self.progress.clone(),
        }
    }

    /// The instant by which the call must have answered.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Time left; zero once the deadline has passed.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(now())
    }

    /// Whether the deadline has passed.
    pub fn expired(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Notes that the request does `call` from now on, and waits for `future` until the deadline.
    ///
    /// # Errors
    /// Those of `future`; [`ErrorKind::TimedOut`] at the deadline, at once if it has passed already
    /// (`future` is not started then).
    pub async fn within<T>(
        &self,
        call: &str,
        future: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        if self.expired() {
            return Err(Self::timed_out(call));
        }
        self.step(call);
        tokio::time::timeout_at(self.deadline.into(), future)
            .await
            .unwrap_or_else(|_| Err(Self::timed_out(call)))
    }

    /// The error of a `call` that was not answered before the deadline.
    pub fn timed_out(call: impl Into<String>) -> Error {
        Error::new(ErrorKind::TimedOut, call, "")
    }

    /// Notes what the request does from now on, e.g. ``mgr command `fs subvolume create` ``.
    pub fn step(&self, what: impl Into<String>) {
        self.progress.set(what.into());
    }

    /// Where this request reports its steps.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
}

/// The present, by the clock that tests can stop (`tokio::time::pause`).
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The step that a request is at, readable by others while it runs.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<Option<Step>>>);

/// One step of a request.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is being done or waited for.
    pub what: String,
    /// Since when.
    pub since: Instant,
}

impl Progress {
    /// The present step, `None` before the first.
    pub fn current(&self) -> Option<Step> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, what: String) {
        let step = Step { what, since: now() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress")
            .field(&self.current().map(|step| step.what))
            .finish()
    }
}
