//! Whether the kernel's client of a mount was shut out by its cluster, as the kernel tells in debugfs.
//!
//! Every superblock has a client of its own, with a directory named after the cluster and the client's number.
//! Which one a mount has it tells itself while it answers, and is not asked again. A client that was shut out
//! may not know it yet: it has just lost its session with the metadata server, and learns why when it is
//! used. So then the mount is asked once more. Where debugfs is not mounted nothing is known.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use ceph::Context;
use rustix::io::Errno;

use super::super::probe::{OpenQuestions, Probe};
use super::super::table::MountId;
use super::super::{Error, Liveness, Mount, helper};

#[cfg(test)]
mod tests;

/// A directory for each client: `FSID.clientNUMBER`.
const CLIENTS: &str = "/sys/kernel/debug/ceph";

/// What the step is called.
const LOOK: &str = "look for the client of";

/// The mount option by which a client that was shut out comes back by itself.
const COMES_BACK: &str = "recover_session=clean";

/// The clients of mounts, as far as they are known.
#[derive(Debug)]
pub(super) struct Clients {
    directory: PathBuf,
    /// `None` for those that do not tell.
    known: Mutex<HashMap<MountId, Option<String>>>,
    which: Probe<String>,
}

/// What debugfs tells of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Its cluster has shut it out.
    ShutOut,
    /// It is in no session with a metadata server.
    Alone,
    /// It is in a session.
    InSession,
}

impl Clients {
    pub(super) fn new() -> Self {
        Self::at(CLIENTS.into(), which)
    }

    fn at(directory: PathBuf, which: fn(&Path) -> Result<String, Errno>) -> Self {
        Self {
            directory,
            known: Mutex::default(),
            which: Probe::new("ask which client serves", which),
        }
    }

    /// Counts its questions among those that are `open`.
    pub(super) fn ask_among(&mut self, open: &OpenQuestions) {
        self.which.join(open);
    }

    /// How the client of `mount` is. A mount that is seen for the first time is asked for its client, and one
    /// that does not answer counts as unknown.
    pub(super) async fn liveness(&self, cx: &Context, mount: &Mount) -> Result<Liveness, Error> {
        if mount.super_options.split(',').any(|o| o == COMES_BACK) {
            return Ok(Liveness::Unknown);
        }
        let id = mount.identity();
        let known = self.lock().get(&id).cloned();
        let client = match known {
            Some(client) => client,
            None => match self.which.ask(cx, mount).await {
                Ok(client) => self.keep(id, Some(client)),
                Err(Error::Call { source, .. }) if does_not_tell(&source) => self.keep(id, None),
                Err(Error::Dead { .. }) => return Ok(self.of_stranger(self.all(cx, mount).await?)),
                // Another time it may.
                Err(_) => return Ok(Liveness::Unknown),
            },
        };
        let Some(client) = client else {
            return Ok(Liveness::Unknown);
        };
        let mut told = self.told(cx, mount, &client).await?;
        if told == Some(Told::Alone) {
            // For what it makes the client find out.
            drop(self.which.ask(cx, mount).await);
            told = self.told(cx, mount, &client).await?;
        }
        Ok(match told {
            Some(Told::ShutOut) => dead(&client),
            Some(Told::Alone | Told::InSession) => Liveness::Alive,
            None => Liveness::Unknown,
        })
    }

    /// Keeps in mind which `client` a mount has, and returns it.
    fn keep(&self, mount: MountId, client: Option<String>) -> Option<String> {
        self.lock().insert(mount, client.clone());
        client
    }

    /// Forgets mounts that are no more.
    pub(super) fn retain(&self, mounts: &[Mount]) {
        self.lock().retain(|(id, device), _| {
            let mut mounts = mounts.iter();
            mounts.any(|mount| mount.id == *id && mount.device == *device)
        });
    }

    /// A mount fails that was not seen before. That its client was shut out is certain only if there is one of
    /// which nobody knows whose it is.
    fn of_stranger(&self, all: Vec<(String, Told)>) -> Liveness {
        let known = self.lock();
        let is_known = |client: &String| known.values().flatten().any(|other| other == client);
        let mut strangers = all.into_iter();
        let shut_out = strangers.find(|(client, told)| *told == Told::ShutOut && !is_known(client));
        shut_out.map_or(Liveness::Unknown, |(client, _)| dead(&client))
    }

    /// What is told of `client`; `None` if that cannot be seen.
    async fn told(&self, cx: &Context, mount: &Mount, client: &str) -> Result<Option<Told>, Error> {
        let directory = self.directory.join(client);
        let read = move || Told::read(&directory);
        helper::run(cx, LOOK, &mount.mount_point, read).await
    }

    /// All clients, of whichever mounts; none where they cannot be seen.
    async fn all(&self, cx: &Context, mount: &Mount) -> Result<Vec<(String, Told)>, Error> {
        let directory = self.directory.clone();
        let list = move || {
            let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
            let told = entries.filter_map(|entry| {
                let client = entry.file_name().to_string_lossy().into_owned();
                Told::read(&entry.path()).map(|told| (client, told))
            });
            told.collect()
        };
        helper::run(cx, LOOK, &mount.mount_point, list).await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MountId, Option<String>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn dead(client: &str) -> Liveness {
    let client = client.rsplit('.').next().unwrap_or(client);
    Liveness::Dead(format!("its cluster has shut out the kernel's {client}"))
}

/// Whether a mount answers so that does not know the question.
fn does_not_tell(error: &io::Error) -> bool {
    let errors = [Errno::NODATA, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|errno| errors.contains(&errno))
}

impl Told {
    fn read(directory: &Path) -> Option<Self> {
        let status = fs::read_to_string(directory.join("status")).ok()?;
        // Ceph called it a blacklist before.
        let is_so = |line: &str| matches!(line.trim(), "blocklisted: true" | "blacklisted: true");
        if status.lines().any(is_so) {
            return Some(Self::ShutOut);
        }
        // A line `mds.NUMBER STATE` for each session, after two about the client.
        let sessions = fs::read_to_string(directory.join("mds_sessions")).ok()?;
        let is_in_one = sessions.lines().any(|line| line.starts_with("mds."));
        Some(if is_in_one {
            Self::InSession
        } else {
            Self::Alone
        })
    }
}

/// The name of the directory of the client that serves the mount at `path`. Kernels before 5.11 do not tell.
fn which(path: &Path) -> Result<String, Errno> {
    let read = |name: &str| {
        let mut buffer = [0; 64];
        let length = rustix::fs::lgetxattr(path, name, &mut buffer[..])?;
        let text = buffer.get(..length).unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    };
    let (cluster, client) = (read("ceph.cluster_fsid")?, read("ceph.client_id")?);
    Ok(format!("{cluster}.{client}"))
}
