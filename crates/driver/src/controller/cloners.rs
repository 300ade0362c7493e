//! The manager's cloner threads, as all requests of this process share them: who begins next, and how
//! often somebody looks.
//!
//! Ceph 18 and later refuse a clone while all threads are busy. Requests stand in line here, so that the
//! first to ask is the first to get a thread. A look at a clone takes the manager's one lock for some
//! milliseconds, or some hundred beside busy threads, and slows down the clones themselves: so one clone is
//! looked at the less often the longer it takes, and of many it is the first in line that is looked at, as Ceph
//! makes them in this order. Whose clone is complete leaves the line, and the next looks at once. The others,
//! who may have a small one behind a large one, look as often as they leave each other the time.

mod line;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ceph::{CloneState, CloneStatus, Context, ErrorKind, Snapshot, Subvolume};

use self::line::{Line, Place};
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

/// One request's waiting for its clone.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    cx: &'a Context,
    line: Arc<Line>,
    name: &'a str,
    origin: &'a Origin,
    /// `None` once the clone is complete.
    place: Option<Place>,
    /// Whether it has the turn to begin its clone.
    begins: bool,
    /// Since when it has waited for what it waits for now.
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
        Wait {
            cx,
            place: Some(line.enter()),
            line,
            name,
            origin,
            begins: false,
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
        let Ok(_turn) = tokio::time::timeout_at(last, line.turn()).await else {
            return Err(self.unfinished(STATE.to_owned()));
        };
        (self.begins, self.since) = (true, Instant::now());
        loop {
            let asked = Instant::now();
            match session.clones.start(self.cx, from, to, pool).await {
                Err(error) if error.kind == ErrorKind::ClonersBusy => {
                    self.look = asked.elapsed();
                    self.pause(|| STATE.to_owned()).await?;
                }
                begun => {
                    (self.begins, self.since) = (false, Instant::now());
                    return Ok(begun);
                }
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

    /// Leaves the line, as the clone is complete.
    pub(super) fn leave(&mut self) {
        (self.place, self.since) = (None, Instant::now());
    }

    /// Waits until it is time to look again.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if the deadline is too near for that; `state` says how far the clone is.
    pub(super) async fn pause(&mut self, state: impl FnOnce() -> String) -> Result<(), Error> {
        self.cx.step("clone", "the clone to be complete");
        let paused = Instant::now();
        loop {
            let departures = self.place.as_ref().map_or(0, Place::departures);
            let was_first = self.is_first();
            let interval = self.interval();
            if self.cx.remaining() < interval + 2 * self.look + TO_ANSWER {
                return Err(self.unfinished(state()));
            }
            let left = interval.saturating_sub(paused.elapsed());
            let Some(place) = &mut self.place else {
                tokio::time::sleep(left).await;
                return Ok(());
            };
            tokio::select! {
                () = tokio::time::sleep(left) => return Ok(()),
                () = place.departure_after(departures) => {}
            }
            if self.begins {
                // There may be a thread now.
                return Ok(());
            }
            if !was_first && self.is_first() {
                self.since = Instant::now();
                return Ok(());
            }
        }
    }

    fn is_first(&self) -> bool {
        self.place.as_ref().is_none_or(Place::is_first)
    }

    /// From one look to the next.
    fn interval(&self) -> Duration {
        let part = self.since.elapsed() / PART_OF_AGE;
        let interval = match &self.place {
            // A look that took long has waited for the cloner itself, and is a reason to leave time for
            // others, but not for the one whom they wait for.
            Some(place) if !self.begins && !place.is_first() => {
                part.max(self.look * place.others())
            }
            _ => part,
        };
        interval.clamp(SHORTEST, LONGEST)
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
