//! Lines on their way to standard error and the file: a bounded buffer and one thread that writes it.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use super::Severity;
use super::file::LogFile;
use super::format::{Formatter, Line};
use super::record::Fields;

/// Bytes that may wait for each of the two before lines are dropped.
const MAX_WAITING: usize = 1 << 20;

/// The writing thread needs little, and a smaller stack is less to map.
const STACK: usize = 128 << 10;

/// Which lines go where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routes {
    file: bool,
    /// The severity from which on lines go to standard error.
    stderr_from: Severity,
}

impl Routes {
    /// Everything to standard error.
    pub(super) fn stderr() -> Self {
        Self {
            file: false,
            stderr_from: Severity::Info,
        }
    }

    /// Everything to the file, and what is as severe as `stderr_from` to standard error too.
    pub(super) fn file(stderr_from: Severity) -> Self {
        Self {
            file: true,
            stderr_from,
        }
    }
}

/// The lines that wait.
#[derive(Debug)]
pub(super) struct Queue {
    routes: Routes,
    waiting: Mutex<Waiting>,
    /// Signalled when there is something to write, and when it has been written.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    stderr: Vec<u8>,
    file: Vec<u8>,
    dropped: u64,
    writing: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.stderr.is_empty() && self.file.is_empty() && self.dropped == 0
    }

    fn add(&mut self, routes: Routes, severity: Severity, line: &str) {
        if routes.file {
            self.file.extend_from_slice(line.as_bytes());
        }
        if severity >= routes.stderr_from {
            self.stderr.extend_from_slice(line.as_bytes());
        }
    }
}

impl Queue {
    /// Starts the thread that writes.
    pub(super) fn start(
        routes: Routes,
        file: Option<LogFile>,
        formatter: Formatter,
    ) -> io::Result<Arc<Self>> {
        let queue = Arc::new(Self {
            routes,
            waiting: Mutex::default(),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&queue);
        thread::Builder::new()
            .name("log".to_owned())
            .stack_size(STACK)
            .spawn(move || theirs.write_all(file, &formatter))?;
        Ok(queue)
    }

    /// Adds a line; never waits for the writing of others.
    pub(super) fn push(&self, severity: Severity, line: &str) {
        let mut waiting = self.lock();
        if waiting.stderr.len().max(waiting.file.len()) + line.len() > MAX_WAITING {
            waiting.dropped += 1;
        } else {
            waiting.add(self.routes, severity, line);
        }
        self.changed.notify_all();
    }

    /// Waits until everything is written, at most for `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.is_empty();
        // Either way there is nothing left to do.
        let _ = self
            .changed
            .wait_timeout_while(self.lock(), limit, unwritten);
    }

    fn write_all(&self, mut file: Option<LogFile>, formatter: &Formatter) {
        loop {
            let batch = self.next_batch(formatter);
            // There is nowhere to report that a line could not be written.
            let _ = io::stderr().write_all(&batch.stderr);
            if let Some(file) = &mut file {
                let _ = file.append(&batch.file);
            }
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    fn next_batch(&self, formatter: &Formatter) -> Waiting {
        let mut waiting = self
            .changed
            .wait_while(self.lock(), |waiting| waiting.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let mut batch = std::mem::take(&mut *waiting);
        waiting.writing = true;
        drop(waiting);
        if batch.dropped > 0 {
            let line = formatter.format(&dropped(batch.dropped));
            batch.add(self.routes, Severity::Warning, &line);
        }
        batch
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dropped(count: u64) -> Line {
    Line {
        time: Timestamp::now(),
        severity: Severity::Warning,
        verbosity: 0,
        source: Some((file!(), line!())),
        rpc: None,
        fields: Fields {
            message: format!(
                "{count} lines are missing here: the log could not be written in time"
            ),
            others: Vec::new(),
        },
    }
}
