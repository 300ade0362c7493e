//! The daemons of mounts, watched by their process descriptors.
//!
//! A process id may become another process's, a descriptor never does. Daemons that an earlier driver
//! started are adopted the first time that their mount is asked about.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::super::{Liveness, Mount};
use super::daemon::{self, Daemon};

/// The daemons that have been seen, by mount.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<HashMap<Id, Option<Client>>>);

/// Mount ids and device numbers are given again, but hardly ever the same ones together.
type Id = (u64, String);

#[derive(Debug)]
struct Client {
    process: i32,
    descriptor: OwnedFd,
}

impl Clients {
    /// How the daemon of `mount` is; it may have to be looked for, which takes a while but never hangs.
    pub(super) fn liveness(&self, mount: &Mount) -> Liveness {
        let id = (mount.id, mount.device.clone());
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = seen.entry(id).or_insert_with(|| adopt(&mount.mount_point));
        match client {
            // It runs where its processes are not visible from here, or had ended before we looked.
            None => Liveness::Unknown,
            Some(client) if !client.has_ended() => Liveness::Alive,
            Some(ended) => {
                let why = format!("its ceph-fuse, process {}, has ended", ended.process);
                match adopt(&mount.mount_point) {
                    Some(other) => {
                        *client = Some(other);
                        Liveness::Alive
                    }
                    None => Liveness::Dead(why),
                }
            }
        }
    }

    /// Forgets mounts that are no more.
    pub(super) fn retain(&self, mounts: &[Mount]) {
        let is_there = |(id, device): &Id| {
            let mut mounts = mounts.iter();
            mounts.any(|mount| mount.id == *id && mount.device == *device)
        };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|id, _| is_there(id));
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
