//! Mounts in the mount namespaces of other processes: those of running containers.
//!
//! A container has copies of the mounts that it was started with. When the dead one is unmounted at the pod's
//! directory and a new one is bound there, both happen to the mount that this directory is on. The container has no
//! copy of that, so neither reaches it, whatever propagation it asked for (`mountPropagation`).

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::{fs, io};

use super::{Mount, MountTable};

/// A mount that processes of another namespace see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// One of these processes.
    pub(super) process: i32,
    /// Their namespace, as a process id may become another process's.
    pub(super) namespace: u64,
    /// The mount as they see it.
    pub(super) mount: Mount,
    /// Whether another mount is on it, or it is on another dead one.
    pub(super) nested: bool,
}

impl Elsewhere {
    /// The mount by a path from here.
    pub(super) fn seen_from_here(&self) -> Mount {
        let at = &self.mount.mount_point;
        let root = Path::new("/proc")
            .join(self.process.to_string())
            .join("root");
        Mount {
            mount_point: root.join(at.strip_prefix("/").unwrap_or(at)),
            ..self.mount.clone()
        }
    }
}

/// The mounts of CephFS with the superblocks `devices` in all mount namespaces but our own, as far as their processes
/// are visible from here. Those on top come first.
pub(super) fn find(devices: &[String]) -> io::Result<Vec<Elsewhere>> {
    let mut found = Vec::new();
    for (namespace, process) in representatives()? {
        // It may have ended meanwhile, and other processes of the namespace not: another look finds them.
        let Some(table) = table_of(process) else {
            continue;
        };
        let is_dead = |mount: &&Mount| mount.is_cephfs() && devices.contains(&mount.device);
        for mount in table.mounts().iter().rev().filter(is_dead) {
            let others = || table.mounts().iter().filter(|other| other.id != mount.id);
            let covered = others().any(|other| other.parent == mount.id);
            let on_dead = others()
                .filter(is_dead)
                .any(|other| other.id == mount.parent);
            found.push(Elsewhere {
                process,
                namespace,
                mount: mount.clone(),
                nested: covered || on_dead,
            });
        }
    }
    Ok(found)
}

/// What the process has mounted; `None` if it has ended.
pub(super) fn table_of(process: i32) -> Option<MountTable> {
    let content = fs::read(format!("/proc/{process}/mountinfo")).ok()?;
    MountTable::parse(&content).ok()
}

/// One process of each mount namespace but our own.
fn representatives() -> io::Result<HashMap<u64, i32>> {
    let namespace = |process: &Path| fs::metadata(process.join("ns/mnt")).map(|it| it.ino());
    let own = namespace(Path::new("/proc/self"))?;
    let mut found = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(process) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        match namespace(&entry.path()) {
            Ok(other) if other != own => found.entry(other).or_insert(process),
            _ => continue,
        };
    }
    Ok(found)
}
