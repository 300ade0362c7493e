//! Asking a mounted file system something it may never answer.
//!
//! At most one question per mount is open at a time, whichever it is. Who asks while it is open waits for
//! its answer, or, with another question, for its end; so a mount that hangs costs one helper thread,
//! however often the orchestrator asks. What was mounted since in its place is another mount: it is asked, and
//! what the old one may still answer is nothing to it.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ceph::Context;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, StatxFlags};
use rustix::io::Errno;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::table::MountId;
use super::{Error, Mount, MountTable, helper};

#[cfg(test)]
mod tests;

/// The questions to mounted file systems that are open, of whichever kind.
#[derive(Clone, Debug, Default)]
pub struct OpenQuestions(Arc<Mutex<HashMap<MountId, Open>>>);

#[derive(Clone, Debug)]
struct Open {
    call: &'static str,
    since: Instant,
    /// Closed when the question has its answer.
    ended: watch::Receiver<()>,
}

impl OpenQuestions {
    /// Whether a question about `mount` is open.
    pub(super) fn about(&self, mount: &Mount) -> bool {
        self.lock().contains_key(&mount.identity())
    }

    /// Whether a question is open about a mount of the superblock `device` that is not in `table` any more.
    pub(super) fn sleep_in(&self, device: &str, table: &MountTable) -> bool {
        let open = self.lock();
        let mut of_device = open.keys().filter(|(_, other)| other == device);
        of_device.any(|(id, _)| table.of_device(device).all(|mount| mount.id != *id))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MountId, Open>> {
        lock(&self.0)
    }
}

/// One kind of question.
#[derive(Debug)]
pub(super) struct Probe<T> {
    call: &'static str,
    ask: fn(&Path) -> Result<T, Errno>,
    /// The answers to come. Locked only while `all` is.
    answers: Arc<Mutex<HashMap<MountId, Answer<T>>>>,
    all: OpenQuestions,
}

/// `None` until there is an answer.
type Answer<T> = watch::Receiver<Option<Result<T, Errno>>>;

/// What there is to wait for.
enum Question<T> {
    Ours(Open, Answer<T>),
    Others(Open),
}

impl<T: Clone + Send + Sync + 'static> Probe<T> {
    /// A probe that asks by `ask`, which may hang; `call` names it.
    pub(super) fn new(call: &'static str, ask: fn(&Path) -> Result<T, Errno>) -> Self {
        Self {
            call,
            ask,
            answers: Arc::default(),
            all: OpenQuestions::default(),
        }
    }

    /// Counts its questions among `all` from now on.
    pub(super) fn join(&mut self, all: &OpenQuestions) {
        self.all = all.clone();
    }

    /// The same, whose questions count among `all`.
    pub(super) fn among(mut self, all: &OpenQuestions) -> Self {
        self.join(all);
        self
    }

    /// Asks the file system of `mount`.
    ///
    /// # Errors
    /// [`Error::Dead`] if its client is gone, [`Error::Hangs`] if there is no answer by the deadline.
    pub(super) async fn ask(&self, cx: &Context, mount: &Mount) -> Result<T, Error> {
        let path = mount.mount_point.as_path();
        cx.step(self.call, format!("{} `{}`", self.call, path.display()));
        let (open, answer) = loop {
            match self.question(mount)? {
                Question::Ours(open, mut answer) => {
                    let answered = answer.wait_for(Option::is_some);
                    let answered = timeout_at(cx.deadline().into(), answered).await;
                    let answered = answered.ok().and_then(Result::ok);
                    break (open, answered.and_then(|answer| answer.clone()));
                }
                Question::Others(mut open) => {
                    let ended = timeout_at(cx.deadline().into(), open.ended.changed()).await;
                    if ended.is_err() {
                        break (open, None);
                    }
                }
            }
        };
        match answer {
            Some(Ok(value)) => Ok(value),
            Some(Err(errno)) => Err(self.failure(path, errno)),
            None => Err(Error::Hangs {
                call: open.call,
                path: path.to_owned(),
                waited: open.since.elapsed(),
            }),
        }
    }

    /// The open question about `mount`, or a new one.
    fn question(&self, mount: &Mount) -> Result<Question<T>, Error> {
        let id = mount.identity();
        let mut all = self.all.lock();
        let mut answers = lock(&self.answers);
        if let Some(open) = all.get(&id).cloned() {
            let answer = answers.get(&id).cloned();
            return Ok(match answer {
                Some(answer) => Question::Ours(open, answer),
                None => Question::Others(open),
            });
        }
        let (sender, answer) = watch::channel(None);
        let (end, ended) = watch::channel(());
        let (ask, path, about) = (self.ask, mount.mount_point.clone(), id.clone());
        let (registry, kept) = (self.all.clone(), Arc::clone(&self.answers));
        helper::start(self.call, &mount.mount_point, move || {
            let value = ask(&path);
            let mut all = registry.lock();
            lock(&kept).remove(&about);
            all.remove(&about);
            sender.send_replace(Some(value));
            drop(end);
        })?;
        let open = Open {
            call: self.call,
            since: Instant::now(),
            ended,
        };
        answers.insert(id.clone(), answer.clone());
        all.insert(id, open.clone());
        Ok(Question::Ours(open, answer))
    }

    fn failure(&self, path: &Path, errno: Errno) -> Error {
        let path = path.to_owned();
        let source = io::Error::from(errno);
        if is_death(errno) {
            Error::Dead { path, source }
        } else {
            Error::Call {
                call: self.call,
                path,
                source,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks for the attributes of the root directory, not taking old ones for an answer.
///
/// A ceph-fuse that its cluster has shut out says of them that there is no such file, and the truth only
/// of the directory's entries.
pub(super) fn attributes(path: &Path) -> Result<(), Errno> {
    let flags = AtFlags::STATX_FORCE_SYNC | AtFlags::SYMLINK_NOFOLLOW;
    match rustix::fs::statx(CWD, path, flags, StatxFlags::MODE) {
        Err(Errno::NOENT) => entries(path),
        other => other.map(drop),
    }
}

fn entries(path: &Path) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); 1024];
    match RawDir::new(directory, &mut buffer).next() {
        Some(Err(errno)) => Err(errno),
        _ => Ok(()),
    }
}

/// Whether the client of a mount that answers so is gone, or was shut out by its cluster, for good.
pub(super) fn is_final(error: &io::Error) -> bool {
    let errors = [Errno::NOTCONN, Errno::SHUTDOWN, Errno::CONNABORTED];
    Errno::from_io_error(error).is_some_and(|errno| errors.contains(&errno))
}

/// Errors that every access to a mount gives whose client is gone, was evicted or was aborted. Access
/// denied is one of them: the kernel client answers so once it is blocklisted. And so is an operation that is not
/// permitted: ceph-fuse answers so once a metadata server has refused it a session, as it does to a client that has
/// not come back in time when it began anew.
fn is_death(errno: Errno) -> bool {
    [
        Errno::NOTCONN,
        Errno::PERM,
        Errno::STALE,
        Errno::IO,
        Errno::ACCESS,
        Errno::HOSTDOWN,
        Errno::CONNABORTED,
        Errno::SHUTDOWN,
    ]
    .contains(&errno)
}
