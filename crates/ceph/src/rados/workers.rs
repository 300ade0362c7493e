//! Threads for calls that block, perhaps for long.
//!
//! Not those of `tokio::task::spawn_blocking`: a runtime does not end before they have, and a call to a
//! manager that is away does not.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A thread without work ends after this time. Short, because each has a heap of its own.
const KEEP_IDLE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// As many threads as there is work at once; whoever hands it in bounds that.
#[derive(Clone, Default)]
pub(super) struct Workers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
}

impl Workers {
    /// Runs `job` on a thread that has nothing to do, or on a new one.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        state.jobs.push_back(Box::new(job));
        if state.idle >= state.jobs.len() {
            self.0.work.notify_one();
            return;
        }
        drop(state);
        let shared = Arc::clone(&self.0);
        let thread = thread::Builder::new().name("rados-call".to_owned());
        if let Err(error) = thread.spawn(move || shared.work()) {
            // The next thread that is free takes the job.
            tracing::error!(%error, "no thread for a call to Ceph");
        }
    }
}

impl Shared {
    /// What a thread does.
    fn work(&self) {
        while let Some(job) = self.next() {
            // Who waits for the answer of a job that panics sees that there is none.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// The next job; `None` after some time without any.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        if let Some(job) = state.jobs.pop_front() {
            return Some(job);
        }
        state.idle += 1;
        let waited = self
            .work
            .wait_timeout_while(state, KEEP_IDLE, |state| state.jobs.is_empty());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.jobs.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_at_once_have_a_thread_each_and_later_ones_take_those() {
        let workers = Workers::default();
        let (report, reports) = mpsc::channel();
        let mut threads = HashSet::new();
        for _ in 0..50 {
            let (release, wait) = mpsc::channel::<()>();
            let wait = Arc::new(Mutex::new(wait));
            for _ in 0..4 {
                let (report, wait) = (report.clone(), Arc::clone(&wait));
                workers.run(move || {
                    report.send(thread::current().id()).unwrap();
                    // Either the message, or the end of the sender.
                    let _ = wait.lock().unwrap().recv();
                });
            }
            threads.extend((0..4).map(|_| reports.recv().unwrap()));
            drop(release);
            let mut idle = 0;
            while idle < 4 {
                thread::yield_now();
                idle = workers.0.lock().idle;
            }
        }
        assert_eq!(threads.len(), 4);
    }

    #[test]
    fn a_panic_does_not_end_the_thread() {
        let workers = Workers::default();
        let (report, reports) = mpsc::channel();
        workers.run(|| panic!("expected by the test"));
        workers.run(move || report.send(()).unwrap());
        reports.recv().unwrap();
    }
}
