//! [`Mounts`] by system calls.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ceph::Context;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use super::fuse::daemon::{self, Daemon};
use super::role::{self, OwnProgram, Replace};
use super::snapshot::NotFound;
use super::unmount::{self, State};
use super::{
    CephFs, Error, Fallback, Liveness, Mount, MountFlags, MountTable, Mounter, MounterKind, Mounts,
    Place, Serving, Snapshot, Unmounted, Usage, Users, command, group, helper, mounter, namespaces,
    net_namespace, path, probe, stats,
};

#[cfg(test)]
mod tests;

/// The mount table of this process.
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Owner root, readable by its group: as the original makes target directories.
const DIRECTORY_MODE: u32 = 0o750;

/// How long a mount may take to say whether it is dead.
const PROBE: Duration = Duration::from_secs(1);

/// What is kept of a deadline for clearing up after a mount that failed.
const CLEAN_UP: Duration = Duration::from_secs(2);

/// How long replacing one mount in another namespace may take.
const REPLACE: Duration = Duration::from_secs(5);

/// How long the end of a client is watched after its mount has gone. It first gives its
/// capabilities back, which takes two or three seconds on a healthy cluster.
const FAREWELL: Duration = Duration::from_mins(1);

/// The operating system that the driver runs on.
#[derive(Debug)]
pub struct Linux {
    mounters: Vec<Box<dyn Mounter>>,
    own: OwnProgram,
    attributes: probe::Probe<()>,
    usage: probe::Probe<Usage>,
    /// Mounts that were detached while a question about them was open, with the devices of their superblocks.
    asleep: Mutex<HashMap<PathBuf, String>>,
}

impl Linux {
    /// With these clients, the preferred one first.
    pub fn new(mounters: Vec<Box<dyn Mounter>>) -> Self {
        Self {
            mounters,
            own: OwnProgram::default(),
            attributes: probe::Probe::new("stat", probe::attributes),
            usage: probe::Probe::new("statfs", stats::usage),
            asleep: Mutex::default(),
        }
    }

    /// Plays the roles of helpers with the driver's program `own`, which need not be the running one.
    #[must_use]
    pub fn with_own_program(self, own: OwnProgram) -> Self {
        Self { own, ..self }
    }

    fn is_asked(&self, path: &Path) -> bool {
        self.usage.is_open(path) || self.attributes.is_open(path)
    }

    /// Whether a question of ours sleeps in the superblock `device`, at a mount that is no more.
    fn sleeps_in(&self, device: &str) -> bool {
        let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        asleep.retain(|path, _| self.is_asked(path));
        asleep.values().any(|other| other == device)
    }

    async fn mount_with(
        &self,
        cx: &Context,
        mounter: &dyn Mounter,
        fs: &CephFs,
        at: &Path,
    ) -> Result<(), Error> {
        let reserve = CLEAN_UP.min(cx.remaining() / 4);
        let limited = cx.at_most(cx.remaining().saturating_sub(reserve));
        mounter.mount(&limited, fs, at).await?;
        let table = self.table(cx).await?;
        match table.at(at) {
            Some(mount) if mount.is_cephfs() => Ok(()),
            _ => Err(Error::Vanished {
                client: "the client",
                at: at.to_owned(),
            }),
        }
    }

    async fn replace(&self, cx: &Context, replace: &Replace) -> Result<(), Error> {
        let program = command::Program {
            name: self.own.path(),
            arguments: role::replace(replace),
            stdin: None,
            secret: secrecy::SecretString::default(),
            leads_session: false,
        };
        let output = command::run(&cx.at_most(REPLACE), program).await?;
        // That the processes have ended meanwhile is as good.
        let process = format!("/proc/{}/ns/mnt", replace.process);
        if output.status.success() || std::fs::read_link(process).is_err() {
            return Ok(());
        }
        Err(Error::Replace {
            process: replace.process,
            path: replace.at.clone(),
            why: output.stderr.trim().to_owned(),
        })
    }

    /// Takes away what a client that was killed at its deadline has mounted.
    async fn clean_up(&self, cx: &Context, at: &Path) {
        let cx = Context::new(std::time::Instant::now() + CLEAN_UP, cx.progress().clone());
        let half_made = match self.table(&cx).await {
            Ok(table) => table.at(at).is_some_and(Mount::is_cephfs),
            Err(_) => true,
        };
        if half_made && let Err(error) = self.unmount(&cx, at, Users::Nobody).await {
            tracing::warn!("after a mount that failed: {error}");
        }
    }
}

/// A mount that is to go.
struct Going<'a> {
    linux: &'a Linux,
    cx: &'a Context,
    mount: &'a Mount,
}

#[async_trait]
impl unmount::Look for Going<'_> {
    async fn look(&self) -> Result<State, Error> {
        let Self { linux, cx, mount } = self;
        let table = linux.table(cx).await?;
        let present = table.at(&mount.mount_point);
        if present.is_none_or(|present| present.id != mount.id) {
            return Ok(State::Gone);
        }
        // A client can hang for some questions, and answer others from what it knows.
        if linux.sleeps_in(&mount.device) {
            return Ok(State::Hangs);
        }
        // A question that is still open counts: it keeps the mount busy, and nobody else may.
        let probed = linux.probe(&cx.at_most(PROBE), &mount.mount_point).await;
        Ok(State::of(&probed))
    }

    fn writes_through(&self) -> bool {
        self.mount.is_fuse()
    }
}

#[async_trait]
impl Mounts for Linux {
    async fn locate(&self, cx: &Context, path: &Path) -> Result<Option<Place>, Error> {
        let located = call(cx, "look up", path, |path| {
            let Some(path) = path::canonical(path)? else {
                return Ok(None);
            };
            Ok(Some((path, std::fs::read(MOUNTINFO)?)))
        });
        let Some((path, content)) = located.await? else {
            return Ok(None);
        };
        let table = MountTable::parse(&content)?;
        Ok(Some(Place { path, table }))
    }

    async fn table(&self, cx: &Context) -> Result<MountTable, Error> {
        let content = call(cx, "read", Path::new(MOUNTINFO), |file| std::fs::read(file)).await?;
        let table = MountTable::parse(&content)?;
        for mounter in &self.mounters {
            mounter.retain(table.mounts());
        }
        Ok(table)
    }

    async fn check_dir(&self, cx: &Context, path: &Path) -> Result<(), Error> {
        if call(cx, "look at", path, is_dir).await? {
            Ok(())
        } else {
            let path = path.to_owned();
            Err(Error::NoDirectory { path })
        }
    }

    async fn create_dir(&self, cx: &Context, path: &Path) -> Result<PathBuf, Error> {
        let created = call(cx, "create directory", path, |path| {
            let mut builder = std::fs::DirBuilder::new();
            match builder.recursive(true).mode(DIRECTORY_MODE).create(path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
                Err(error) => return Err(error),
            }
            let path = path::canonical(path)?.filter(|path| is_dir(path).unwrap_or(false));
            Ok(path)
        });
        let no_directory = || Error::NoDirectory {
            path: path.to_owned(),
        };
        created.await?.ok_or_else(no_directory)
    }

    async fn remove_dir(&self, cx: &Context, path: &Path) -> Result<(), Error> {
        let removed = call(
            cx,
            "remove directory",
            path,
            |path| match rustix::fs::rmdir(path) {
                Ok(()) | Err(Errno::NOENT) => Ok(true),
                Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
                Err(errno) => Err(errno.into()),
            },
        );
        if removed.await? {
            Ok(())
        } else {
            Err(Error::NotEmpty {
                path: path.to_owned(),
            })
        }
    }

    async fn mount(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<Option<Fallback>, Error> {
        if let Some(namespace) = fs.net_namespace.clone() {
            // On a thread that ends there.
            let (call, path) = ("enter the network namespace", namespace.clone());
            helper::run(cx, call, &path, move || net_namespace::enter(&namespace)).await??;
        }
        let (mounter, fallback) = mounter::choose(&self.mounters, fs.mounter).await?;
        let outcome = self.mount_with(cx, mounter, fs, at).await;
        if outcome.is_err() {
            self.clean_up(cx, at).await;
        }
        outcome.map(|()| fallback)
    }

    async fn serving(&self, cx: &Context, at: &Mount) -> Result<Option<Serving>, Error> {
        if !at.is_fuse() {
            return Ok(Serving::of_kernel(at));
        }
        let path = &at.mount_point;
        let mut daemons = call(cx, "find the client of", path, |at| Ok(daemon::find(at))).await?;
        daemons.retain(|daemon| !daemon.is_starting());
        // One that has lost its mount may still be ending; the one that serves was started last.
        Ok(daemons.pop().map(Daemon::serving))
    }

    async fn end_strays(&self, cx: &Context, at: &Path) -> Result<(), Error> {
        let mut strays = call(cx, "look for clients of", at, |at| Ok(daemon::find(at))).await?;
        strays.retain(Daemon::is_starting);
        for stray in &strays {
            tracing::warn!(
                process = stray.process,
                "ending a ceph-fuse that a stage of `{}` left behind before it had mounted",
                at.display()
            );
            if let Some(process) = Pid::from_raw(stray.process) {
                let _ = rustix::process::kill_process_group(process, Signal::KILL);
                // The one that becomes the daemon is in the group of the one that waits for it.
                let _ = rustix::process::kill_process(process, Signal::KILL);
            }
        }
        // What was killed while it mounted shows in the table only once it is gone.
        while strays.iter().any(Daemon::is_running) {
            if cx.expired() {
                let (call, path, waited) = ("kill a client of", at.to_owned(), PROBE);
                return Err(Error::Hangs { call, path, waited });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn end_leftovers(&self, cx: &Context, grace: Duration) -> Result<(), Error> {
        for mounter in &self.mounters {
            mounter.end_leftovers(cx, grace).await?;
        }
        Ok(())
    }

    async fn find_snapshot(
        &self,
        cx: &Context,
        at: &Path,
        snapshot: &Snapshot,
    ) -> Result<PathBuf, Error> {
        let (call, wanted, copy) = ("look for a snapshot in", snapshot.clone(), at.to_owned());
        let found = helper::run(cx, call, at, move || wanted.find(&copy)).await?;
        let (path, snapshot) = (at.to_owned(), snapshot.text().to_owned());
        found.map_err(|why| match why {
            NotFound::Absent => Error::NoSnapshot { snapshot },
            NotFound::Ambiguous(found) => Error::AmbiguousSnapshot { snapshot, found },
            NotFound::Unreadable(source) => Error::Call { call, path, source },
        })
    }

    async fn bind(&self, cx: &Context, source: &Path, target: &Path) -> Result<(), Error> {
        let source = source.to_owned();
        call(cx, "bind a mount to", target, move |target| {
            refuse_symlink(target)?;
            Ok(rustix::mount::mount_bind(&source, target)?)
        })
        .await
    }

    async fn set_flags(&self, cx: &Context, target: &Path, flags: MountFlags) -> Result<(), Error> {
        call(cx, "set mount flags of", target, move |target| {
            let flags = flags.bits() | rustix::mount::MountFlags::BIND;
            Ok(rustix::mount::mount_remount(target, flags, "")?)
        })
        .await
    }

    async fn set_group(&self, cx: &Context, path: &Path, group: u32) -> Result<(), Error> {
        call(cx, "set the group of", path, move |path| {
            group::set(path, group)
        })
        .await
    }

    async fn unmount(&self, cx: &Context, target: &Path, users: Users) -> Result<Unmounted, Error> {
        let table = self.table(cx).await?;
        let Some(mount) = table.at(target) else {
            return Ok(Unmounted::Nothing);
        };
        let last = table.of_device(&mount.device).count() == 1;
        let clients = if mount.is_fuse() && last {
            call(cx, "find the client of", target, |at| Ok(daemon::find(at))).await?
        } else {
            Vec::new()
        };
        let going = Going {
            linux: self,
            cx,
            mount,
        };
        let unmounted = unmount::run(cx, target, users, &going).await?;
        if unmounted == Unmounted::Detached && self.is_asked(target) {
            let mut asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
            asleep.insert(target.to_owned(), mount.device.clone());
        }
        for client in clients {
            tokio::spawn(see_off(client.process));
        }
        Ok(unmounted)
    }

    async fn probe(&self, cx: &Context, path: &Path) -> Result<(), Error> {
        // One open question about a mount that hangs is enough, whichever it is.
        if self.usage.is_open(path) {
            return self.usage.ask(cx, path).await.map(drop);
        }
        self.attributes.ask(cx, path).await
    }

    async fn usage(&self, cx: &Context, path: &Path) -> Result<Usage, Error> {
        if self.attributes.is_open(path) {
            self.attributes.ask(cx, path).await?;
        }
        self.usage.ask(cx, path).await
    }

    async fn liveness(&self, cx: &Context, at: &Mount) -> Result<Liveness, Error> {
        // A client may have to be looked for by another question about a mount that hangs already.
        if !at.is_fuse() && self.is_asked(&at.mount_point) {
            return Ok(Liveness::Unknown);
        }
        let kind = if at.is_fuse() {
            MounterKind::Fuse
        } else {
            MounterKind::Kernel
        };
        match self.mounters.iter().find(|mounter| mounter.kind() == kind) {
            Some(mounter) => mounter.liveness(cx, at).await,
            None => Ok(Liveness::Unknown),
        }
    }

    async fn replace_elsewhere(
        &self,
        cx: &Context,
        dead: &[String],
        fresh: &Mount,
    ) -> Result<(), Error> {
        let (at, devices) = (&fresh.mount_point, dead.to_vec());
        let find = move |_: &Path| namespaces::find(&devices);
        let found = call(cx, "look for dead mounts in the place of", at, find).await?;
        let mut failed = Ok(());
        for place in found {
            let Some(source) = fresh.counterpart(&place.mount) else {
                continue;
            };
            let replace = Replace {
                process: place.process,
                source,
                at: place.mount.mount_point,
                options: place.mount.flags.text(),
            };
            match self.replace(cx, &replace).await {
                Ok(()) => tracing::info!(
                    "processes that share the mounts of {} can use `{}` again",
                    replace.process,
                    replace.at.display()
                ),
                Err(error) => failed = Err(error),
            }
        }
        failed
    }

    async fn check(&self, _cx: &Context) -> Result<(), Error> {
        mounter::choose(&self.mounters, super::MounterKind::Any)
            .await
            .map(drop)
    }
}

/// Does `work` on a copy of `path` on a helper thread.
async fn call<T: Send + 'static>(
    cx: &Context,
    call: &'static str,
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let copy = path.to_owned();
    let done = helper::run(cx, call, path, move || work(&copy)).await?;
    done.map_err(|source| Error::Call {
        call,
        path: path.to_owned(),
        source,
    })
}

/// Whether a directory, and not a link to one, is there.
fn is_dir(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// mount(2) follows a link, so one put at a target would have the mount made elsewhere.
fn refuse_symlink(target: &Path) -> io::Result<()> {
    if path::is_symlink(target)? {
        let reason = "it is a symbolic link";
        return Err(io::Error::new(io::ErrorKind::NotADirectory, reason));
    }
    Ok(())
}

/// Watches a client that lost its mount until it has ended, and reaps it if it is the driver's child:
/// in a container without an init process it becomes that.
async fn see_off(process: i32) {
    let Some(pid) = Pid::from_raw(process) else {
        return;
    };
    let start = std::time::Instant::now();
    while start.elapsed() < FAREWELL {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        if rustix::process::test_kill_process(pid).is_err() {
            tracing::debug!(process, "the client of an unmounted volume has ended");
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tracing::warn!(
        process,
        "the client of an unmounted volume has not ended after {} s: it waits for its Ceph cluster",
        FAREWELL.as_secs()
    );
}
