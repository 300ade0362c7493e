//! Deadlines, and the record of what a request is waiting for.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

    /// Notes that the request does `call` from now on, which is of `kind`, and waits for `future` until the
    /// deadline.
    ///
    /// # Errors
    /// Those of `future`; [`ErrorKind::TimedOut`] at the deadline, at once if it has passed already
    /// (`future` is not started then).
    pub async fn within<T>(
        &self,
        kind: &'static str,
        call: &str,
        future: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        if self.expired() {
            return Err(Self::timed_out(call));
        }
        self.step(kind, call);
        tokio::time::timeout_at(self.deadline.into(), future)
            .await
            .unwrap_or_else(|_| Err(Self::timed_out(call)))
    }

    /// The error of a `call` that was not answered before the deadline.
    pub fn timed_out(call: impl Into<String>) -> Error {
        Error::new(ErrorKind::TimedOut, call, "")
    }

    /// Notes what the request does from now on, e.g. `omap write to csi.volumes.default`, and of what
    /// kind that is, e.g. `omap write`.
    pub fn step(&self, kind: &'static str, what: impl Into<String>) {
        self.progress.set(kind, what.into());
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

/// The steps of a request, readable by others while it runs.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<Vec<Step>>>);

/// One step of a request.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is being done or waited for, without the names in it: there are few, whatever volumes there are.
    pub kind: &'static str,
    /// What is being done or waited for.
    pub what: String,
    /// Since when.
    pub since: Instant,
}

/// Steps that are kept. A request that goes round in a loop keeps its first ones and the present one.
const MOST_STEPS: usize = 64;

impl Progress {
    /// The present step, `None` before the first.
    pub fn current(&self) -> Option<Step> {
        self.lock().last().cloned()
    }

    /// How long ago the first step began; zero before it.
    pub fn age(&self) -> Duration {
        let first = self.lock().first().map(|step| step.since);
        first.map_or(Duration::ZERO, |since| {
            now().saturating_duration_since(since)
        })
    }

    /// The steps so far, each with how long it took until the next one began, or until now.
    pub fn durations(&self) -> Vec<(String, Duration)> {
        let steps = self.lock();
        let ends = steps.iter().skip(1).map(|next| next.since);
        let ends = ends.chain(std::iter::once_with(now));
        let took = |(step, end): (&Step, Instant)| {
            let duration = end.saturating_duration_since(step.since);
            (step.what.clone(), duration)
        };
        steps.iter().zip(ends).map(took).collect()
    }

    fn set(&self, kind: &'static str, what: String) {
        let mut steps = self.lock();
        if steps.len() == MOST_STEPS {
            steps.pop();
        }
        let since = now();
        steps.push(Step { kind, what, since });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Step>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Progress")
            .field(&self.current().map(|step| step.what))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn steps_have_their_durations() {
        let cx = Context::with_timeout(Duration::from_mins(1));
        assert!(cx.progress().durations().is_empty());
        assert!(cx.progress().age().is_zero());
        cx.step("test", "one");
        tokio::time::advance(Duration::from_millis(3)).await;
        cx.at_most(Duration::from_secs(1)).step("test", "two");
        tokio::time::advance(Duration::from_millis(5)).await;
        assert_eq!(cx.progress().age(), Duration::from_millis(8));
        let named = |what: &str, millis| (what.to_owned(), Duration::from_millis(millis));
        assert_eq!(
            cx.progress().durations(),
            [named("one", 3), named("two", 5)]
        );
    }

    #[test]
    fn a_long_request_keeps_its_first_steps_and_the_present_one() {
        let cx = Context::with_timeout(Duration::from_mins(1));
        for number in 0..1000 {
            cx.step("test", number.to_string());
        }
        let steps = cx.progress().durations();
        assert_eq!(steps.len(), MOST_STEPS);
        assert_eq!(steps[0].0, "0");
        assert_eq!(steps[MOST_STEPS - 1].0, "999");
        assert_eq!(cx.progress().current().unwrap().what, "999");
    }
}
