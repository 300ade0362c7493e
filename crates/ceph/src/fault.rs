//! Faults at chosen calls, for tests.
//!
//! A [`Faults`] counts calls and knows which of them shall go wrong and how. Clusters wrapped by
//! [`Faults::wrap`] share its count, and code that has other steps than calls to Ceph (mounts, files)
//! reports them with [`Faults::step`], so that "kill after step 5" means one thing in the whole process.
//!
//! ```
//! # use ceph::{Context, fault::{Fault, Faults}, memory::Memory};
//! # async fn test(cx: Context) {
//! let memory = Memory::new();
//! let faults = Faults::new();
//! faults.at(3, Fault::KillAfter);
//! let cluster = faults.wrap(memory.client());
//! // Run the request in a runtime of its own, `faults.killed().await`, drop that runtime: the process
//! // is dead. Then make a new `Faults` and a new client of the same memory, and repeat the request.
//! # }
//! ```

mod cluster;
mod connect;
mod pause;
mod plan;

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::sync::watch;

use crate::{Cluster, Connect, Context, Error, Result};
use cluster::FaultyCluster;
use connect::FaultyConnect;
pub use pause::Pause;
use plan::Plan;

/// How a call goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// No effect, and this error.
    Fail(Error),
    /// No effect, and no answer before the deadline.
    Hang,
    /// No effect, and `TimedOut` at once: as [`Fault::Hang`] for tests that do not want to wait.
    TimeOut,
    /// The effect, and then `TimedOut`.
    LoseAnswer,
    /// The process dies before the effect: neither this call nor any later one does or returns anything.
    KillBefore,
    /// The process dies after the effect.
    KillAfter,
    /// The call waits before its effect until it is let go on.
    Pause(Pause),
}

/// One call, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which call this is, from 1.
    pub number: u64,
    /// What is called on what, e.g. ``mgr command `fs subvolume create` {"vol_name":...}``; no values of
    /// omap keys and attributes.
    pub what: String,
}

/// Which calls go wrong, and which calls there were. Clones are the same.
#[derive(Clone)]
pub struct Faults(Arc<Shared>);

struct Shared {
    plan: Plan,
    killed: watch::Sender<bool>,
    /// How many effects are being polled at this moment, on whatever threads.
    polling: AtomicUsize,
}

impl Faults {
    /// No faults.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            plan: Plan::default(),
            killed: watch::Sender::new(false),
            polling: AtomicUsize::new(0),
        }))
    }

    /// Lets call number `number` (from 1) go wrong.
    pub fn at(&self, number: u64, fault: Fault) {
        self.once(move |call| call.number == number, fault);
    }

    /// Lets the next call that `chosen` accepts go wrong.
    pub fn once(&self, chosen: impl Fn(&Call) -> bool + Send + Sync + 'static, fault: Fault) {
        self.0.plan.add(chosen, fault, plan::Times::Once);
    }

    /// Lets every call that `chosen` accepts go wrong, until [`Faults::clear`].
    pub fn always(&self, chosen: impl Fn(&Call) -> bool + Send + Sync + 'static, fault: Fault) {
        self.0.plan.add(chosen, fault, plan::Times::Always);
    }

    /// Forgets all faults to come; the log stays.
    pub fn clear(&self) {
        self.0.plan.clear();
    }

    /// The calls made so far.
    pub fn log(&self) -> Vec<Call> {
        self.0.plan.log()
    }

    /// How many of the calls made so far `wanted` accepts.
    pub fn count(&self, wanted: impl Fn(&Call) -> bool) -> usize {
        self.log().iter().filter(|call| wanted(call)).count()
    }

    /// Returns once a kill point was reached. Nothing counted here goes on any more, except what an effect
    /// has started outside of its future, as a real process may have requests on their way. The test now
    /// drops what else the process had.
    pub async fn killed(&self) {
        let mut killed = self.0.killed.subscribe();
        // The sender lives in `self`, so this does not end otherwise.
        let _ = killed.wait_for(|killed| *killed).await;
        while self.0.polling.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// The process dies now, as at a kill point. Not to be called by the process itself.
    pub fn kill(&self) {
        self.0.killed.send_replace(true);
        while self.0.polling.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
    }

    /// Whether a kill point was reached.
    pub fn is_killed(&self) -> bool {
        *self.0.killed.borrow()
    }

    /// `cluster` with these faults.
    pub fn wrap(&self, cluster: Arc<dyn Cluster>) -> Arc<dyn Cluster> {
        Arc::new(FaultyCluster::new(self.clone(), cluster))
    }

    /// `connect` with these faults: making a connection is a step, and so is every call on it.
    pub fn wrap_connect(&self, connect: Arc<dyn Connect>) -> Arc<dyn Connect> {
        Arc::new(FaultyConnect::new(self.clone(), connect))
    }

    /// Counts a step, and runs `effect` unless the plan says otherwise. The outer result is the injected
    /// fault's, the inner one whatever `effect` gives.
    ///
    /// # Errors
    /// Only those of the plan.
    pub async fn step<F: Future>(&self, cx: &Context, what: &str, effect: F) -> Result<F::Output> {
        self.while_alive(std::future::ready(())).await;
        match self.0.plan.next(what) {
            None => Ok(self.while_alive(effect).await),
            Some(Fault::Fail(error)) => Err(error),
            Some(Fault::Hang) => cx.within("fault", what, pending()).await,
            Some(Fault::TimeOut) => Err(Context::timed_out(what)),
            Some(Fault::LoseAnswer) => {
                self.while_alive(effect).await;
                Err(Context::timed_out(what))
            }
            Some(Fault::KillBefore) => self.die().await,
            Some(Fault::Pause(pause)) => {
                self.while_alive(pause.wait()).await;
                Ok(self.while_alive(effect).await)
            }
            Some(Fault::KillAfter) => {
                self.while_alive(effect).await;
                self.die().await
            }
        }
    }

    /// Runs `effect`, and stops it for ever when the process is killed meanwhile.
    async fn while_alive<F: Future>(&self, effect: F) -> F::Output {
        let mut effect = pin!(effect);
        poll_fn(|task| {
            let _polling = Polling::new(&self.0.polling);
            // Looked at after the count was raised: so once it is zero again nothing goes on.
            if self.is_killed() {
                return Poll::Pending;
            }
            effect.as_mut().poll(task)
        })
        .await
    }

    async fn die<T>(&self) -> T {
        self.0.killed.send_replace(true);
        pending().await
    }
}

/// Counted while an effect is being polled.
struct Polling<'a>(&'a AtomicUsize);

impl<'a> Polling<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("calls", &self.log().len())
            .field("killed", &self.is_killed())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
