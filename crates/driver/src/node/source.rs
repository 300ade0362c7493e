//! From a stage request to the CephFS directory that is to be mounted.

use ceph::Context;

use super::Node;
use crate::backend::Session;
use crate::config::ClusterEntry;
use crate::error::Error;
use crate::ids::{SnapshotId, VolumeId};
use crate::journal::Record;
use crate::mount::{
    Access, CephFs, Mount, MountOptions, MounterKind, OptionSources, Snapshot, SnapshotName,
};
use crate::request::{self, Place, Source, StageVolume};

impl Node {
    /// What `request` asks to mount.
    ///
    /// For a volume whose context tells where it is, this takes neither a monitor nor a manager: a
    /// thousand pods that start at once after an outage must not wait for one another there.
    pub(super) async fn ceph_fs(
        &self,
        cx: &Context,
        request: &StageVolume,
    ) -> Result<CephFs, Error> {
        let fs = self.directory(cx, request).await?;
        match &fs.snapshot {
            Some(snapshot) if request.capability.access == Access::ReadWrite => {
                Err(writable(snapshot).into())
            }
            _ => Ok(fs),
        }
    }

    async fn directory(&self, cx: &Context, request: &StageVolume) -> Result<CephFs, Error> {
        let config = self.backend.config();
        match &request.source {
            Source::Dynamic { id, place } => {
                let cluster = config.cluster(id.cluster_id());
                let cluster = cluster.map_err(|source| Error::ConfigOf {
                    noun: "volume",
                    id: id.to_string(),
                    source,
                })?;
                let place = match place {
                    Some(place) => place.clone(),
                    None => self.ask_journal(cx, id, request).await?,
                };
                Ok(self.of_cluster(cx, request, &cluster, place).await)
            }
            Source::Static { cluster_id, place } => {
                let cluster = config.cluster(cluster_id)?;
                let place = place.clone();
                Ok(self.of_cluster(cx, request, &cluster, place).await)
            }
            Source::Monitors { monitors, place } => Ok(CephFs {
                monitors: monitors.clone(),
                name: place.fs_name.clone(),
                root: place.root.clone(),
                snapshot: place.snapshot.clone(),
                user: request.credentials.id.clone(),
                key: request.credentials.key.clone(),
                fuse_options: self.fuse_options(request, None),
                kernel_options: self.kernel_options(request, None, ""),
                net_namespace: None,
                mounter: request.client.mounter,
            }),
        }
    }

    async fn of_cluster(
        &self,
        cx: &Context,
        request: &StageVolume,
        cluster: &ClusterEntry,
        place: Place,
    ) -> CephFs {
        let fuse = cluster.fuse_mount_options.as_deref();
        let kernel = cluster.kernel_mount_options.as_deref();
        let affinity = match request.client.mounter {
            MounterKind::Kernel | MounterKind::Any => self.read_affinity(cx, cluster).await,
            MounterKind::Fuse => String::new(),
        };
        CephFs {
            monitors: cluster.monitors.clone(),
            name: place.fs_name,
            root: place.root,
            snapshot: place.snapshot,
            user: request.credentials.id.clone(),
            key: request.credentials.key.clone(),
            fuse_options: self.fuse_options(request, fuse),
            kernel_options: self.kernel_options(request, kernel, &affinity),
            net_namespace: cluster.net_namespace_file.clone(),
            mounter: request.client.mounter,
        }
    }

    fn fuse_options(&self, request: &StageVolume, cluster: Option<&str>) -> MountOptions {
        MountOptions::merge(&OptionSources {
            volume: &request.client.fuse,
            cluster,
            flag: &self.settings.fuse_mount_options,
            read_affinity: "",
            capability: &request.capability.mount_flags,
            access: request.capability.access,
        })
    }

    fn kernel_options(
        &self,
        request: &StageVolume,
        cluster: Option<&str>,
        read_affinity: &str,
    ) -> MountOptions {
        MountOptions::merge(&OptionSources {
            volume: &request.client.kernel,
            cluster,
            flag: &self.settings.kernel_mount_options,
            read_affinity,
            capability: &request.capability.mount_flags,
            access: request.capability.access,
        })
    }

    /// Asks the cluster where a dynamic volume is.
    async fn ask_journal(
        &self,
        cx: &Context,
        id: &VolumeId,
        request: &StageVolume,
    ) -> Result<Place, Error> {
        let no_volume = |why: &str| Error::NoVolume {
            id: id.to_string(),
            why: why.to_owned(),
        };
        let backend = &self.backend;
        let session = backend.open_id(cx, id, &request.credentials).await?;
        let session = session.ok_or_else(|| no_volume("its file system is gone"))?;
        let record = session.journal.lookup(cx, id.uuid()).await;
        let record = record.map_err(|error| session.explain(error.into()))?;
        let record = record.unwrap_or_else(|| Record::without_journal(id.uuid()));
        if let Some(snapshot) = &record.backing_snapshot {
            let place = snapshot_place(cx, &session, snapshot).await;
            return place.map_err(|error| session.explain(error));
        }
        crate::controller::check_served(&record)?;
        match session
            .subvolumes
            .path(cx, &session.subvolume(&record))
            .await
        {
            Ok(root) => Ok(Place {
                fs_name: Some(session.filesystem.name.clone()),
                root,
                snapshot: None,
            }),
            Err(error) if error.is_not_found() => Err(no_volume("its subvolume is gone")),
            Err(error) => Err(session.explain(error.into())),
        }
    }
}

/// Where a snapshot is. Its subvolume need not exist any more but for its snapshots, so no manager could
/// tell.
async fn snapshot_place(cx: &Context, session: &Session, snapshot: &str) -> Result<Place, Error> {
    let no_snapshot = |why: String| Error::NoSnapshot {
        id: snapshot.to_owned(),
        why,
    };
    let id = SnapshotId::decode(snapshot).map_err(|error| no_snapshot(error.to_string()))?;
    if id.fs_id() != session.filesystem.id {
        let why = "it is in another file system than the volume that shows it";
        return Err(no_snapshot(why.to_owned()));
    }
    let record = session.snapshot_journal.lookup(cx, id.uuid()).await?;
    let record = record.ok_or_else(|| no_snapshot("the journal has no record of it".to_owned()))?;
    let name = SnapshotName::new(&record.name);
    let name = name.ok_or_else(|| no_snapshot(format!("its name is `{}`", record.name)))?;
    Ok(Place {
        fs_name: Some(session.filesystem.name.clone()),
        root: session.source(&record).directory(),
        snapshot: Some(Snapshot::OfSubvolume(name)),
    })
}

/// What `mount` allows if its client was given the options of `fs`.
pub(super) fn access(fs: &CephFs, mount: &Mount) -> Access {
    if mount.is_fuse() {
        fs.fuse_options.access()
    } else {
        fs.kernel_options.access()
    }
}

fn writable(snapshot: &Snapshot) -> request::Error {
    let why = format!(
        "the volume shows the snapshot `{}`, which nobody can write to; use ReadOnlyMany",
        snapshot.text()
    );
    request::Error::invalid("volume_capability.access_mode", why)
}
