//! Cgroups for FUSE daemons, outside of the driver's own.
//!
//! A container runtime that ends a container kills everything in its cgroup. A daemon that shall go on
//! serving needs a cgroup elsewhere in the host's hierarchies, which the driver can only make if it sees
//! and may write them. Where it does not, daemons stay in its own cgroup, and the log says so.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

use uuid::Uuid;

#[cfg(test)]
mod tests;

/// Which cgroups a process is in: cgroups(7).
const PROC_CGROUP: &str = "/proc/self/cgroup";
/// Where they are mounted.
pub(super) const ROOT: &str = "/sys/fs/cgroup";

/// Makes cgroups for daemons.
#[derive(Debug)]
pub(super) struct Cgroups {
    settings: CgroupSettings,
    proc_cgroup: PathBuf,
    root: PathBuf,
    /// The same trouble is told once, not for each volume.
    complained: AtomicBool,
    /// When a sweep first saw them.
    seen: Mutex<HashMap<PathBuf, Instant>>,
}

/// What an administrator says about the cgroups of daemons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupSettings {
    /// The cgroup that those of the daemons are in, from the root of each hierarchy; `None` to leave the
    /// daemons in the driver's.
    pub parent: Option<PathBuf>,
    /// How many bytes of memory each daemon may use; `None` for no limit.
    pub memory: Option<u64>,
}

/// One mounted hierarchy, and what it can do.
#[derive(Debug)]
struct Hierarchy {
    mount: PathBuf,
    version: Version,
    memory: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One { cpuset: bool },
    Two,
}

impl Default for Cgroups {
    /// Daemons stay in the driver's.
    fn default() -> Self {
        Self::new(CgroupSettings::default())
    }
}

impl Cgroups {
    /// Those of this machine.
    pub(super) fn new(settings: CgroupSettings) -> Self {
        Self::at(settings, PROC_CGROUP.into(), ROOT.into())
    }

    /// Those at `root`, for a process that is in the ones that `proc_cgroup` names.
    pub(super) fn at(settings: CgroupSettings, proc_cgroup: PathBuf, root: PathBuf) -> Self {
        Self {
            settings,
            proc_cgroup,
            root,
            complained: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    /// Makes a cgroup for one daemon in each hierarchy in which the driver is in one that can be killed or
    /// limited, and returns the directories. What cannot be made is left out and told.
    pub(super) fn make(&self) -> Vec<PathBuf> {
        let Some(parent) = &self.settings.parent else {
            return Vec::new();
        };
        let name = format!("fuse-{}", Uuid::new_v4());
        let mut made = Vec::new();
        for hierarchy in self.hierarchies() {
            let wanted = hierarchy.confines_us() || self.limits(&hierarchy);
            if !wanted {
                continue;
            }
            let parent = hierarchy.mount.join(parent);
            match self.make_in(&hierarchy, &parent, &name) {
                Ok(directory) => made.push(directory),
                Err(error) => self.complain(&parent, &error),
            }
        }
        made
    }

    /// Removes the cgroups of daemons that have ended. One that is in use cannot be removed, and one that a call has
    /// not seen for as long as `grace` may be entered yet, by a launch of this or of another driver.
    pub(super) fn sweep(&self, grace: Duration) {
        let Some(parent) = &self.settings.parent else {
            return;
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = HashMap::new();
        for hierarchy in self.hierarchies() {
            let entries = fs::read_dir(hierarchy.mount.join(parent));
            for entry in entries.into_iter().flatten().flatten() {
                if !entry.file_name().as_encoded_bytes().starts_with(b"fuse-") {
                    continue;
                }
                let path = entry.path();
                let since = seen.get(&path).copied().unwrap_or_else(Instant::now);
                if since.elapsed() < grace || fs::remove_dir(&path).is_err() {
                    left.insert(path, since);
                }
            }
        }
        *seen = left;
    }

    fn limits(&self, hierarchy: &Hierarchy) -> bool {
        self.settings.memory.is_some() && hierarchy.memory
    }

    fn make_in(&self, hierarchy: &Hierarchy, parent: &Path, name: &str) -> io::Result<PathBuf> {
        if !hierarchy.is_whole()? {
            return Err(io::Error::other(
                "only the container's own cgroup is mounted there, not those of the host",
            ));
        }
        let directory = parent.join(name);
        fs::create_dir_all(parent)?;
        if let Version::One { cpuset: true } = hierarchy.version {
            inherit_cpus(parent)?;
        }
        if let (Version::Two, true) = (hierarchy.version, self.limits(hierarchy)) {
            fs::write(hierarchy.mount.join("cgroup.subtree_control"), "+memory")?;
            fs::write(parent.join("cgroup.subtree_control"), "+memory")?;
        }
        fs::create_dir(&directory)?;
        let configured = self.configure(hierarchy, &directory);
        if configured.is_err() {
            let _ = fs::remove_dir(&directory);
        }
        configured.map(|()| directory)
    }

    fn configure(&self, hierarchy: &Hierarchy, directory: &Path) -> io::Result<()> {
        if let Version::One { cpuset: true } = hierarchy.version {
            inherit_cpus(directory)?;
        }
        match self.settings.memory {
            Some(bytes) if hierarchy.memory => {
                let file = match hierarchy.version {
                    Version::One { .. } => "memory.limit_in_bytes",
                    Version::Two => "memory.max",
                };
                fs::write(directory.join(file), bytes.to_string())
            }
            _ => Ok(()),
        }
    }

    /// The hierarchies that this process is in and that are mounted.
    fn hierarchies(&self) -> Vec<Hierarchy> {
        let membership = match fs::read_to_string(&self.proc_cgroup) {
            Ok(membership) => membership,
            Err(error) => {
                self.complain(&self.proc_cgroup, &error);
                return Vec::new();
            }
        };
        let controllers = membership.lines().filter_map(|line| line.split(':').nth(1));
        let found = controllers.filter_map(|controllers| Hierarchy::find(&self.root, controllers));
        found.collect()
    }

    fn complain(&self, path: &Path, error: &io::Error) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "cannot make cgroups for FUSE daemons in `{}`: {error}; they stay in the driver's own, \
                 and end with its container: give the container the host's {ROOT}, writable, or set \
                 --fuse-cgroup= to nothing if that is as it should be",
                path.display()
            );
        }
    }
}

impl Hierarchy {
    /// `controllers` as in the second column of `/proc/PID/cgroup`: none for version 2.
    fn find(root: &Path, controllers: &str) -> Option<Self> {
        let is_mounted = |mount: &PathBuf| mount.join("cgroup.procs").try_exists().unwrap_or(false);
        let names = || controllers.split(',');
        if controllers.is_empty() {
            // Alone, or beside hierarchies of version 1.
            let mount = [root.to_owned(), root.join("unified")]
                .into_iter()
                .find(is_mounted)?;
            let memory = fs::read_to_string(mount.join("cgroup.controllers"))
                .is_ok_and(|list| list.split_whitespace().any(|name| name == "memory"));
            let version = Version::Two;
            return Some(Self {
                mount,
                version,
                memory,
            });
        }
        let directory = controllers.strip_prefix("name=").unwrap_or(controllers);
        let cpuset = names().any(|name| name == "cpuset");
        Some(Self {
            mount: Some(root.join(directory)).filter(is_mounted)?,
            version: Version::One { cpuset },
            memory: names().any(|name| name == "memory"),
        })
    }

    /// Whether the driver is in a cgroup below the root of the hierarchy: nobody kills the root.
    fn confines_us(&self) -> bool {
        let own = std::process::id().to_string();
        let members = fs::read_to_string(self.mount.join("cgroup.procs")).unwrap_or_default();
        !members.lines().any(|process| process == own)
    }

    /// Whether the root of the hierarchy is mounted, and not just one cgroup of it. Each version has a
    /// file that tells its root from others.
    fn is_whole(&self) -> io::Result<bool> {
        match self.version {
            Version::One { .. } => self.mount.join("release_agent").try_exists(),
            Version::Two => Ok(!self.mount.join("cgroup.type").try_exists()?),
        }
    }
}

/// A cpuset takes no process before it has processors and memory.
fn inherit_cpus(directory: &Path) -> io::Result<()> {
    let Some(above) = directory.parent() else {
        return Ok(());
    };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if fs::read_to_string(directory.join(file))?.trim().is_empty() {
            fs::write(directory.join(file), fs::read_to_string(above.join(file))?)?;
        }
    }
    Ok(())
}
