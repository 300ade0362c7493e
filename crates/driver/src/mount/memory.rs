//! The trait `Mounts` in memory, with faults and kills at any step.
//!
//! What the kernel and the Ceph clients keep outlives the driver, so it outlives a [`Memory`] as well:
//! [`Memory::restarted`] is what the next driver process finds.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ceph::Context;
use ceph::fault::Faults;

use super::{Error, Fallback, Mount, MountFlags, MountTable, Serving};

mod calls;
#[cfg(test)]
mod tests;

/// The device of the node's own disk.
const DISK: &str = "254:0";

/// A node's mounts and directories in memory.
#[derive(Debug)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    faults: Faults,
}

#[derive(Debug, Default)]
struct State {
    directories: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
    /// In the order of mounting.
    mounts: Vec<Mount>,
    /// By device.
    clients: BTreeMap<String, Client>,
    /// Directories in every CephFS, from the root of its mount.
    contents: BTreeSet<PathBuf>,
    /// Groups that directories were given to, by device.
    groups: BTreeMap<String, u32>,
    /// Mounts that a running container has copies of, from its own root.
    elsewhere: Vec<Mount>,
    /// Started, and not mounted yet.
    starting: Vec<PathBuf>,
    fallback: Option<Fallback>,
    last: u64,
}

#[derive(Clone, Debug)]
struct Client {
    serving: Serving,
    health: Health,
}

/// How a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// Its process is gone.
    Dead,
    /// Its cluster has shut it out.
    Evicted,
    /// It waits for its cluster.
    Hanging,
    /// Nobody knows: it cannot be asked.
    Unknown,
}

impl Memory {
    /// A node with the root directory only, on its own disk.
    pub fn new(faults: Faults) -> Self {
        let mut state = State {
            directories: BTreeSet::from([PathBuf::from("/")]),
            ..State::default()
        };
        state.push(Path::new("/"), DISK, "ext4", MountFlags::NONE);
        Self {
            state: Arc::new(Mutex::new(state)),
            faults,
        }
    }

    /// The same node for the next driver process.
    #[must_use]
    pub fn restarted(&self, faults: Faults) -> Self {
        Self {
            state: Arc::clone(&self.state),
            faults,
        }
    }

    /// Makes a directory and its parents, as the orchestrator does.
    pub fn add_dir(&self, path: &str) {
        let path = Path::new(path).ancestors().map(Path::to_owned);
        self.lock().directories.extend(path);
    }

    /// Makes a file in a directory that is there.
    pub fn add_file(&self, path: &str) {
        self.lock().files.insert(path.into());
    }

    /// Puts a directory, or a snapshot, into every CephFS: at `root`, from the root of its mount.
    pub fn add_content(&self, root: &str) {
        self.lock().contents.insert(root.into());
    }

    /// Takes a directory out of every CephFS.
    pub fn remove_content(&self, root: &str) {
        self.lock().contents.remove(Path::new(root));
    }

    /// Mounts something that is no CephFS.
    pub fn mount_foreign(&self, at: &str) {
        let mut state = self.lock();
        let device = state.next().to_string();
        state.push(Path::new(at), &device, "tmpfs", MountFlags::NONE);
    }

    /// Mounts a CephFS of the type `fs_type` that is not this driver's, whose superblock is given the number `device`.
    pub fn mount_stranger(&self, at: &str, fs_type: &str, device: &str, health: Health) {
        let mut state = self.lock();
        let client = Client {
            serving: Serving {
                process: None,
                monitors: None,
                name: None,
                root: Some("/of/somebody/else".to_owned()),
            },
            health,
        };
        state.clients.insert(device.to_owned(), client);
        state.push(Path::new(at), device, fs_type, MountFlags::NONE);
    }

    /// Starts a container that has a copy of the mount at `path`.
    pub fn add_container(&self, path: &str) {
        let mut state = self.lock();
        let copy = state.at(Path::new(path)).cloned();
        state.elsewhere.extend(copy);
    }

    /// How the clients of the mounts in containers are.
    pub fn elsewhere(&self) -> Vec<Health> {
        let state = self.lock();
        let health = |mount: &Mount| state.clients.get(&mount.device).map(|client| client.health);
        let mounts = state.elsewhere.iter();
        mounts
            .map(|mount| health(mount).unwrap_or(Health::Dead))
            .collect()
    }

    /// Changes the health of the client that serves the mount at `path`, if one does.
    pub fn set_health(&self, path: &str, health: Health) {
        let mut state = self.lock();
        if let Some(device) = state.device_at(Path::new(path))
            && let Some(client) = state.clients.get_mut(&device)
        {
            client.health = health;
        }
    }

    /// From now on volumes are mounted by another client than they ask for.
    pub fn fall_back(&self, fallback: Fallback) {
        self.lock().fallback = Some(fallback);
    }

    /// The group that the root of the mount at `path` was given to.
    pub fn group(&self, path: &str) -> Option<u32> {
        let mut state = self.lock();
        let device = state.device_at(Path::new(path))?;
        state.groups.get(&device).copied()
    }

    /// Mount points in the order of mounting, with the directory that is mounted unless that is all, and
    /// `(ro)` after those that are read-only.
    pub fn mounted(&self) -> Vec<String> {
        let state = self.lock();
        let mounts = state
            .mounts
            .iter()
            .filter(|mount| mount.device != DISK || mount.parent != 0);
        let mounts = mounts.map(|mount| {
            let root = match mount.root.to_str() {
                Some("/") | None => String::new(),
                Some(root) => format!(" = {root}"),
            };
            let suffix = if mount.flags.read_only() { " (ro)" } else { "" };
            format!("{}{root}{suffix}", mount.mount_point.display())
        });
        mounts.collect()
    }

    /// All that is left on the node: directories, mounts, clients that start or run.
    pub fn remains(&self) -> (Vec<PathBuf>, Vec<String>, usize) {
        let mounted = self.mounted();
        let state = self.lock();
        let clients = state.clients.len() + state.starting.len();
        (
            state.directories.iter().cloned().collect(),
            mounted,
            clients,
        )
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step that faults can hit.
    async fn step<T>(
        &self,
        cx: &Context,
        call: &'static str,
        path: &Path,
        effect: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let what = format!("{call} `{}`", path.display());
        cx.step(call, what.clone());
        let done = self
            .faults
            .step(cx, &what, async { effect(&mut self.lock()) });
        done.await.unwrap_or_else(|fault| {
            Err(Error::Call {
                call,
                path: path.to_owned(),
                source: io::Error::other(fault),
            })
        })
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn push(&mut self, at: &Path, device: &str, fs_type: &str, flags: MountFlags) {
        self.push_root(at, Path::new("/"), device, fs_type, flags);
    }

    fn push_root(
        &mut self,
        at: &Path,
        root: &Path,
        device: &str,
        fs_type: &str,
        flags: MountFlags,
    ) {
        let id = self.next();
        let table = MountTable::new(self.mounts.clone());
        self.mounts.push(Mount {
            id,
            parent: table.containing(at).map_or(0, |mount| mount.id),
            device: device.to_owned(),
            root: root.to_owned(),
            mount_point: at.to_owned(),
            flags,
            fs_type: fs_type.to_owned(),
            source: OsString::from("memory"),
            read_only_superblock: false,
            super_options: String::new(),
        });
    }

    /// The mount that `path` is on, and the directory of it that is there; `None` if there is none.
    fn resolve(&self, path: &Path) -> Option<(Mount, PathBuf)> {
        let table = MountTable::new(self.mounts.clone());
        let mount = table.containing(path)?.clone();
        let below = path.strip_prefix(&mount.mount_point).ok()?;
        let root: PathBuf = mount.root.join(below).components().collect();
        let is_there = below.as_os_str().is_empty()
            || match mount.device.as_str() {
                DISK => self.directories.contains(&root),
                _ => self.contents.contains(&root),
            };
        is_there.then_some((mount, root))
    }

    fn at(&mut self, path: &Path) -> Option<&mut Mount> {
        let id = MountTable::new(self.mounts.clone()).at(path)?.id;
        self.mounts.iter_mut().find(|mount| mount.id == id)
    }

    fn device_at(&mut self, path: &Path) -> Option<String> {
        self.at(path).map(|mount| mount.device.clone())
    }

    fn health_at(&mut self, path: &Path) -> Result<Health, Error> {
        let device = self
            .device_at(path)
            .ok_or_else(|| failed("stat", path, "not mounted"))?;
        Ok(self
            .clients
            .get(&device)
            .map_or(Health::Well, |client| client.health))
    }
}

fn failed(call: &'static str, path: &Path, why: &str) -> Error {
    Error::Call {
        call,
        path: path.to_owned(),
        source: io::Error::other(why.to_owned()),
    }
}
