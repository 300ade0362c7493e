//! Calls with a deadline in front, and a bound on those that nobody waits for any more.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use super::workers::Workers;
use crate::{Context, Error, ErrorKind, Result};

/// The calls of one connection to one kind of daemon.
#[derive(Debug)]
pub(super) struct Calls {
    /// Who is to answer.
    peer: &'static str,
    slots: Arc<Semaphore>,
    open: Arc<Open>,
    /// Whether a call that was made got no answer by its deadline.
    unanswered: AtomicBool,
}

/// Calls that have been made and not been answered.
#[derive(Debug, Default)]
struct Open(Mutex<Vec<Arc<Call>>>);

#[derive(Debug)]
struct Call {
    since: Instant,
    abandoned: AtomicBool,
}

impl Calls {
    /// At most `limit` calls at once to `peer`.
    pub(super) fn new(peer: &'static str, limit: usize) -> Self {
        Self {
            peer,
            slots: Arc::new(Semaphore::new(limit)),
            open: Arc::default(),
            unanswered: AtomicBool::new(false),
        }
    }

    /// Makes a call on a worker, and waits for its answer until the deadline of `cx`. Nothing is done if
    /// that has passed already, or passes while as many calls as may be are open.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        workers: &Workers,
        cx: &Context,
        (kind, call): (&'static str, &str),
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if cx.expired() {
            return Err(Context::timed_out(call));
        }
        cx.step(kind, call);
        let timed_out = |detail| Error::new(ErrorKind::TimedOut, call, detail);
        let deadline = cx.deadline().into();
        let slot = timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else {
            return Err(timed_out(self.crowd()));
        };
        let started = Instant::now();
        let (ticket, waiting) = self.open.begin(slot, started);
        let (give, answer) = oneshot::channel();
        workers.run(call, move || {
            let result = work();
            drop(ticket);
            // Nobody takes the answer of an abandoned call.
            let _ = give.send(result);
        })?;
        let Ok(answer) = timeout_at(deadline, answer).await else {
            self.unanswered.store(true, Ordering::Relaxed);
            return Err(timed_out(self.silence(started.elapsed(), cx)));
        };
        drop(waiting);
        answer.unwrap_or_else(|_| Err(Error::new(ErrorKind::Other, call, "the call panicked")))
    }

    /// How many calls nobody waits for any more.
    pub(super) fn abandoned(&self) -> usize {
        let open = self.open.lock();
        let abandoned = open
            .iter()
            .filter(|call| call.abandoned.load(Ordering::Relaxed));
        abandoned.count()
    }

    /// Whether a call that was made got no answer by its deadline.
    pub(super) fn had_no_answer(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// What there is to say of a call that was not answered.
    fn silence(&self, waited: Duration, cx: &Context) -> String {
        let whole = cx.progress().age();
        // The last of many calls may have had the rest of the time only.
        let of_all = if whole > waited * 2 {
            format!(", the last of the {whole:.1?} that there were for all calls")
        } else {
            String::new()
        };
        // The manager itself waits for the metadata servers: whoever is silent need not be the cause.
        format!(
            "{} did not answer for {waited:.1?}{of_all}; `ceph -s` tells which daemon is down",
            self.peer
        )
    }

    fn crowd(&self) -> String {
        let open = self.open.lock();
        let oldest = open.iter().map(|call| call.since.elapsed()).max();
        format!(
            "{} calls are waiting for {} already, the first for {:.1?}",
            open.len(),
            self.peer,
            oldest.unwrap_or(Duration::ZERO)
        )
    }
}

impl Open {
    /// Notes a new call: one mark for who makes it, and one for who waits for it.
    fn begin(self: &Arc<Self>, slot: OwnedSemaphorePermit, since: Instant) -> (Ticket, Waiting) {
        let call = Arc::new(Call {
            since,
            abandoned: AtomicBool::new(false),
        });
        self.lock().push(Arc::clone(&call));
        let ticket = Ticket {
            open: Arc::clone(self),
            call: Arc::clone(&call),
            _slot: slot,
        };
        (ticket, Waiting(call))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Call>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held while a call is being made.
struct Ticket {
    open: Arc<Open>,
    call: Arc<Call>,
    _slot: OwnedSemaphorePermit,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        open.retain(|call| !Arc::ptr_eq(call, &self.call));
    }
}

/// Held while somebody waits for a call.
struct Waiting(Arc<Call>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
    }
}
