//! Requests in flight: each runs as a task of its own, equal ones share one task, and different ones
//! for the same thing are told who is at it.
//!
//! A task outlives the client that asked, so that a client's timeout never leaves a step half done;
//! it ends by its own deadline at the latest, and with it whatever it held.

mod held;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ceph::{Context, Progress};
use futures::FutureExt as _;
use held::Holders;
pub use held::{Held, Hold};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::error::Error;

/// What requests exclude each other by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The request name of a volume.
    VolumeName(String),
    /// A volume, on the controller.
    Volume(String),
    /// The request name of a snapshot.
    SnapshotName(String),
    /// A snapshot.
    Snapshot(String),
    /// The request name of a group snapshot.
    GroupName(String),
    /// A group snapshot.
    Group(String),
    /// A volume, on this node.
    StagedVolume(String),
    /// A publish target on this node.
    Target(String),
}

/// A request that is to run.
#[derive(Clone, Debug)]
pub struct Call {
    /// Name of the RPC, e.g. `CreateVolume`.
    pub rpc: &'static str,
    /// What it is about: the request name or the volume id.
    pub subject: String,
    /// What it excludes others by; `None` for RPCs that disturb nobody.
    pub key: Option<Key>,
    /// Tells requests apart: equal fingerprints are equal requests.
    pub fingerprint: [u64; 2],
}

/// Somebody else is at it.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "an operation with the given {key} already exists: {rpc} {subject} has been running for {age:.1?}\
     {}; try again when it has ended", DisplayStep(.step.as_ref())
)]
pub struct Busy {
    key: Key,
    rpc: &'static str,
    subject: String,
    age: Duration,
    step: Option<(String, Duration)>,
}

/// The deadline has passed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{rpc} {subject} has not ended after {age:.1?}{}", DisplayStep(.step.as_ref()))]
pub struct Expired {
    rpc: &'static str,
    subject: String,
    age: Duration,
    step: Option<(String, Duration)>,
}

/// The requests in flight of this process.
#[derive(Debug, Default)]
pub struct Operations {
    running: Arc<Running>,
    /// All of them, also those without a key.
    all: Arc<Mutex<Vec<Arc<Operation>>>>,
    tasks: TaskTracker,
}

/// A request in flight, for those who look at it from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Name of the RPC.
    pub rpc: &'static str,
    /// The kind of its present step, `None` before the first.
    pub step: Option<&'static str>,
    /// How long it has been running.
    pub age: Duration,
}

type Running = Mutex<HashMap<Key, Holders>>;
type Outcome<T> = Result<T, Arc<Error>>;

/// One request in flight.
struct Operation {
    call: Call,
    started: Instant,
    progress: Progress,
    /// The [`Outcome`] once it is there.
    outcome: watch::Sender<Option<Arc<dyn Any + Send + Sync>>>,
}

impl Operations {
    /// Runs `operation` as a task under the deadline of `cx`, or joins the equal request in flight,
    /// and waits for the outcome, at most until the deadline of `cx`.
    ///
    /// # Errors
    /// Those of `operation`; [`Busy`] if another request holds the key; [`Expired`] at the deadline;
    /// [`Error::Panicked`].
    pub async fn run<T, F>(
        &self,
        call: Call,
        cx: &Context,
        operation: impl FnOnce(Held) -> F,
    ) -> Outcome<T>
    where
        T: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let (running, outcome) = match self.enter(call, cx)? {
            Entered::Joined(running) => {
                let outcome = running.outcome.subscribe();
                tracing::info!("joined the equal request in flight");
                (running, outcome)
            }
            Entered::Started(held) => {
                let running = Arc::clone(held.operation());
                let outcome = running.outcome.subscribe();
                let future = operation(held.clone());
                let listed = Listed::new(&self.all, &running);
                let task = supervise(held, listed, cx.clone(), future).in_current_span();
                self.tasks.spawn(task);
                (running, outcome)
            }
        };
        running.wait(outcome, cx).await
    }

    /// Waits until no request is in flight, at most for `grace`. Returns what still runs, for people.
    pub async fn drain(&self, grace: Duration) -> Vec<String> {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_ok() {
            return Vec::new();
        }
        let all = lock(&self.all);
        let left = all.iter().map(|operation| operation.expired().to_string());
        left.collect()
    }

    /// What runs now.
    pub fn in_flight(&self) -> Vec<InFlight> {
        let all = lock(&self.all);
        let in_flight = all.iter().map(|operation| InFlight {
            rpc: operation.call.rpc,
            step: operation.progress.current().map(|step| step.kind),
            age: operation.started.elapsed(),
        });
        in_flight.collect()
    }

    fn enter(&self, call: Call, cx: &Context) -> Result<Entered, Error> {
        let Some(key) = call.key.clone() else {
            return Ok(Entered::Started(Held::without_key(
                &self.running,
                Operation::new(call, cx),
            )));
        };
        let mut running = lock(&self.running);
        if let Some(holders) = running.get(&key) {
            let mut operations = holders.operations();
            return match operations.find(|operation| operation.is_same(&call)) {
                Some(operation) => Ok(Entered::Joined(Arc::clone(operation))),
                None => Err(holders.busy(key).into()),
            };
        }
        let operation = Operation::new(call, cx);
        running.insert(key.clone(), Holders::one(&operation));
        drop(running);
        Ok(Entered::Started(Held::new(&self.running, operation, key)))
    }
}

enum Entered {
    Started(Held),
    Joined(Arc<Operation>),
}

/// Runs to the end or the deadline, frees the key, and only then tells the outcome: who has the answer
/// may send the next request at once.
async fn supervise<T, F>(held: Held, listed: Listed, cx: Context, future: F)
where
    T: Clone + Send + Sync + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let operation = Arc::clone(held.operation());
    let deadline = tokio::time::Instant::from_std(cx.deadline());
    let ended = tokio::time::timeout_at(deadline, AssertUnwindSafe(future).catch_unwind()).await;
    let outcome: Outcome<T> = match ended {
        Ok(Ok(outcome)) => outcome.map_err(Arc::new),
        Ok(Err(panic)) => Err(Arc::new(Error::Panicked(panic_text(&*panic)))),
        Err(_) => Err(Arc::new(operation.expired().into())),
    };
    drop((held, listed));
    operation.outcome.send_replace(Some(Arc::new(outcome)));
}

/// Keeps an operation on the list of all until it is dropped.
struct Listed {
    all: Arc<Mutex<Vec<Arc<Operation>>>>,
    operation: Arc<Operation>,
}

impl Listed {
    fn new(all: &Arc<Mutex<Vec<Arc<Operation>>>>, operation: &Arc<Operation>) -> Self {
        lock(all).push(Arc::clone(operation));
        Self {
            all: Arc::clone(all),
            operation: Arc::clone(operation),
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        let own = all
            .iter()
            .position(|other| Arc::ptr_eq(other, &self.operation));
        if let Some(own) = own {
            all.swap_remove(own);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

impl Operation {
    fn new(call: Call, cx: &Context) -> Arc<Self> {
        let (outcome, _) = watch::channel(None);
        Arc::new(Self {
            call,
            started: Instant::now(),
            progress: cx.progress().clone(),
            outcome,
        })
    }

    fn is_same(&self, call: &Call) -> bool {
        self.call.rpc == call.rpc && self.call.fingerprint == call.fingerprint
    }

    async fn wait<T: Clone + 'static>(
        &self,
        mut outcome: watch::Receiver<Option<Arc<dyn Any + Send + Sync>>>,
        cx: &Context,
    ) -> Outcome<T> {
        // The task itself ends at its deadline: the extra time lets its own words come first.
        let deadline = tokio::time::Instant::from_std(cx.deadline()) + Duration::from_millis(50);
        let told = tokio::time::timeout_at(deadline, outcome.wait_for(Option::is_some)).await;
        let told = told
            .ok()
            .and_then(Result::ok)
            .and_then(|outcome| outcome.clone());
        let Some(told) = told else {
            return Err(Arc::new(self.expired().into()));
        };
        match told.downcast_ref::<Outcome<T>>() {
            Some(outcome) => outcome.clone(),
            None => Err(Arc::new(Error::Panicked(
                "equal requests have unequal answers".to_owned(),
            ))),
        }
    }

    fn busy(&self, key: Key) -> Busy {
        let Call { rpc, subject, .. } = &self.call;
        let (age, step) = (self.started.elapsed(), self.step());
        Busy {
            key,
            rpc,
            subject: subject.clone(),
            age,
            step,
        }
    }

    fn expired(&self) -> Expired {
        let Call { rpc, subject, .. } = &self.call;
        let (age, step) = (self.started.elapsed(), self.step());
        Expired {
            rpc,
            subject: subject.clone(),
            age,
            step,
        }
    }

    fn step(&self) -> Option<(String, Duration)> {
        self.progress
            .current()
            .map(|step| (step.what, step.since.elapsed()))
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VolumeName(name) => write!(f, "volume name {name}"),
            Self::SnapshotName(name) => write!(f, "snapshot name {name}"),
            Self::Snapshot(id) => write!(f, "Snapshot ID {id}"),
            Self::Group(id) => write!(f, "group snapshot ID {id}"),
            Self::GroupName(name) => write!(f, "group snapshot name {name}"),
            Self::Volume(id) | Self::StagedVolume(id) => write!(f, "Volume ID {id}"),
            Self::Target(path) => write!(f, "target path {path}"),
        }
    }
}

/// `, waiting 3.1s for mgr command ...`, or nothing.
struct DisplayStep<'a>(Option<&'a (String, Duration)>);

impl fmt::Display for DisplayStep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((what, age)) => write!(f, ", for {age:.1?} at this step: {what}"),
            None => Ok(()),
        }
    }
}
