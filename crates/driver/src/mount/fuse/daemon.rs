//! ceph-fuse processes, found by their command lines.
//!
//! The mount table says `ceph-fuse` for all of them; which directory of which file system one serves is
//! told by its arguments alone.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;

use super::super::{MountTable, Serving, path};
use super::CLIENT;

#[cfg(test)]
mod tests;

/// Names of processes that are a client, or what enters a network namespace to become one. A launcher becomes none once
/// its driver has ended, but if that was in the moment in which it does.
const NAMES: [&[u8]; 2] = [CLIENT.as_bytes(), b"nsenter"];

/// `PF_KTHREAD` of a process's flags.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// How the kernel names a file in memory, such as a key that is handed to a client.
const MEMORY: &[u8] = b"/memfd:";

/// A ceph-fuse process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Daemon {
    pub(in super::super) process: i32,
    mount_point: PathBuf,
    serving: Serving,
}

/// The clients that have not mounted yet, of those that were started for the mount point `at`.
///
/// What few processes have is asked for first, in one call: a node has many processes, and this is looked at before
/// each mount.
pub(in super::super) fn starting(at: &Path) -> Vec<Daemon> {
    let table = LazyCell::new(table);
    let starting = processes().filter(|&process| is_starting(process));
    starting
        .filter_map(Daemon::read)
        .filter(|daemon| daemon.is_for(at, &table))
        .collect()
}

/// The ceph-fuse processes that were started for the mount point `at`.
///
/// Empty, too, when they run in a process namespace that is not visible from here.
pub(in super::super) fn find(at: &Path) -> Vec<Daemon> {
    let table = LazyCell::new(table);
    processes()
        .filter_map(Daemon::read)
        .filter(|daemon| daemon.is_for(at, &table))
        .collect()
}

/// All ceph-fuse processes, by whomever they were started.
pub(super) fn all() -> Vec<i32> {
    let is_client =
        |&process: &i32| Name::of(process).is_some_and(|name| name.text() == CLIENT.as_bytes());
    processes().filter(is_client).collect()
}

/// All processes that are visible from here, but for the kernel's own.
fn processes() -> impl Iterator<Item = i32> {
    let own = kernel_threads();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(move |process| !own.contains(process))
}

/// The threads of the kernel, which are up to half of all processes: the children of one of them. None if they are not
/// visible from here, and with a kernel that does not list children.
fn kernel_threads() -> HashSet<i32> {
    let is_parent = fs::read_to_string("/proc/2/stat").is_ok_and(|stat| {
        // `PID (NAME) STATE PARENT GROUP SESSION TERMINAL FOREGROUND FLAGS ...`
        let flags = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.split(' ').nth(6));
        let flags = flags.and_then(|flags| flags.parse().ok());
        flags.is_some_and(|flags: u32| flags & KERNEL_THREAD != 0)
    });
    let children = if is_parent {
        fs::read_to_string("/proc/2/task/2/children").unwrap_or_default()
    } else {
        String::new()
    };
    let children = children.split_ascii_whitespace();
    children.filter_map(|child| child.parse().ok()).collect()
}

/// Whether the client has not mounted yet: it still has its key on standard input, which it lets go of when
/// it becomes a daemon.
pub(super) fn is_starting(process: i32) -> bool {
    let mut buffer = [MaybeUninit::uninit(); MEMORY.len()];
    let stdin = format!("/proc/{process}/fd/0");
    let target = rustix::fs::readlinkat_raw(CWD, stdin, &mut buffer);
    target.is_ok_and(|(target, _)| target == MEMORY)
}

/// The name of a process, which has at most 15 bytes. All processes of a node are asked for theirs, so it is read
/// without asking for its length first.
struct Name([u8; 16], usize);

impl Name {
    fn of(process: i32) -> Option<Self> {
        let mut name = [0; 16];
        let mut file = File::open(format!("/proc/{process}/comm")).ok()?;
        let length = file.read(&mut name).ok()?;
        Some(Self(name, length))
    }

    fn text(&self) -> &[u8] {
        let Self(name, length) = self;
        name.get(..*length).unwrap_or_default().trim_ascii_end()
    }
}

impl Daemon {
    fn read(process: i32) -> Option<Self> {
        if !NAMES.contains(&Name::of(process)?.text()) {
            return None;
        }
        // A process that ends between the two reads has an empty command line.
        let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
        Self::parse(process, &line)
    }

    /// `line` has a zero byte after each argument, and may have a launcher's before the client's own.
    pub(super) fn parse(process: i32, line: &[u8]) -> Option<Self> {
        let words = line.split(|&byte| byte == 0).map(OsStr::from_bytes);
        let is_client = |word: &OsStr| Path::new(word).file_name() == Some(CLIENT.as_ref());
        let mut arguments = words.skip_while(|word| !is_client(word)).skip(1);
        let mount_point = arguments.next().filter(|argument| !argument.is_empty())?;
        let mut serving = Serving {
            process: Some(process),
            monitors: None,
            name: None,
            root: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().map(|v| v.to_string_lossy().into_owned());
            match argument.to_str() {
                Some("-m") => serving.monitors = value(),
                Some("-r") => serving.root = value(),
                Some(text) => {
                    if let Some(name) = text.strip_prefix("--client_mds_namespace=") {
                        serving.name = Some(name.to_owned());
                    }
                }
                None => {}
            }
        }
        Some(Self {
            process,
            mount_point: OsString::from_vec(mount_point.as_bytes().to_vec()).into(),
            serving,
        })
    }

    /// Whether it has not mounted yet.
    pub(in super::super) fn is_starting(&self) -> bool {
        is_starting(self.process)
    }

    /// Whether it is still there, and not just as an entry that its parent has yet to take note of.
    pub(in super::super) fn is_running(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process));
        // `PID (NAME) STATE ...`
        let state = stat.as_ref().ok().and_then(|stat| stat.rsplit_once(") "));
        state.is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    /// Whether `process` is a client for the mount point `at`.
    pub(super) fn is_at(process: i32, at: &Path) -> bool {
        let table = LazyCell::new(table);
        Self::read(process).is_some_and(|daemon| daemon.is_for(at, &table))
    }

    /// What it serves.
    pub(in super::super) fn serving(self) -> Serving {
        self.serving
    }

    /// A daemon that the original started may name its mount point through a link. It is followed only where `table` has
    /// no CephFS: the look at a mount of somebody else may last for ever.
    pub(super) fn is_for(
        &self,
        at: &Path,
        table: &LazyCell<MountTable, impl FnOnce() -> MountTable>,
    ) -> bool {
        let named = &self.mount_point;
        if named == at || named.file_name() != at.file_name() {
            return named == at;
        }
        let on = table.containing(named);
        on.is_some_and(|mount| !mount.is_cephfs())
            && matches!(path::canonical(named), Ok(Some(path)) if path == at)
    }
}

fn table() -> MountTable {
    MountTable::read().unwrap_or_default()
}
