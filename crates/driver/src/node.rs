//! The node service: volumes are mounted and unmounted where pods run.
//!
//! Staging mounts a volume once per node, publishing binds that mount to each pod. What is mounted is
//! always learnt from the kernel's table, so every RPC can be repeated, whoever died before: nothing
//! about mounts is stored anywhere else.

mod capabilities;
mod condition;
mod expand_volume;
mod info;
mod known;
mod labels;
mod overview;
mod path_error;
mod place;
mod publish_volume;
mod read_affinity;
mod recovery;
mod source;
mod stage_volume;
mod storage_health;
mod tell;
#[cfg(test)]
mod tests;
pub mod topology;
mod unpublish_volume;
mod unstage_volume;
mod usages;
mod volume_health;
mod volume_stats;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Once};

use csi_proto::v1::{self as csi, node_server};
use tonic::{Request, Response, Status};

use self::condition::Sick;
use self::known::Known;
pub use self::labels::{Labels, LabelsError};
pub use self::path_error::PathError;
pub use self::recovery::record::Records;
pub use self::recovery::{Recovery, watch};
use self::usages::Usages;
use crate::backend::Backend;
use crate::events::Events;
use crate::mount::Mounts;
use crate::rpc::Frame;
use crate::status;

/// What distinguishes one node from another.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The node's name: `--nodeid`.
    pub node_id: String,
    /// `--fusemountoptions`: for clusters without a value of their own in config.json.
    pub fuse_mount_options: String,
    /// `--kernelmountoptions`, likewise.
    pub kernel_mount_options: String,
    /// `--volume-mount-group`: whether the volume's root gets the group of the pod that it is published to.
    pub volume_mount_group: bool,
    /// Where the node is, see [`topology`].
    pub topology: BTreeMap<String, String>,
    /// `--crush-location-labels`: for clusters without labels of their own in config.json.
    pub crush_location_labels: Vec<String>,
    /// `--mountinfo-dir`: where ceph-csi's node plugin keeps records of its FUSE mounts, if it was here.
    pub mountinfo_dir: Option<PathBuf>,
}

/// The state of the node service.
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    backend: Arc<Backend>,
    mounts: Arc<dyn Mounts>,
    labels: Labels,
    known: Known,
    recovery: Recovery,
    sick: Sick,
    usages: Usages,
    events: Events,
    /// See [`read_affinity`].
    affinity_told: Once,
}

/// The gRPC face of a [`Node`].
#[derive(Clone, Debug)]
pub struct Service {
    node: Arc<Node>,
    frame: Arc<Frame>,
}

impl Node {
    /// A node that mounts with `mounts`, and asks `backend` about volumes whose context does not tell
    /// where they are.
    pub fn new(settings: Settings, backend: Arc<Backend>, mounts: Arc<dyn Mounts>) -> Self {
        Self {
            settings,
            backend,
            mounts,
            labels: Labels::default(),
            known: Known::default(),
            recovery: Recovery::new(Records::in_memory(), false),
            sick: Sick::default(),
            usages: Usages::default(),
            events: Events::default(),
            affinity_told: Once::new(),
        }
    }

    /// With labels, which read affinity needs.
    #[must_use]
    pub fn with_labels(self, labels: Labels) -> Self {
        Self { labels, ..self }
    }

    /// Tells users in `events` what happened to their volumes.
    #[must_use]
    pub fn with_events(self, events: Events) -> Self {
        Self { events, ..self }
    }

    /// Recovers volumes as `recovery` says, while [`watch`] looks after them.
    #[must_use]
    pub fn with_recovery(self, recovery: Recovery) -> Self {
        Self { recovery, ..self }
    }
}

impl Service {
    /// Serves `node` through `frame`.
    pub fn new(node: Arc<Node>, frame: Arc<Frame>) -> Self {
        Self { node, frame }
    }
}

/// `serve!(self, request, module)`: serves the request with `module::run`.
macro_rules! serve {
    ($service:ident, $request:ident, $module:ident) => {{
        let node = Arc::clone(&$service.node);
        let run = |cx, _held, request| async move { $module::run(&node, &cx, &request).await };
        $service.frame.serve($request, run).await
    }};
}

#[tonic::async_trait]
impl node_server::Node for Service {
    async fn node_stage_volume(
        &self,
        request: Request<csi::NodeStageVolumeRequest>,
    ) -> Result<Response<csi::NodeStageVolumeResponse>, Status> {
        serve!(self, request, stage_volume)
    }

    async fn node_unstage_volume(
        &self,
        request: Request<csi::NodeUnstageVolumeRequest>,
    ) -> Result<Response<csi::NodeUnstageVolumeResponse>, Status> {
        serve!(self, request, unstage_volume)
    }

    async fn node_publish_volume(
        &self,
        request: Request<csi::NodePublishVolumeRequest>,
    ) -> Result<Response<csi::NodePublishVolumeResponse>, Status> {
        serve!(self, request, publish_volume)
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<csi::NodeUnpublishVolumeRequest>,
    ) -> Result<Response<csi::NodeUnpublishVolumeResponse>, Status> {
        serve!(self, request, unpublish_volume)
    }

    async fn node_get_volume_stats(
        &self,
        request: Request<csi::NodeGetVolumeStatsRequest>,
    ) -> Result<Response<csi::NodeGetVolumeStatsResponse>, Status> {
        serve!(self, request, volume_stats)
    }

    async fn node_get_volume_health(
        &self,
        request: Request<csi::NodeGetVolumeHealthRequest>,
    ) -> Result<Response<csi::NodeGetVolumeHealthResponse>, Status> {
        serve!(self, request, volume_health)
    }

    async fn node_get_storage_health(
        &self,
        request: Request<csi::NodeGetStorageHealthRequest>,
    ) -> Result<Response<csi::NodeGetStorageHealthResponse>, Status> {
        serve!(self, request, storage_health)
    }

    async fn node_expand_volume(
        &self,
        _request: Request<csi::NodeExpandVolumeRequest>,
    ) -> Result<Response<csi::NodeExpandVolumeResponse>, Status> {
        Err(status::of(&expand_volume::refusal()))
    }

    async fn node_get_capabilities(
        &self,
        request: Request<csi::NodeGetCapabilitiesRequest>,
    ) -> Result<Response<csi::NodeGetCapabilitiesResponse>, Status> {
        let capabilities = capabilities::run(&self.node);
        let run = |_cx, _held, _request| async { Ok(capabilities) };
        self.frame.serve(request, run).await
    }

    async fn node_get_info(
        &self,
        request: Request<csi::NodeGetInfoRequest>,
    ) -> Result<Response<csi::NodeGetInfoResponse>, Status> {
        let info = info::run(&self.node);
        let run = |_cx, _held, _request| async { Ok(info) };
        self.frame.serve(request, run).await
    }
}
