//! From a stage request to the CephFS directory that is to be mounted.

use ceph::Context;

use super::Node;
use crate::config::ClusterEntry;
use crate::error::Error;
use crate::ids::VolumeId;
use crate::mount::{Access, CephFs, MountOptions, OptionSources};
use crate::request::{Place, Source, StageVolume};

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
                Ok(self.of_cluster(request, &cluster, Some(place.fs_name), place.root))
            }
            Source::Static {
                cluster_id,
                fs_name,
                root,
            } => {
                let cluster = config.cluster(cluster_id)?;
                Ok(self.of_cluster(request, &cluster, fs_name.clone(), root.clone()))
            }
            Source::Monitors {
                monitors,
                fs_name,
                root,
            } => Ok(CephFs {
                monitors: monitors.clone(),
                name: fs_name.clone(),
                root: root.clone(),
                user: request.credentials.id.clone(),
                key: request.credentials.key.clone(),
                fuse_options: self.options(request, &request.client.fuse, None, Client::Fuse),
                kernel_options: self.options(request, &request.client.kernel, None, Client::Kernel),
                net_namespace: None,
                mounter: request.client.mounter,
            }),
        }
    }

    fn of_cluster(
        &self,
        request: &StageVolume,
        cluster: &ClusterEntry,
        name: Option<String>,
        root: String,
    ) -> CephFs {
        let fuse = cluster.fuse_mount_options.as_deref();
        let kernel = cluster.kernel_mount_options.as_deref();
        CephFs {
            monitors: cluster.monitors.clone(),
            name,
            root,
            user: request.credentials.id.clone(),
            key: request.credentials.key.clone(),
            fuse_options: self.options(request, &request.client.fuse, fuse, Client::Fuse),
            kernel_options: self.options(request, &request.client.kernel, kernel, Client::Kernel),
            net_namespace: cluster.net_namespace_file.clone(),
            mounter: request.client.mounter,
        }
    }

    fn options(
        &self,
        request: &StageVolume,
        volume: &str,
        cluster: Option<&str>,
        client: Client,
    ) -> MountOptions {
        let flag = match client {
            Client::Fuse => &self.settings.fuse_mount_options,
            Client::Kernel => &self.settings.kernel_mount_options,
        };
        MountOptions::merge(&OptionSources {
            volume,
            cluster,
            flag,
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
        let record = record.unwrap_or_else(|| crate::journal::Record::without_journal(id.uuid()));
        crate::controller::check_served(&record)?;
        match session
            .subvolumes
            .path(cx, &session.subvolume(&record))
            .await
        {
            Ok(root) => Ok(Place {
                fs_name: session.filesystem.name.clone(),
                root,
            }),
            Err(error) if error.is_not_found() => Err(no_volume("its subvolume is gone")),
            Err(error) => Err(session.explain(error.into())),
        }
    }
}

#[derive(Clone, Copy)]
enum Client {
    Fuse,
    Kernel,
}

/// Whether the client that mounts `fs` will refuse writes. Both clients get the same answer from
/// their options unless somebody gave `ro` to one of them alone; ceph-fuse's is the one that counts
/// here.
pub(super) fn access(fs: &CephFs) -> Access {
    fs.fuse_options.access()
}
