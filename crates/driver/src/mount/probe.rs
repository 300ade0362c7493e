//! Asking a mounted file system something it may never answer.
//!
//! At most one question per mount is open at a time. Who asks while one is open waits for its answer, so
//! a mount that hangs costs one helper thread, however often the orchestrator asks.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ceph::Context;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, StatxFlags};
use rustix::io::Errno;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::{Error, helper};

#[cfg(test)]
mod tests;

/// The questions that are open, by mount point.
#[derive(Debug)]
pub(super) struct Probe<T> {
    call: &'static str,
    ask: fn(&Path) -> Result<T, Errno>,
    open: Arc<Mutex<HashMap<PathBuf, Question<T>>>>,
}

#[derive(Clone, Debug)]
struct Question<T> {
    since: Instant,
    /// `None` until there is an answer.
    answer: watch::Receiver<Option<Result<T, Errno>>>,
}

impl<T: Clone + Send + Sync + 'static> Probe<T> {
    /// A probe that asks by `ask`, which may hang; `call` names it.
    pub(super) fn new(call: &'static str, ask: fn(&Path) -> Result<T, Errno>) -> Self {
        Self {
            call,
            ask,
            open: Arc::default(),
        }
    }

    /// Asks the file system mounted at `path`.
    ///
    /// # Errors
    /// [`Error::Dead`] if its client is gone, [`Error::Hangs`] if there is no answer by the deadline.
    pub(super) async fn ask(&self, cx: &Context, path: &Path) -> Result<T, Error> {
        cx.step(self.call, format!("{} `{}`", self.call, path.display()));
        let mut question = self.question(path)?;
        let answered = question.answer.wait_for(Option::is_some);
        let answer = match timeout_at(cx.deadline().into(), answered).await {
            Ok(Ok(answer)) => answer.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        match answer {
            Some(Ok(value)) => Ok(value),
            Some(Err(errno)) => Err(self.failure(path, errno)),
            None => Err(Error::Hangs {
                call: self.call,
                path: path.to_owned(),
                waited: question.since.elapsed(),
            }),
        }
    }

    /// Whether a question about `path` is open.
    pub(super) fn is_open(&self, path: &Path) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.contains_key(path)
    }

    /// The open question about `path`, or a new one.
    fn question(&self, path: &Path) -> Result<Question<T>, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = open.get(path) {
            return Ok(question.clone());
        }
        let (sender, answer) = watch::channel(None);
        let question = Question {
            since: Instant::now(),
            answer,
        };
        let (ask, registry, about) = (self.ask, Arc::clone(&self.open), path.to_owned());
        helper::start(self.call, path, move || {
            let answer = ask(&about);
            let mut open = registry.lock().unwrap_or_else(PoisonError::into_inner);
            open.remove(&about);
            sender.send_replace(Some(answer));
        })?;
        open.insert(path.to_owned(), question.clone());
        Ok(question)
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
/// denied is one of them: the kernel client answers so once it is blocklisted.
fn is_death(errno: Errno) -> bool {
    [
        Errno::NOTCONN,
        Errno::STALE,
        Errno::IO,
        Errno::ACCESS,
        Errno::HOSTDOWN,
        Errno::CONNABORTED,
        Errno::SHUTDOWN,
    ]
    .contains(&errno)
}
