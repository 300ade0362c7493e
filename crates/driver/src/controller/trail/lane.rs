//! What follows the answers of one file system.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ceph::{Context, ErrorKind};
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::time::Instant;

use super::job::{Job, Whose};
use crate::backend::Session;
use crate::journal::{self, Entry, Journal, Kind};

/// Jobs in memory; what comes beyond stays in the journal and is looked up when these are done.
const MOST_JOBS: usize = 10_000;
/// No request for this long means that there is time for metadata.
const QUIET: Duration = Duration::from_millis(20);
/// A job that has yielded this long goes in between requests.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time for one command.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// Failures of one job before it is left to the next process.
const MOST_FAILURES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(2);
/// Jobs worked on at once: the manager works off one command after the other, and this way has the
/// next one at hand.
const AT_ONCE: usize = 2;
/// From a failed search for what is pending to the next one, at least.
const SEARCH_AGAIN: Duration = Duration::from_mins(1);
/// Records read at once while looking for pending metadata.
const LOOKUPS: usize = 8;

/// Jobs, and the tasks that work on them while there are any.
#[derive(Debug)]
pub(super) struct Lane {
    jobs: Mutex<Jobs>,
    /// Number of jobs, for who waits for the end.
    left: watch::Sender<usize>,
    requests: watch::Sender<Requests>,
    draining: AtomicBool,
    /// This Ceph release has no metadata.
    unsupported: AtomicBool,
}

#[derive(Debug, Default)]
struct Jobs {
    queue: VecDeque<Job>,
    /// What the workers have in hand, and whether it was forgotten meanwhile.
    current: Vec<(Whose, bool)>,
    workers: usize,
    /// How many look for marks.
    looking: usize,
    /// Something did not fit: look it up in the journal when the queue is empty.
    overflow: Option<Session>,
    search: Search,
}

/// The search for what an earlier process left.
#[derive(Debug, Default)]
enum Search {
    #[default]
    Due,
    /// It goes on, or has found all.
    Begun,
    /// It did so at this moment: the cluster was not back yet, or the user of the request may not read the journal.
    Failed(Instant),
}

/// From a record to the job that it stands for, if something is pending.
type ToJob<K> = fn(&Session, &<K as Kind>::Record) -> Option<Job>;

/// Requests at work.
#[derive(Debug)]
struct Requests {
    running: usize,
    /// When one came or went last.
    last: Instant,
}

/// A request at work; metadata yields until it is dropped.
#[derive(Debug)]
pub(crate) struct Foreground(Arc<Lane>);

impl Default for Lane {
    fn default() -> Self {
        Self {
            jobs: Mutex::default(),
            left: watch::Sender::new(0),
            requests: watch::Sender::new(Requests {
                running: 0,
                last: Instant::now(),
            }),
            draining: AtomicBool::new(false),
            unsupported: AtomicBool::new(false),
        }
    }
}

impl Lane {
    pub(super) fn foreground(self: &Arc<Self>, session: &Session) -> Foreground {
        let is_due = self.lock().begin_search();
        if is_due {
            Arc::clone(self).resume(session.clone());
        }
        self.requests.send_modify(|requests| {
            requests.running += 1;
            requests.last = Instant::now();
        });
        Foreground(Arc::clone(self))
    }

    /// Adds a job unless there is one for the same thing, and sees to it that somebody works.
    pub(super) fn push(self: &Arc<Self>, job: Job) {
        if self.has_no_metadata() && !job.is_rest() {
            return;
        }
        let mut jobs = self.lock();
        if jobs.has(&job.whose) {
            return;
        }
        if jobs.queue.len() >= MOST_JOBS {
            jobs.overflow = Some(job.session);
            return;
        }
        if job.is_rest() {
            jobs.queue.push_front(job);
        } else {
            jobs.queue.push_back(job);
        }
        self.left.send_replace(jobs.len());
        if jobs.workers < AT_ONCE {
            jobs.workers += 1;
            tokio::spawn(Arc::clone(self).work());
        }
    }

    pub(super) fn forget(&self, whose: &Whose) {
        let mut jobs = self.lock();
        jobs.queue.retain(|job| job.whose != *whose);
        for (current, forgotten) in &mut jobs.current {
            *forgotten |= current == whose;
        }
        self.left.send_replace(jobs.len());
    }

    /// Looks in the journal for what is pending.
    fn resume(self: Arc<Self>, session: Session) {
        self.looking(1);
        tokio::spawn(async move {
            let retired = self.take_up_retired(&session).await;
            self.looking(-1);
            let volumes = self.scan(&session, &session.journal, Job::of_volume);
            let snapshots = self.scan(&session, &session.snapshot_journal, Job::of_snapshot);
            let (volumes, snapshots) = tokio::join!(volumes, snapshots);
            if let Err(error) = retired.and(volumes).and(snapshots) {
                tracing::warn!(
                    "what is pending could not be looked up, and will be again: {error}"
                );
                self.lock().search = Search::Failed(Instant::now());
            }
        });
    }

    /// So many more look for marks.
    fn looking(&self, more: isize) {
        let mut jobs = self.lock();
        jobs.looking = jobs.looking.saturating_add_signed(more);
        self.left.send_replace(jobs.len());
    }

    /// Takes up what is marked: that is quick, as no record is read.
    async fn take_up_retired(self: &Arc<Self>, session: &Session) -> Result<(), journal::Error> {
        let cx = Context::with_timeout(COMMAND_LIMIT);
        let (journal, snapshots) = (&session.journal, &session.snapshot_journal);
        let (volumes, snapshots) = tokio::try_join!(journal.retired(&cx), snapshots.retired(&cx))?;
        for uuid in volumes {
            self.push(Job::of_retired_volume(session, uuid));
        }
        for uuid in snapshots {
            self.push(Job::of_retired_snapshot(session, uuid));
        }
        Ok(())
    }

    /// Returns when nothing is left. From now on metadata does not yield any more.
    pub(super) async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.requests.send_modify(|_| {});
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.left.subscribe().wait_for(|left| *left == 0).await;
    }

    pub(super) fn len(&self) -> usize {
        *self.left.borrow()
    }

    async fn scan<K: Kind>(
        self: &Arc<Self>,
        session: &Session,
        journal: &Journal<K>,
        job: ToJob<K>,
    ) -> Result<(), journal::Error> {
        let mut after = String::new();
        let mut looked = Ok(());
        loop {
            let cx = Context::with_timeout(COMMAND_LIMIT);
            let page = journal.page(&cx, &after, usize::MAX).await?;
            let lookups = page
                .entries
                .into_iter()
                .map(|entry| self.resume_entry(&cx, session, journal, job, entry));
            let lookups: Vec<_> = futures::stream::iter(lookups)
                .buffer_unordered(LOOKUPS)
                .collect()
                .await;
            looked = lookups.into_iter().fold(looked, Result::and);
            match page.next {
                Some(next) => after = next,
                None => return looked,
            }
        }
    }

    async fn resume_entry<K: Kind>(
        self: &Arc<Self>,
        cx: &Context,
        session: &Session,
        journal: &Journal<K>,
        job: ToJob<K>,
        entry: Entry<K>,
    ) -> Result<(), journal::Error> {
        match journal.lookup(cx, &entry.uuid).await {
            Ok(Some(record)) => {
                if let Some(job) = job(session, &record) {
                    self.push(job);
                }
            }
            Ok(None) => {}
            Err(error @ journal::Error::Ceph(_)) => return Err(error),
            // It will be no better the next time.
            Err(error) => tracing::warn!("what is pending for {}: {error}", entry.uuid),
        }
        Ok(())
    }

    /// Works until no job is left.
    async fn work(self: Arc<Self>) {
        while let Some(mut job) = self.next() {
            let whose = job.whose.clone();
            let mut again = None;
            if let Err(error) = self.run(&job).await {
                job.failures += 1;
                if job.failures < MOST_FAILURES {
                    tracing::warn!("what follows {whose} will be tried again: {error}");
                    tokio::time::sleep(pause(job.failures)).await;
                    again = Some(job);
                } else {
                    tracing::warn!("what follows {whose} is left to the next process: {error}");
                }
            }
            let mut jobs = self.lock();
            jobs.put_down(&whose, again);
            self.left.send_replace(jobs.len());
        }
    }

    /// Takes the next job in hand, or lets the worker go.
    fn next(self: &Arc<Self>) -> Option<Job> {
        let mut jobs = self.lock();
        if let Some(job) = jobs.queue.pop_front() {
            jobs.current.push((job.whose.clone(), false));
            return Some(job);
        }
        jobs.workers -= 1;
        let overflow = jobs.overflow.take();
        drop(jobs);
        if let Some(session) = overflow {
            Arc::clone(self).resume(session);
        }
        None
    }

    async fn run(&self, job: &Job) -> Result<(), journal::Error> {
        for (key, value) in &job.pending {
            if self.has_no_metadata() {
                break;
            }
            self.quiet(job).await;
            if self.lock().is_forgotten(&job.whose) {
                return Ok(());
            }
            let cx = Context::with_timeout(COMMAND_LIMIT);
            match job.set(&cx, key, value).await {
                Ok(()) => {}
                // Deleted meanwhile, by us or by others.
                Err(error) if error.is_snapshot_gone() => return Ok(()),
                Err(error) if error.kind == ErrorKind::Unsupported => {
                    self.unsupported.store(true, Ordering::Relaxed);
                    tracing::warn!("subvolumes and snapshots get no metadata: {error}");
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.lock().is_forgotten(&job.whose) {
            return Ok(());
        }
        let cx = Context::with_timeout(COMMAND_LIMIT);
        match job.done(&cx, !self.has_no_metadata()).await {
            Err(journal::Error::Ceph(error)) if error.is_snapshot_gone() => Ok(()),
            done => done,
        }
    }

    fn has_no_metadata(&self) -> bool {
        self.unsupported.load(Ordering::Relaxed)
    }

    /// Waits for a pause between requests, as long as the job has patience.
    async fn quiet(&self, job: &Job) {
        let impatient = tokio::time::Instant::from_std(job.since + PATIENCE);
        let pause = async {
            let mut requests = self.requests.subscribe();
            while !self.draining.load(Ordering::Relaxed) {
                let quiet_at = {
                    let seen = requests.borrow_and_update();
                    (seen.running == 0).then_some(seen.last + QUIET)
                };
                let Some(quiet_at) = quiet_at else {
                    // The sender lives as long as `self`, so waiting cannot fail.
                    let _ = requests.changed().await;
                    continue;
                };
                let changed = tokio::time::timeout_at(quiet_at, requests.changed()).await;
                if changed.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout_at(impatient, pause).await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    fn len(&self) -> usize {
        self.queue.len() + self.current.len() + self.looking
    }

    /// Whether it is to be looked for what an earlier process left: then the caller does.
    fn begin_search(&mut self) -> bool {
        let is_due = match self.search {
            Search::Due => true,
            Search::Begun => false,
            Search::Failed(at) => at.elapsed() >= SEARCH_AGAIN,
        };
        if is_due {
            self.search = Search::Begun;
        }
        is_due
    }

    fn has(&self, whose: &Whose) -> bool {
        self.current.iter().any(|(current, _)| current == whose)
            || self.queue.iter().any(|job| job.whose == *whose)
    }

    fn is_forgotten(&self, whose: &Whose) -> bool {
        self.current.contains(&(whose.clone(), true))
    }

    /// Lets go of a job; one to be done again goes behind the others, unless it was forgotten meanwhile.
    fn put_down(&mut self, whose: &Whose, again: Option<Job>) {
        let again = again.filter(|_| !self.is_forgotten(whose));
        self.current.retain(|(current, _)| current != whose);
        self.queue.extend(again);
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        self.0.requests.send_modify(|requests| {
            requests.running -= 1;
            requests.last = Instant::now();
        });
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << failures.saturating_sub(1).min(10))
        .min(LONGEST_PAUSE)
}
