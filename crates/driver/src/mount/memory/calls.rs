//! What a caller sees: each call is a step that can fail or be the last.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use ceph::Context;

use super::super::{
    Access, CephFs, Error, Liveness, Mount, MountFlags, MountTable, Mounted, Mounts, Place,
    Serving, Snapshot, Survey, There, Unmounted, Usage, Users,
};
use super::{Client, Health, Memory, failed};

#[async_trait]
impl Mounts for Memory {
    async fn locate(&self, _cx: &Context, path: &Path) -> Result<Option<Place>, Error> {
        let state = self.lock();
        let parent = path.parent().unwrap_or(path);
        let place = || {
            let table = MountTable::new(state.mounts.clone());
            let there = if table.at(path).is_some() {
                There::Mount
            } else if state.resolve(path).is_some() {
                There::Directory
            } else if state.files.contains(path) {
                There::Other
            } else {
                There::Nothing
            };
            let path = path.to_owned();
            Place { path, table, there }
        };
        Ok(state.resolve(parent).is_some().then(place))
    }

    async fn survey(&self, cx: &Context, path: &Path) -> Result<Option<Survey>, Error> {
        let starting = self.lock().starting.iter().any(|other| other == path);
        let place = self.locate(cx, path).await?;
        Ok(place.map(|place| Survey { place, starting }))
    }

    async fn table(&self, _cx: &Context) -> Result<MountTable, Error> {
        Ok(MountTable::new(self.lock().mounts.clone()))
    }

    async fn create_dir(&self, cx: &Context, path: &Path) -> Result<PathBuf, Error> {
        self.step(cx, "mkdir", path, |state| {
            if state.files.contains(path) {
                let path = path.to_owned();
                return Err(Error::NoDirectory { path });
            }
            let path = path.ancestors().map(Path::to_owned);
            state.directories.extend(path);
            Ok(())
        })
        .await?;
        Ok(path.to_owned())
    }

    async fn remove_dir(&self, cx: &Context, path: &Path) -> Result<(), Error> {
        self.step(cx, "rmdir", path, |state| {
            if state.at(path).is_some() {
                return Err(failed("rmdir", path, "device or resource busy"));
            }
            if state
                .directories
                .iter()
                .any(|entry| entry.parent() == Some(path))
            {
                return Err(Error::NotEmpty {
                    path: path.to_owned(),
                });
            }
            state.directories.remove(path);
            Ok(())
        })
        .await
    }

    async fn mount(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<Mounted, Error> {
        self.step(cx, "start ceph-fuse for", at, |state| {
            state.starting.push(at.to_owned());
            Ok(())
        })
        .await?;
        let mounted = self.step(cx, "mount", at, |state| {
            let device = format!("0:{}", state.next());
            let serving = Serving {
                process: None,
                monitors: Some(fs.monitors.clone()),
                name: fs.name.clone(),
                root: Some(fs.root.clone()),
            };
            let client = Client {
                serving,
                health: Health::Well,
            };
            state.clients.insert(device.clone(), client);
            state.starting.retain(|path| path != at);
            let read_only = fs.fuse_options.access() == Access::ReadOnly;
            let flags = MountFlags::NONE.with(read_only.then_some("ro"));
            state.push(at, &device, "fuse.ceph-fuse", flags);
            Ok(device)
        });
        let mounted = mounted.await;
        if mounted.is_err() {
            // The contract: what fails leaves nothing.
            self.lock().starting.retain(|path| path != at);
            self.unmount(cx, at, Users::Nobody).await?;
        }
        let fallback = self.lock().fallback.clone();
        mounted.map(|device| Mounted { device, fallback })
    }

    async fn serving(&self, _cx: &Context, at: &Mount) -> Result<Option<Serving>, Error> {
        let state = self.lock();
        Ok(state
            .clients
            .get(&at.device)
            .map(|client| client.serving.clone()))
    }

    async fn end_strays(&self, cx: &Context, at: &Path) -> Result<MountTable, Error> {
        self.step(cx, "end clients of", at, |state| {
            state.starting.retain(|path| path != at);
            Ok(MountTable::new(state.mounts.clone()))
        })
        .await
    }

    /// A client ends with its last mount here.
    async fn end_leftovers(&self, _cx: &Context, _grace: Duration) -> Result<(), Error> {
        Ok(())
    }

    async fn find_snapshot(
        &self,
        cx: &Context,
        at: &Path,
        snapshot: &Snapshot,
    ) -> Result<PathBuf, Error> {
        self.step(cx, "find a snapshot in", at, |state| {
            let found = state.contents.iter().find(|root| snapshot.is_at(root));
            let root = found.and_then(|root| root.strip_prefix("/").ok());
            root.map(|root| at.join(root))
                .ok_or_else(|| Error::NoSnapshot {
                    snapshot: snapshot.text().to_owned(),
                })
        })
        .await
    }

    /// As on a kernel for which flags are another step.
    async fn is_bindable(&self, _cx: &Context, source: &Path) -> Result<bool, Error> {
        let state = self.lock();
        Ok(state.resolve(source).is_some() || state.files.contains(source))
    }

    async fn bind(
        &self,
        cx: &Context,
        source: &Path,
        target: &Path,
        _flags: Option<MountFlags>,
    ) -> Result<(), Error> {
        self.step(cx, "bind to", target, |state| {
            // Whatever is there, be it the bare directory that something was mounted on.
            let absent = || failed("bind", target, "no such file or directory");
            let (mount, root) = state.resolve(source).ok_or_else(absent)?;
            state.resolve(target).ok_or_else(absent)?;
            state.push_root(target, &root, &mount.device, &mount.fs_type, mount.flags);
            Ok(())
        })
        .await
    }

    async fn set_flags(&self, cx: &Context, target: &Path, flags: MountFlags) -> Result<(), Error> {
        self.step(cx, "set flags of", target, |state| match state.at(target) {
            Some(mount) => {
                mount.flags = flags;
                Ok(())
            }
            None => Err(failed("set flags", target, "not mounted")),
        })
        .await
    }

    async fn set_group(&self, cx: &Context, path: &Path, group: u32) -> Result<(), Error> {
        self.step(cx, "set the group of", path, |state| {
            let device = state.device_at(path);
            let device = device.ok_or_else(|| failed("set the group of", path, "not mounted"))?;
            state.groups.insert(device, group);
            Ok(())
        })
        .await
    }

    async fn unmount(&self, cx: &Context, target: &Path, _: Users) -> Result<Unmounted, Error> {
        self.step(cx, "unmount", target, |state| {
            let Some(gone) = state.at(target).cloned() else {
                return Ok(Unmounted::Nothing);
            };
            state.mounts.retain(|mount| mount.id != gone.id);
            if !state.mounts.iter().any(|mount| mount.device == gone.device) {
                state.clients.remove(&gone.device);
            }
            Ok(Unmounted::Cleanly)
        })
        .await
    }

    async fn probe(&self, _cx: &Context, mount: &Mount) -> Result<(), Error> {
        let path = mount.mount_point.clone();
        match self.lock().health_at(&path)? {
            Health::Well => Ok(()),
            health @ (Health::Dead | Health::Evicted) => {
                let source = match health {
                    Health::Evicted => rustix::io::Errno::SHUTDOWN.into(),
                    _ => io::ErrorKind::NotConnected.into(),
                };
                Err(Error::Dead { path, source })
            }
            Health::Hanging => {
                let (call, waited) = ("stat", Duration::from_secs(1));
                Err(Error::Hangs { call, path, waited })
            }
            Health::Unknown => Err(failed("stat", &path, "no thread to ask it")),
        }
    }

    async fn usage(&self, cx: &Context, mount: &Mount) -> Result<Usage, Error> {
        self.probe(cx, mount).await?;
        Ok(Usage {
            total_bytes: 1 << 30,
            used_bytes: 4096,
            available_bytes: (1 << 30) - 4096,
            used_inodes: 2,
            total_inodes: None,
        })
    }

    async fn liveness(&self, _cx: &Context, at: &Mount) -> Result<Liveness, Error> {
        let state = self.lock();
        Ok(
            match state.clients.get(&at.device).map(|client| client.health) {
                Some(Health::Well | Health::Hanging) => Liveness::Alive,
                Some(Health::Evicted | Health::Unknown) => Liveness::Unknown,
                Some(Health::Dead) | None => Liveness::Dead("it was killed".to_owned()),
            },
        )
    }

    async fn replace_elsewhere(
        &self,
        cx: &Context,
        dead: &[String],
        fresh: &Mount,
    ) -> Result<(), Error> {
        self.step(cx, "replace elsewhere", &fresh.mount_point, |state| {
            for mount in &mut state.elsewhere {
                if dead.contains(&mount.device) {
                    mount.device.clone_from(&fresh.device);
                }
            }
            Ok(())
        })
        .await
    }

    async fn check(&self, _cx: &Context) -> Result<(), Error> {
        Ok(())
    }
}
