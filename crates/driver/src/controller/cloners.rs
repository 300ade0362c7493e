//! The manager's cloner threads, as all requests of this process share them: who begins next, and how
//! often somebody looks.
//!
//! Ceph 18 and later refuse a clone while all threads are busy. Requests stand in line here, so that the
//! first to ask is the first to get a thread. A look at a clone takes the manager's one lock for some
//! milliseconds, or some hundred beside busy threads, and slows down the clones themselves: so those who
//! wait leave each other the time, and one clone is looked at the less often the longer it takes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ceph::{CloneState, CloneStatus, Context, ErrorKind, Snapshot, Subvolume};

use crate::backend::Session;
use crate::error::Error;
use crate::journal::Origin;

/// Between two looks, at least.
const SHORTEST: Duration = Duration::from_millis(25);
/// Between two looks, at most.
const LONGEST: Duration = Duration::from_secs(5);
/// A clone is looked at again after this part of its age, which is then the most that looking adds.
const PART_OF_AGE: u32 = 10;
/// What it takes to answer once waiting ends.
const TO_ANSWER: Duration = Duration::from_millis(200);

/// The lines of all file systems.
#[derive(Debug, Default)]
pub(super) struct Cloners(Mutex<HashMap<(String, i64), Arc<Line>>>);

/// Who waits for clones of one file system.
#[derive(Debug, Default)]
struct Line {
    /// Whose turn it is to begin a clone; tokio's mutex is given to those who wait in their order.
    turn: tokio::sync::Mutex<()>,
    waiting: AtomicU32,
}

/// One request's waiting for its clone.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    cx: &'a Context,
    line: Arc<Line>,
    name: &'a str,
    origin: &'a Origin,
    since: Instant,
    /// How long the last look took.
    look: Duration,
}

impl Cloners {
    /// Begins to wait for the clone of the request `name`.
    pub(super) fn wait<'a>(
        &self,
        cx: &'a Context,
        session: &Session,
        name: &'a str,
        origin: &'a Origin,
    ) -> Wait<'a> {
        let key = (session.cluster.monitors.clone(), session.filesystem.id);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Arc::clone(lines.entry(key).or_default());
        line.waiting.fetch_add(1, Ordering::Relaxed);
        Wait {
            cx,
            line,
            name,
            origin,
            since: Instant::now(),
            look: Duration::ZERO,
        }
    }
}

impl Wait<'_> {
    /// Begins the clone as soon as Ceph has a thread for it and everybody who came before has begun.
    ///
    /// # Errors
    /// [`Error::Unfinished`] near the deadline; Ceph's, which is never `ClonersBusy`.
    pub(super) async fn begin(
        &mut self,
        session: &Session,
        from: &Snapshot,
        to: &Subvolume,
        pool: Option<&str>,
    ) -> Result<ceph::Result<()>, Error> {
        const STATE: &str = "all of Ceph's cloner threads are busy and it waits for its turn";
        let line = Arc::clone(&self.line);
        self.cx.step("clone turn", "a turn to begin a clone");
        let last = tokio::time::Instant::from_std(self.cx.deadline()) - TO_ANSWER;
        let Ok(_turn) = tokio::time::timeout_at(last, line.turn.lock()).await else {
            return Err(self.unfinished(STATE.to_owned()));
        };
        loop {
            let asked = Instant::now();
            match session.clones.start(self.cx, from, to, pool).await {
                Err(error) if error.kind == ErrorKind::ClonersBusy => {
                    self.look = asked.elapsed();
                    self.pause(|| STATE.to_owned()).await?;
                }
                begun => return Ok(begun),
            }
        }
    }

    /// How far the clone is.
    pub(super) async fn look(
        &mut self,
        session: &Session,
        at: &Subvolume,
    ) -> ceph::Result<CloneStatus> {
        let asked = Instant::now();
        let status = session.clones.status(self.cx, at).await;
        self.look = asked.elapsed();
        status
    }

    /// Waits until it is time to look again.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if the deadline is too near for that; `state` says how far the clone is.
    pub(super) async fn pause(&self, state: impl FnOnce() -> String) -> Result<(), Error> {
        let waiting = self.line.waiting.load(Ordering::Relaxed);
        // A look that took long has waited for the cloner itself, and is a reason to leave time for
        // others, but not to wait alone.
        let shared = self.look * waiting.saturating_sub(1);
        let pause = (self.since.elapsed() / PART_OF_AGE).max(shared);
        let pause = pause.clamp(SHORTEST, LONGEST);
        if self.cx.remaining() < pause + 2 * self.look + TO_ANSWER {
            return Err(self.unfinished(state()));
        }
        self.cx.step("clone", "the clone to be complete");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn unfinished(&self, state: String) -> Error {
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(self.origin.since);
        Error::Unfinished {
            name: self.name.to_owned(),
            of: self.origin.of.clone(),
            state,
            age: since.elapsed().unwrap_or_default(),
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.line.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A state of a clone, for people.
pub(super) fn describe(status: &CloneStatus) -> String {
    let state = match &status.state {
        CloneState::Pending => "the clone waits for one of Ceph's cloner threads",
        CloneState::InProgress => "the clone is in progress",
        CloneState::Complete => "the clone is complete",
        CloneState::Failed { .. } => "the clone failed",
        CloneState::Canceled => "the clone was canceled",
    };
    match &status.progress {
        Some(progress) => format!("{state} ({progress})"),
        None => state.to_owned(),
    }
}
