//! Daemons that go on after their mount is gone.
//!
//! A ceph-fuse whose file system was unmounted gives back to its cluster what it holds, and ends. Where the
//! cluster does not answer it stays, and nobody can use it any more: not even a process that still has the
//! mount, as there is none. It is found by its connection to the kernel, which no other namespace can keep.

use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open, pidfd_send_signal,
};

use super::daemon;
use crate::mount::role;

/// Through which a daemon serves its mount.
const DEVICE: &str = "/dev/fuse";

/// The daemons of one driver that have no mount any more, and when that was first seen.
#[derive(Debug, Default)]
pub(super) struct Leftovers(Mutex<HashMap<Id, Instant>>);

/// A process id may be given again, but not with the same time of its start.
type Id = (i32, String);

impl Leftovers {
    /// Kills the daemons that `owner` has started and that have had no mount for as long as `grace`.
    pub(super) fn end(&self, owner: &str, grace: Duration) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = HashMap::new();
        for process in daemon::all() {
            if !role::is_owned_by(owner, process) {
                continue;
            }
            let Some((id, descriptor)) = leftover(process) else {
                continue;
            };
            let since = seen.get(&id).copied().unwrap_or_else(Instant::now);
            if since.elapsed() < grace {
                found.insert(id, since);
                continue;
            }
            match pidfd_send_signal(&descriptor, Signal::KILL) {
                Ok(()) => tracing::warn!(
                    process,
                    "killed a ceph-fuse whose mount has been gone for {} s: its cluster does not take back \
                     what it holds",
                    since.elapsed().as_secs()
                ),
                Err(error) => tracing::warn!(process, "cannot kill a ceph-fuse: {error}"),
            }
        }
        *seen = found;
    }
}

/// Which process it is, if it is a daemon that has lost its mount.
fn leftover(process: i32) -> Option<(Id, OwnedFd)> {
    let descriptor = pidfd_open(Pid::from_raw(process)?, PidfdFlags::empty()).ok()?;
    // Read after the descriptor was opened: that is of this process or of one that has ended.
    let id = (process, started(process)?);
    let connections = connections(process)?;
    let is_leftover = if connections.is_empty() {
        // Not connected yet, or not any more.
        !daemon::is_starting(process)
    } else {
        connections
            .into_iter()
            .all(|number| has_lost(&descriptor, number))
    };
    is_leftover.then_some((id, descriptor))
}

/// The descriptors through which the process talks to the kernel.
fn connections(process: i32) -> Option<Vec<i32>> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten();
    let of_device = entries.filter(|entry| {
        fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(DEVICE))
    });
    let numbers = of_device.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Some(numbers.collect())
}

/// Whether the kernel has ended the connection: the mount is gone everywhere. Not if that cannot be told.
fn has_lost(process: &OwnedFd, number: i32) -> bool {
    let Ok(connection) = pidfd_getfd(process, number, PidfdGetfdFlags::empty()) else {
        return false;
    };
    let mut descriptors = [PollFd::new(&connection, PollFlags::empty())];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let polled = poll(&mut descriptors, Some(&at_once));
    polled.is_ok()
        && descriptors
            .iter()
            .all(|fd| fd.revents().contains(PollFlags::ERR))
}

/// When the process has started, in the kernel's own count.
fn started(process: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // `PID (NAME) STATE ...`: the name may have blanks; the start is the 20th word after it.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19).map(str::to_owned)
}
