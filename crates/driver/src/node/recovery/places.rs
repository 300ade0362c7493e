//! Which mounts are a volume's.
//!
//! A mount is only taken away if it was seen to be of the dead superblock. The number of a superblock is given to
//! another one once that is mounted nowhere, so the number alone says whose a mount is only while something is known to
//! hold it: the dead mount at the staging path. What else shows that superblock is noted down before that mount goes.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::record::{Owed, Record};
use crate::mount::{Mount, MountTable};

impl Record {
    pub(in super::super) fn shows(&self, mount: &Mount) -> bool {
        mount.is_cephfs() && self.devices.contains(&mount.device)
    }

    /// The mount at the staging path, dead or alive.
    pub(super) fn staged<'a>(&self, table: &'a MountTable) -> Option<&'a Mount> {
        table.at(&self.staging).filter(|mount| self.shows(mount))
    }

    /// The dead superblocks of the volume.
    pub(super) fn old(&self) -> &[String] {
        self.devices.split_last().map_or(&[][..], |(_, old)| old)
    }

    /// Whether `mount` was seen to be of a dead superblock.
    pub(super) fn is_old(&self, mount: &Mount) -> bool {
        let places = self.dead.get(&mount.device);
        mount.is_cephfs() && places.is_some_and(|at| at.contains(&short(&mount.mount_point)))
    }

    /// Where else a dead superblock of the volume is mounted.
    pub(super) fn stale<'a>(&'a self, table: &'a MountTable) -> impl Iterator<Item = &'a Mount> {
        table.mounts().iter().filter(|mount| self.is_old(mount))
    }

    /// The mount at the staging path is dead and about to go: notes down where else its superblock is mounted.
    pub(super) fn condemn(&mut self, table: &MountTable) {
        let Some(device) = self.staged(table).map(|mount| mount.device.clone()) else {
            return;
        };
        let mounts = table.of_device(&device);
        let others = mounts.filter(|mount| mount.mount_point != self.staging);
        let places = others.map(|mount| short(&mount.mount_point)).collect();
        self.dead.insert(device, places);
        self.mending = true;
    }

    /// Notes down what has been mounted since of a superblock that was noted down: by a publish that had begun, say.
    /// As long as a mount of it is there, nobody else has its number.
    pub(super) fn condemn_more(&mut self, table: &MountTable) {
        for (device, places) in &mut self.dead {
            let mounts = table.of_device(device);
            let others = mounts.filter(|mount| mount.mount_point != self.staging);
            let now: BTreeSet<_> = others.map(|mount| short(&mount.mount_point)).collect();
            if !places.is_disjoint(&now) {
                places.extend(now);
            }
        }
    }

    /// The superblock `device` is at the staging path now, and well.
    pub(super) fn revive(&mut self, device: &str) {
        self.devices.retain(|old| old != device);
        self.devices.push(device.to_owned());
        self.dead.remove(device);
        self.mending = false;
    }

    /// Notes down what a target is to have that shows a dead superblock, if it still does.
    pub(super) fn owe(&mut self, owed: &Owed) {
        let place = short(&owed.at);
        let is_dead = self.dead.values().any(|places| places.contains(&place));
        if is_dead && self.owed.iter().all(|other| other.at != owed.at) {
            self.owed.push(owed.clone());
        }
    }

    /// Whether there is anything to do for `target`.
    pub(super) fn knows(&self, target: &Path) -> bool {
        let place = short(target);
        let mut dead = self.dead.values();
        dead.any(|places| places.contains(&place)) || self.owed.iter().any(|o| o.at == target)
    }

    /// Nothing is to be done for `target` any more.
    pub(super) fn release(&mut self, target: &Path) {
        let place = short(target);
        for places in self.dead.values_mut() {
            places.remove(&place);
        }
        self.owed.retain(|owed| owed.at != target);
    }
}

/// A path in eight bytes (FNV-1a), as hundreds of them have to fit into one key of the kernel's keyring. Another version
/// of the driver has to make the same of it.
fn short(path: &Path) -> u64 {
    let bytes = path.as_os_str().as_bytes().iter();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
