//! Running other programs: the one place that does.
//!
//! Every child has a deadline once somebody waits for it, and is killed when nobody can any more. It has a process
//! group of its own, so that a signal to the driver's group (Ctrl-C, or a supervisor that kills the group) spares
//! it, and so that a child that is too late can be killed together with what it has started.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ceph::Context;
use rustix::process::{Pid, Signal};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[cfg(test)]
mod tests;

/// At most this much of a child's error output is kept: its last part, where the reason is.
const KEPT: usize = 16 * 1024;

/// How long to wait for the rest of the error output once the child has failed. It never ends if a
/// daemon that the child left behind holds the pipe open; of a success nobody reads it.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A program to run.
#[derive(Debug)]
pub(super) struct Program {
    /// Its path, or its name to be searched in PATH.
    pub(super) name: PathBuf,
    /// Its arguments. They are public: every process of the machine can read them.
    pub(super) arguments: Vec<OsString>,
    /// Its standard input; else `/dev/null`.
    pub(super) stdin: Option<OwnedFd>,
    /// Whether it makes itself the leader of a session, which a leader of a group could not.
    pub(super) leads_session: bool,
}

/// What a program that ended left behind.
#[derive(Debug)]
pub(super) struct Output {
    /// How it ended.
    pub(super) status: ExitStatus,
    /// The last part of what it wrote to its standard error; may be cut short after a success.
    pub(super) stderr: String,
}

/// A program that did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be started.
    #[error("cannot start `{program}`{}", install(.source))]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It was killed because it had not ended at the deadline.
    #[error("`{program}` had not ended after {:.1} s and was killed; it said: {stderr}", .after.as_secs_f64())]
    TimedOut {
        /// The program.
        program: String,
        /// How long it ran.
        after: Duration,
        /// What it had said.
        stderr: String,
    },
    /// Waiting for it failed.
    #[error("cannot wait for `{program}`")]
    Wait {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
}

fn install(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => ": it is not installed in the driver's image",
        _ => "",
    }
}

/// Runs `program`, which is told no secret, to its end, or kills it and all it has started at the deadline.
pub(super) async fn run(cx: &Context, program: Program) -> Result<Output, Error> {
    note(cx, &program.name, &program.arguments);
    let no_secret = SecretString::default();
    Running::start(program)?.wait(cx, &no_secret).await
}

/// Says that from now on a program is waited for.
pub(super) fn note(cx: &Context, name: &Path, arguments: &[OsString]) {
    let line = line(name, arguments);
    cx.step("program", format!("`{line}`"));
    tracing::debug!(command = line, "running");
}

/// A program that has been started; killed with all it has started when dropped.
#[derive(Debug)]
pub(super) struct Running {
    name: String,
    /// Dropped before the child, which is reaped then: its number may become another's.
    group: Group,
    child: tokio::process::Child,
    words: LastWords,
    listener: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts `program`. To be called in the runtime.
    pub(super) fn start(program: Program) -> Result<Self, Error> {
        let name = program.name.display().to_string();
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the place that the ban points to"
        )]
        let mut command = tokio::process::Command::new(&program.name);
        command
            .args(&program.arguments)
            .stdin(program.stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if !program.leads_session {
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(|source| Error::Start {
            program: name.clone(),
            source,
        })?;
        drop(command); // and with it our copy of the child's standard input
        let group = Group::of(&child);
        let words = LastWords::default();
        let listen = child.stderr.take().map(|pipe| words.clone().listen(pipe));
        Ok(Self {
            name,
            child,
            group,
            words,
            listener: listen.map(tokio::spawn),
        })
    }

    /// Waits for its end, or kills it and all it has started at the deadline. `secret` is replaced by `***` wherever it
    /// says that.
    pub(super) async fn wait(self, cx: &Context, secret: &SecretString) -> Result<Output, Error> {
        let (program, mut child, group) = (self.name, self.child, self.group);
        let started = std::time::Instant::now();
        let ended = timeout(cx.remaining(), child.wait()).await;
        if let Ok(Ok(_)) = ended {
            group.release(); // its number may now become another group's
        } else {
            drop(group);
            // Reaps it; SIGKILL is not refused, but a child in an uninterruptible call dies later.
            let _ = timeout(LAST_WORDS, child.wait()).await;
        }
        let succeeded = matches!(&ended, Ok(Ok(status)) if status.success());
        if let Some(listener) = self.listener
            && !succeeded
        {
            let _ = timeout(LAST_WORDS, listener).await;
        }
        let stderr = self.words.text(secret);
        match ended {
            Ok(Ok(status)) => Ok(Output { status, stderr }),
            Ok(Err(source)) => Err(Error::Wait { program, source }),
            Err(_) => Err(Error::TimedOut {
                program,
                after: started.elapsed(),
                stderr,
            }),
        }
    }
}

/// A command line for the log, with what could be a secret masked.
fn line(name: &Path, arguments: &[OsString]) -> String {
    let mut line = name.display().to_string();
    for argument in arguments {
        let _ = write!(line, " {}", mask(&argument.to_string_lossy()));
    }
    line
}

/// Masks the values of arguments that carry keys: ours never do, mount options of users may.
fn mask(argument: &str) -> String {
    if let Some((option @ ("--key" | "--keyfile"), value)) = argument.split_once('=') {
        // Names of our own memory files are no secret, and tell how the key was handed over.
        let shown = if value.starts_with("/proc/self/fd/") {
            value
        } else {
            "***"
        };
        return format!("{option}={shown}");
    }
    let parts = argument.split(',').map(|part| match part.split_once('=') {
        Some((name, _)) if name.ends_with("secret") || name == "key" => format!("{name}=***"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Kills a process group when dropped: also when the future that waits for the child is dropped.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    fn of(child: &tokio::process::Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
            // It leads no group before it has made its session.
            let _ = rustix::process::kill_process(group, Signal::KILL);
        }
    }
}

/// The end of what a child says.
#[derive(Clone, Debug, Default)]
struct LastWords(Arc<Mutex<Vec<u8>>>);

impl LastWords {
    async fn listen(self, mut pipe: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(buffer.iter().take(length));
            let surplus = kept.len().saturating_sub(KEPT);
            kept.drain(..surplus);
        }
    }

    fn text(&self, secret: &SecretString) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let text = match text.split_once('\n') {
            // The first line may be the rest of one that was cut, with a part of the secret.
            Some((_, whole)) if kept.len() == KEPT => whole.into(),
            _ => text,
        };
        match secret.expose_secret() {
            "" => text.into_owned(),
            secret => text.replace(secret, "***"),
        }
    }
}
