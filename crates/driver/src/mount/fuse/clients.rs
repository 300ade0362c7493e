//! The daemons of mounts, watched by their process descriptors.
//!
//! A process id may become another process's, a descriptor never does. Daemons that an earlier driver
//! started are adopted the first time that their mount is asked about.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::super::table::MountId;
use super::super::{Liveness, Mount};
use super::daemon::{self, Daemon};

#[cfg(test)]
mod tests;

/// The daemons that have been seen, by mount.
#[derive(Debug)]
pub(super) struct Clients {
    /// Held for a moment only, as the runtime's threads wait for it.
    seen: Mutex<HashMap<MountId, Option<Client>>>,
    adopt: fn(&Path) -> Option<Client>,
}

#[derive(Debug)]
struct Client {
    process: i32,
    descriptor: OwnedFd,
}

impl Clients {
    /// How the daemon of `mount` is; it may have to be looked for, which takes a while but never hangs.
    pub(super) fn liveness(&self, mount: &Mount) -> Liveness {
        let id = mount.identity();
        let ended = match self.lock().get(&id) {
            // It runs where its processes are not visible from here, or had ended before we looked.
            Some(None) => return Liveness::Unknown,
            Some(Some(client)) if !client.has_ended() => return Liveness::Alive,
            Some(Some(ended)) => Some(ended.process),
            None => None,
        };
        let found = (self.adopt)(&mount.mount_point);
        let mut seen = self.lock();
        match (found, ended) {
            (Some(client), _) => {
                seen.insert(id, Some(client));
                Liveness::Alive
            }
            (None, Some(process)) => {
                Liveness::Dead(format!("its ceph-fuse, process {process}, has ended"))
            }
            (None, None) => {
                seen.entry(id).or_insert(None);
                Liveness::Unknown
            }
        }
    }

    /// Forgets mounts that are no more.
    pub(super) fn retain(&self, mounts: &[Mount]) {
        let is_there = |(id, device): &MountId| {
            let mut mounts = mounts.iter();
            mounts.any(|mount| mount.id == *id && mount.device == *device)
        };
        self.lock().retain(|id, _| is_there(id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MountId, Option<Client>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            adopt,
        }
    }
}

/// The running daemon of the mount at `at`.
fn adopt(at: &Path) -> Option<Client> {
    let daemons = daemon::find(at).into_iter();
    let mut running = daemons.filter(|daemon| !daemon.is_starting() && daemon.is_running());
    // One that has lost its mount may still be ending; the one that serves was started last.
    let process = running.next_back()?.process;
    let descriptor = pidfd_open(Pid::from_raw(process)?, PidfdFlags::empty()).ok()?;
    // The number was the daemon's before it was opened; now it stays so.
    Daemon::is_at(process, at).then_some(Client {
        process,
        descriptor,
    })
}

impl Client {
    fn has_ended(&self) -> bool {
        let mut descriptors = [PollFd::new(&self.descriptor, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        matches!(poll(&mut descriptors, Some(&at_once)), Ok(1..))
    }
}
