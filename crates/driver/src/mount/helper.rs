//! Helper threads for system calls that can hang.
//!
//! A call on a mount whose cluster does not answer sleeps in the kernel and cannot be interrupted. It
//! runs on a thread of its own, which is left behind when the deadline passes. These are plain threads,
//! not those of the runtime's pool: a left-behind one takes no pool slot and does not hold up shutdown.

use std::path::Path;
use std::time::Instant;

use ceph::Context;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::Error;

/// Enough for a path and a few system calls.
pub(super) const STACK: usize = 256 * 1024;

/// Runs `work`, which does `call` on `path`, and waits for it until the deadline.
///
/// # Errors
/// [`Error::Hangs`] if it has not returned by then; it may still take effect later.
pub(super) async fn run<T: Send + 'static>(
    cx: &Context,
    call: &'static str,
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let started = Instant::now();
    let hangs = || Error::Hangs {
        call,
        path: path.to_owned(),
        waited: started.elapsed(),
    };
    if cx.expired() {
        return Err(hangs());
    }
    cx.step(call, format!("{call} `{}`", path.display()));
    let answer = start(call, path, work)?;
    match timeout_at(cx.deadline().into(), answer).await {
        Ok(Ok(value)) => Ok(value),
        // The sender is dropped only when the work panics, which is a defect; it says so on stderr.
        Ok(Err(_)) | Err(_) => Err(hangs()),
    }
}

/// Starts `work`; its value comes through the channel whenever it returns.
pub(super) fn start<T: Send + 'static>(
    call: &'static str,
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, Error> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name(call.to_owned())
        .stack_size(STACK);
    let spawned = thread.spawn(move || drop(sender.send(work())));
    spawned.map_err(|source| Error::Call {
        call: "start a thread for",
        path: path.to_owned(),
        source,
    })?;
    Ok(receiver)
}
