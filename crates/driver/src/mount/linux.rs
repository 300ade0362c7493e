//! [`Mounts`] by system calls.

mod elsewhere;
mod going;
mod questions;

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use ceph::Context;
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use self::going::{Going, see_off};
use self::questions::Questions;
use super::fuse::daemon::{self, Daemon};
use super::probe::OpenQuestions;
use super::role::OwnProgram;
use super::snapshot::NotFound;
use super::{
    CephFs, Error, Liveness, Mount, MountFlags, MountTable, Mounted, Mounter, MounterKind, Mounts,
    Place, Serving, Snapshot, Survey, There, Unmounted, Usage, Users, group, helper, mounter,
    net_namespace, path, tree, unmount,
};

#[cfg(test)]
mod tests;

/// What the look at a path is called.
const LOOK_UP: &str = "look up";

/// Owner root, readable by its group: as the original makes target directories.
const DIRECTORY_MODE: u32 = 0o750;

/// How long a mount may take to say whether it is dead.
const PROBE: Duration = Duration::from_secs(1);

/// What is kept of a deadline for clearing up after a mount that failed.
const CLEAN_UP: Duration = Duration::from_secs(2);

/// The operating system that the driver runs on.
#[derive(Debug)]
pub struct Linux {
    mounters: Vec<Box<dyn Mounter>>,
    own: OwnProgram,
    questions: Questions,
}

impl Linux {
    /// With these clients, the preferred one first.
    pub fn new(mut mounters: Vec<Box<dyn Mounter>>) -> Self {
        let open = OpenQuestions::default();
        for mounter in &mut mounters {
            mounter.ask_among(&open);
        }
        Self {
            mounters,
            own: OwnProgram::default(),
            questions: Questions::new(open),
        }
    }

    /// Plays the roles of helpers with the driver's program `own`, which need not be the running one.
    #[must_use]
    pub fn with_own_program(self, own: OwnProgram) -> Self {
        Self { own, ..self }
    }

    /// Mounts with this client; the device of the superblock.
    async fn mount_with(
        &self,
        cx: &Context,
        mounter: &dyn Mounter,
        fs: &CephFs,
        at: &Path,
    ) -> Result<String, Error> {
        let reserve = CLEAN_UP.min(cx.remaining() / 4);
        let limited = cx.at_most(cx.remaining().saturating_sub(reserve));
        let table = mounter.mount(&limited, fs, at).await?;
        match table.at(at) {
            Some(mount) if mount.is_cephfs() => Ok(mount.device.clone()),
            _ => Err(Error::Vanished {
                client: "the client",
                at: at.to_owned(),
            }),
        }
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

#[async_trait]
impl Mounts for Linux {
    async fn locate(&self, cx: &Context, path: &Path) -> Result<Option<Place>, Error> {
        let copy = path.to_owned();
        helper::run(cx, LOOK_UP, path, move || look_up(&copy)).await?
    }

    async fn survey(&self, cx: &Context, path: &Path) -> Result<Option<Survey>, Error> {
        let copy = path.to_owned();
        helper::run(cx, LOOK_UP, path, move || {
            let Some(path) = canonical(&copy)? else {
                return Ok(None);
            };
            let starting = !daemon::starting(&path).is_empty();
            let place = look_around(path)?;
            Ok(Some(Survey { place, starting }))
        })
        .await?
    }

    async fn table(&self, cx: &Context) -> Result<MountTable, Error> {
        let table = MountTable::read_by(cx).await?;
        for mounter in &self.mounters {
            mounter.retain(table.mounts());
        }
        Ok(table)
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
            let is_dir = |path: &PathBuf| matches!(look_at(path), Ok(There::Directory));
            Ok(path::canonical(path)?.filter(is_dir))
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

    async fn mount(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<Mounted, Error> {
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
        outcome.map(|device| Mounted { device, fallback })
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

    async fn end_strays(&self, cx: &Context, at: &Path) -> Result<MountTable, Error> {
        let (call, copy) = ("look for clients of", at.to_owned());
        let found = helper::run(cx, call, at, move || {
            let strays = daemon::starting(&copy);
            // Whoever is not starting any more is in the table by now.
            (strays, MountTable::read())
        });
        let (strays, table) = found.await?;
        if strays.is_empty() {
            return table;
        }
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
        self.table(cx).await
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

    async fn is_bindable(&self, cx: &Context, source: &Path) -> Result<bool, Error> {
        call(cx, LOOK_UP, source, is_bindable).await
    }

    async fn bind(
        &self,
        cx: &Context,
        source: &Path,
        target: &Path,
        flags: Option<MountFlags>,
    ) -> Result<(), Error> {
        let tree = match flags {
            Some(flags) => {
                // On a thread that ends there.
                let copy = move |source: &Path| copy_mount(source, flags);
                call(cx, "copy the mount at", source, copy).await?
            }
            None => None,
        };
        let source = source.to_owned();
        call(cx, "bind a mount to", target, move |target| {
            refuse_symlink(target)?;
            match tree {
                Some(tree) => tree::attach(tree, target)?,
                None => {
                    let source = path::open(&source)?;
                    let source = format!("/proc/self/fd/{}", source.as_raw_fd());
                    rustix::mount::mount_bind(source, target)?;
                }
            }
            Ok(())
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
        for client in clients {
            tokio::spawn(see_off(client.process));
        }
        Ok(unmounted)
    }

    async fn probe(&self, cx: &Context, mount: &Mount) -> Result<(), Error> {
        self.questions.probe(cx, mount).await
    }

    async fn usage(&self, cx: &Context, mount: &Mount) -> Result<Usage, Error> {
        self.questions.usage(cx, mount).await
    }

    async fn liveness(&self, cx: &Context, at: &Mount) -> Result<Liveness, Error> {
        // A client may have to be looked for by another question about a mount that hangs already.
        if !at.is_fuse() && self.questions.are_open(at) {
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
        elsewhere::replace(cx, &self.own, &self.questions, dead, fresh).await
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

fn look_up(path: &Path) -> Result<Option<Place>, Error> {
    canonical(path)?.map(look_around).transpose()
}

fn canonical(path: &Path) -> Result<Option<PathBuf>, Error> {
    path::canonical(path).map_err(|source| cannot_look_up(path, source))
}

/// What is at the canonical `path`.
fn look_around(path: PathBuf) -> Result<Place, Error> {
    let table = MountTable::read()?;
    let there = match table.at(&path) {
        Some(_) => There::Mount,
        None => look_at(&path).map_err(|source| cannot_look_up(&path, source))?,
    };
    Ok(Place { path, table, there })
}

fn cannot_look_up(path: &Path, source: io::Error) -> Error {
    let (call, path) = (LOOK_UP, path.to_owned());
    Error::Call { call, path, source }
}

/// What is at a path at which nothing is mounted.
fn look_at(path: &Path) -> io::Result<There> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(There::Directory),
        Ok(_) => Ok(There::Other),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(There::Nothing),
            _ => Err(error),
        },
    }
}

fn is_bindable(source: &Path) -> io::Result<bool> {
    match path::open(source) {
        Ok(_) => Ok(true),
        Err(errno) if path::is_nothing(errno) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// A copy of the mount with these flags; `None` where that cannot be made: the kernel is older than 5.2, or a seccomp
/// profile does not know the calls.
fn copy_mount(source: &Path, flags: MountFlags) -> io::Result<Option<OwnedFd>> {
    match tree::copy(source, flags) {
        Ok(tree) => Ok(Some(tree)),
        Err(Errno::NOSYS | Errno::PERM) => Ok(None),
        Err(errno) => Err(errno.into()),
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
