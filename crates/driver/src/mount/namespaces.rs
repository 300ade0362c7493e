//! Mounts in the mount namespaces of other processes: those of running containers.
//!
//! A container has copies of the mounts that it was started with. When the dead one is unmounted at the pod's
//! directory and a new one is bound there, both happen to the mount that this directory is on. The container has no
//! copy of that, so neither reaches it, whatever propagation it asked for (`mountPropagation`).

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{Mount, MountTable};

/// A mount that processes of another namespace see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// One of these processes.
    pub(super) process: i32,
    /// The mount as they see it.
    pub(super) mount: Mount,
}

impl Elsewhere {
    /// The mount by a path from here.
    pub(super) fn seen_from_here(&self) -> Mount {
        let mut mount = self.mount.clone();
        let root = Path::new("/proc")
            .join(self.process.to_string())
            .join("root");
        mount.mount_point = root.join(
            mount
                .mount_point
                .strip_prefix("/")
                .unwrap_or(&mount.mount_point),
        );
        mount
    }
}

/// The mounts of CephFS with the superblocks `devices` in all mount namespaces but our own, as far as their processes
/// are visible from here. Those on top come first.
pub(super) fn find(devices: &[String]) -> io::Result<Vec<Elsewhere>> {
    let mut found = Vec::new();
    for process in representatives()?.into_values() {
        // It may have ended meanwhile; then its mounts have, too, or another round finds them.
        let Ok(content) = fs::read(format!("/proc/{process}/mountinfo")) else {
            continue;
        };
        let Ok(table) = MountTable::parse(&content) else {
            continue;
        };
        let dead = table.mounts().iter().rev();
        let dead = dead.filter(|mount| mount.is_cephfs() && devices.contains(&mount.device));
        found.extend(dead.cloned().map(|mount| Elsewhere { process, mount }));
    }
    Ok(found)
}

/// One process of each mount namespace but our own.
fn representatives() -> io::Result<HashMap<OsString, i32>> {
    let namespace =
        |process: &Path| fs::read_link(process.join("ns/mnt")).map(PathBuf::into_os_string);
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
