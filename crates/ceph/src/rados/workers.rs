//! Threads for calls that block, perhaps for long.
//!
//! Not those of `tokio::task::spawn_blocking`: a runtime does not end before they have, and a call to a
//! manager that is away does not.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::{Error, ErrorKind, Result};

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
    /// With the number of each.
    jobs: VecDeque<(u64, Job)>,
    /// How many there ever were.
    count: u64,
    /// Threads that wait for a job.
    idle: usize,
}

impl Workers {
    /// Runs `job` on a thread that has nothing to do, or on a new one.
    ///
    /// # Errors
    /// `Unreachable` for `call` if there is no such thread. Then the job is not done.
    pub(super) fn run(&self, call: &str, job: impl FnOnce() + Send + 'static) -> Result<()> {
        self.run_on(call, job, |shared| {
            let thread = thread::Builder::new().name("rados-call".to_owned());
            thread.spawn(move || shared.work()).map(drop)
        })
    }

    /// The same with another way to `start` a thread.
    fn run_on(
        &self,
        call: &str,
        job: impl FnOnce() + Send + 'static,
        start: impl FnOnce(Arc<Shared>) -> io::Result<()>,
    ) -> Result<()> {
        let mut state = self.0.lock();
        let number = state.count;
        state.count += 1;
        state.jobs.push_back((number, Box::new(job)));
        if state.idle >= state.jobs.len() {
            self.0.work.notify_one();
            return Ok(());
        }
        drop(state);
        let Err(error) = start(Arc::clone(&self.0)) else {
            return Ok(());
        };
        let mut state = self.0.lock();
        let place = state.jobs.iter().position(|(of, _)| *of == number);
        // A thread that was busy may have taken it meanwhile.
        let Some(_job) = place.and_then(|place| state.jobs.remove(place)) else {
            return Ok(());
        };
        drop(state);
        let detail = format!(
            "no thread can be started ({error}); the limit of processes of the container or the user may be too low"
        );
        Err(Error::new(ErrorKind::Unreachable, call, detail))
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
        if let Some((_, job)) = state.jobs.pop_front() {
            return Some(job);
        }
        state.idle += 1;
        let waited = self
            .work
            .wait_timeout_while(state, KEEP_IDLE, |state| state.jobs.is_empty());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.jobs.pop_front().map(|(_, job)| job)
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
                let job = move || {
                    report.send(thread::current().id()).unwrap();
                    // Either the message, or the end of the sender.
                    let _ = wait.lock().unwrap().recv();
                };
                workers.run("call", job).unwrap();
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
        let job = || panic!("expected by the test");
        workers.run("call", job).unwrap();
        let job = move || report.send(()).unwrap();
        workers.run("call", job).unwrap();
        reports.recv().unwrap();
    }

    #[test]
    fn without_a_thread_a_job_is_not_done_either_later() {
        let workers = Workers::default();
        let (report, reports) = mpsc::channel();
        let job = move || report.send(()).unwrap();
        let limited = |_| Err(io::Error::from_raw_os_error(11));
        let error = workers.run_on("call", job, limited).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unreachable);
        let text = error.to_string();
        assert!(
            text.contains("no thread can be started (Resource"),
            "{text}"
        );
        let (done, wait) = mpsc::channel();
        workers.run("call", move || done.send(()).unwrap()).unwrap();
        wait.recv().unwrap();
        // Its sender went with the job.
        assert!(reports.recv().is_err());
    }
}
