//! The node service on mounts in memory.

mod events;
mod health;
mod kills;
mod publish;
mod recovery;
mod shallow;
mod stage;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use ceph::fault::Faults;
use ceph::{Context, Object, Pool, Subvolume, WriteOp, WriteStep};
use csi_proto::v1::{
    self as csi, NodeGetVolumeStatsRequest, NodePublishVolumeRequest, NodeStageVolumeRequest,
    NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest, VolumeCapability,
    volume_capability::{AccessMode, AccessType, MountVolume, access_mode::Mode},
};
use tonic::Code;

use super::{
    Labels, Node, Records, Recovery, Settings, publish_volume, stage_volume, unpublish_volume,
    unstage_volume, volume_health, volume_stats,
};
use crate::backend::Backend;
use crate::config::Config;
use crate::error::Error;
use crate::mount::memory::Memory;
use crate::status;

const UUID: &str = "a0a0a0a0-b1b1-c2c2-d3d3-e4e4e4e4e4e4";
const STAGING: &str = "/plugins/driver/hash/globalmount";
const TARGET: &str = "/pods/a/volumes/csi/pv/mount";
const OTHER_TARGET: &str = "/pods/b/volumes/csi/pv/mount";
/// A snapshot, from the root of the mount that it is in.
const SNAPSHOT: &str = "/.snap/csi-snap-1/data";
const KEY: &str = "AQAA7wNrwnFsKxAA9yLs/wca7PSw4UUYf1UIgA==";

/// A node, its mounts, and the cluster that it would ask.
struct Lab {
    config: Arc<Config>,
    cluster: ceph::memory::Memory,
    mounts: Arc<Memory>,
    /// Outlive the driver, as the kernel's keyring does.
    records: Records,
    heal_running_pods: bool,
    mountinfo_dir: Option<std::path::PathBuf>,
    node: Arc<Node>,
    directory: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(
            br#"[{"clusterID": "lab", "monitors": ["192.0.2.1:6789", "192.0.2.2"],
                  "cephFS": {"fuseMountOptions": "debug"}},
                 {"clusterID": "near", "monitors": ["192.0.2.3"],
                  "cephFS": {"kernelMountOptions": "ms_mode=crc,noatime"},
                  "readAffinity": {"enabled": true, "crushLocationLabels": ["a/zone", "kubernetes.io/hostname"]}},
                 {"clusterID": "flag", "monitors": ["192.0.2.4"], "readAffinity": {"enabled": true}}]"#,
        )
        .unwrap();
        let config = Arc::new(Config::open(path, "csi"));
        let cluster = ceph::memory::Memory::new();
        cluster.create_filesystem("cephfs");
        cluster.create_group("cephfs", "csi");
        let mounts = Arc::new(Memory::new(Faults::new()));
        mounts.add_dir(STAGING);
        mounts.add_dir("/pods/a/volumes/csi/pv");
        mounts.add_content(SNAPSHOT);
        let records = Records::in_memory();
        let node = node(&config, &cluster, &mounts, Settings::default());
        let recovery = Recovery::new(records.clone(), false);
        Self {
            config,
            cluster,
            mounts,
            records,
            heal_running_pods: false,
            mountinfo_dir: None,
            node: Arc::new(node.with_recovery(recovery)),
            directory,
        }
    }

    /// The driver is started again with these faults ahead of it.
    fn restart(&mut self, faults: Faults) {
        self.mounts = Arc::new(self.mounts.restarted(faults));
        let settings = Settings {
            mountinfo_dir: self.mountinfo_dir.clone(),
            ..Settings::default()
        };
        let node = node(&self.config, &self.cluster, &self.mounts, settings);
        let recovery = Recovery::new(self.records.clone(), self.heal_running_pods);
        self.node = Arc::new(node.with_recovery(recovery));
    }

    /// Writes an omap as the original would.
    async fn store(&self, object: &str, pairs: &[(&str, &str)]) {
        let at = Object {
            pool: 1,
            namespace: "csi".to_owned(),
            name: object.to_owned(),
        };
        let omap = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        let write = WriteOp::new()
            .then(WriteStep::Create)
            .then(WriteStep::OmapSet(omap.collect()));
        let client = self.cluster.client();
        client.write(&cx(), &at, write).await.unwrap();
    }

    async fn stage(&self, request: &NodeStageVolumeRequest) -> Result<(), Error> {
        stage_volume::run(&self.node, &cx(), request)
            .await
            .map(drop)
    }

    async fn publish(&self, request: &NodePublishVolumeRequest) -> Result<(), Error> {
        publish_volume::run(&self.node, &cx(), request)
            .await
            .map(drop)
    }

    async fn unpublish(&self, target: &str) -> Result<(), Error> {
        let request = NodeUnpublishVolumeRequest {
            volume_id: volume_id(),
            target_path: target.to_owned(),
        };
        unpublish_volume::run(&self.node, &cx(), &request)
            .await
            .map(drop)
    }

    async fn unstage(&self) -> Result<(), Error> {
        let request = NodeUnstageVolumeRequest {
            volume_id: volume_id(),
            staging_target_path: STAGING.to_owned(),
        };
        unstage_volume::run(&self.node, &cx(), &request)
            .await
            .map(drop)
    }

    async fn stats(&self, path: &str) -> Result<csi::NodeGetVolumeStatsResponse, Error> {
        let request = NodeGetVolumeStatsRequest {
            volume_id: volume_id(),
            volume_path: path.to_owned(),
            ..NodeGetVolumeStatsRequest::default()
        };
        volume_stats::run(&self.node, &cx(), &request).await
    }

    async fn health(&self, paths: [&str; 2]) -> Result<csi::VolumeHealth, Error> {
        let request = csi::NodeGetVolumeHealthRequest {
            volume_id: volume_id(),
            volume_publish_path: paths[0].to_owned(),
            staging_target_path: paths[1].to_owned(),
        };
        let answer = volume_health::run(&self.node, &cx(), &request).await?;
        Ok(answer.volume_health.unwrap())
    }
}

fn node(
    config: &Arc<Config>,
    cluster: &ceph::memory::Memory,
    mounts: &Arc<Memory>,
    settings: Settings,
) -> Node {
    let pool = Pool::new(Arc::new(cluster.clone()));
    let backend = Backend::new(Arc::clone(config), pool, "default");
    let settings = Settings {
        node_id: "node-1".to_owned(),
        fuse_mount_options: "from_flag".to_owned(),
        kernel_mount_options: "from_flag".to_owned(),
        volume_mount_group: false,
        topology: map([("topology.d/zone", "z1")]),
        crush_location_labels: vec!["rack".to_owned()],
        ..settings
    };
    Node::new(settings, Arc::new(backend), Arc::clone(mounts) as _)
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(10))
}

fn volume_id() -> String {
    format!("0001-0003-lab-0000000000000001-{UUID}")
}

fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn capability(mode: Mode) -> VolumeCapability {
    VolumeCapability {
        access_mode: Some(AccessMode { mode: mode.into() }),
        access_type: Some(AccessType::Mount(MountVolume::default())),
    }
}

fn with_flags(mut capability: VolumeCapability, flags: &[&str]) -> VolumeCapability {
    capability.access_type = Some(AccessType::Mount(MountVolume {
        mount_flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
        ..MountVolume::default()
    }));
    capability
}

fn subvolume() -> Subvolume {
    Subvolume {
        fs: "cephfs".to_owned(),
        group: "csi".to_owned(),
        name: format!("csi-vol-{UUID}"),
    }
}

fn stage_request() -> NodeStageVolumeRequest {
    let name = subvolume().name;
    NodeStageVolumeRequest {
        volume_id: volume_id(),
        staging_target_path: STAGING.to_owned(),
        volume_capability: Some(capability(Mode::MultiNodeMultiWriter)),
        secrets: map([("userID", "node"), ("userKey", KEY)]),
        volume_context: map([
            ("clusterID", "lab"),
            ("fsName", "cephfs"),
            ("subvolumeName", &name),
            ("subvolumePath", &format!("/volumes/csi/{name}/{UUID}")),
        ]),
        ..NodeStageVolumeRequest::default()
    }
}

/// For a volume of this driver that shows a snapshot of another volume.
fn snapshot_request() -> NodeStageVolumeRequest {
    let mut request = stage_request();
    request.volume_capability = Some(capability(Mode::MultiNodeReaderOnly));
    request.volume_context.extend(map([
        ("subvolumePath", "/volumes/csi/csi-vol-parent/"),
        ("backingSnapshotID", "0001-0003-lab-0000000000000001-snap"),
        ("backingSnapshotName", "csi-snap-1"),
    ]));
    request
}

fn publish_request(target: &str) -> NodePublishVolumeRequest {
    NodePublishVolumeRequest {
        volume_id: volume_id(),
        staging_target_path: STAGING.to_owned(),
        target_path: target.to_owned(),
        volume_capability: Some(capability(Mode::MultiNodeMultiWriter)),
        ..NodePublishVolumeRequest::default()
    }
}

#[track_caller]
fn assert_code<T: std::fmt::Debug>(result: Result<T, Error>, code: Code, text: &str) {
    let error = result.unwrap_err();
    let status = status::of(&error);
    assert_eq!(status.code(), code, "{}", status.message());
    assert!(status.message().contains(text), "{}", status.message());
}

/// Runs `future` until it ends or the faults kill the process.
async fn unless_killed<T>(faults: &Faults, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = faults.killed() => None,
    }
}
