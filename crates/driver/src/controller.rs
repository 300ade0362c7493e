//! The controller services: volumes, snapshots and group snapshots come, grow and go.

mod capabilities;
mod cloners;
mod copy;
mod create_snapshot;
mod create_volume;
mod delete_snapshot;
mod delete_volume;
mod expand_volume;
mod get_capacity;
mod get_snapshot;
mod get_volume;
mod get_volume_health;
mod groups;
mod health;
mod list_snapshots;
mod list_volume_health;
mod list_volumes;
mod listing;
mod open;
mod own;
mod provision;
mod shallow;
mod show;
mod snapshot;
mod snapshot_clock;
mod source;
mod trail;
mod validate_capabilities;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use cloners::Cloners;
use csi_proto::v1::{self as csi, controller_server};
pub use groups::Service as GroupService;
pub(crate) use open::check_served;
use snapshot_clock::SnapshotClocks;
use tonic::{Request, Response, Status};
use trail::Trail;

use crate::backend::Backend;
use crate::error::Error;
use crate::events::Events;
use crate::own_credentials::OwnCredentials;
use crate::rpc::Frame;

/// What distinguishes one controller from another.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether names of PVCs, PVs and snapshots become metadata of subvolumes and snapshots.
    pub set_metadata: bool,
    /// Name of the Kubernetes cluster for the metadata, `None` for none.
    pub cluster_name: Option<String>,
}

/// The state of the controller service.
#[derive(Debug)]
pub struct Controller {
    backend: Arc<Backend>,
    settings: Settings,
    own: OwnCredentials,
    trail: Trail,
    directories: listing::Directories,
    cloners: Cloners,
    snapshot_clocks: SnapshotClocks,
    events: Events,
}

/// The gRPC face of a [`Controller`].
#[derive(Clone, Debug)]
pub struct Service {
    controller: Arc<Controller>,
    frame: Arc<Frame>,
}

impl Settings {
    /// The metadata of something new whose `names` the sidecar told.
    fn metadata(&self, names: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        if !self.set_metadata {
            return BTreeMap::new();
        }
        let mut metadata = names.clone();
        if let Some(name) = &self.cluster_name {
            metadata.insert("csi.ceph.com/cluster/name".to_owned(), name.clone());
        }
        metadata
    }
}

impl Controller {
    /// A controller on `backend`.
    pub fn new(backend: Arc<Backend>, settings: Settings) -> Self {
        Self {
            backend,
            settings,
            own: OwnCredentials::default(),
            trail: Trail::default(),
            directories: listing::Directories::default(),
            cloners: Cloners::default(),
            snapshot_clocks: SnapshotClocks::default(),
            events: Events::default(),
        }
    }

    /// The same with credentials of its own, for requests that carry none.
    #[must_use]
    pub fn with_own_credentials(self, own: OwnCredentials) -> Self {
        Self { own, ..self }
    }

    /// Tells users in `events` what takes long.
    #[must_use]
    pub fn with_events(self, events: Events) -> Self {
        Self { events, ..self }
    }

    /// Sets the metadata that is still pending, at most for `grace`. What is left then is in the
    /// journal, for the next process.
    pub async fn drain(&self, grace: Duration) {
        self.trail.drain(grace).await;
    }
}

impl Service {
    /// Serves `controller` through `frame`.
    pub fn new(controller: Arc<Controller>, frame: Arc<Frame>) -> Self {
        Self { controller, frame }
    }
}

#[tonic::async_trait]
impl controller_server::Controller for Service {
    async fn create_volume(
        &self,
        request: Request<csi::CreateVolumeRequest>,
    ) -> Result<Response<csi::CreateVolumeResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, _held, request| async move {
            create_volume::run(&controller, &cx, &request).await
        };
        self.frame.serve(request, run).await
    }

    async fn delete_volume(
        &self,
        request: Request<csi::DeleteVolumeRequest>,
    ) -> Result<Response<csi::DeleteVolumeResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, held, request| async move {
            delete_volume::run(&controller, &cx, &held, &request).await
        };
        self.frame.serve(request, run).await
    }

    async fn controller_expand_volume(
        &self,
        request: Request<csi::ControllerExpandVolumeRequest>,
    ) -> Result<Response<csi::ControllerExpandVolumeResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, held, request| async move {
            expand_volume::run(&controller, &cx, &held, &request).await
        };
        self.frame.serve(request, run).await
    }

    async fn validate_volume_capabilities(
        &self,
        request: Request<csi::ValidateVolumeCapabilitiesRequest>,
    ) -> Result<Response<csi::ValidateVolumeCapabilitiesResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, _held, request| async move {
            validate_capabilities::run(&controller, &cx, &request).await
        };
        self.frame.serve(request, run).await
    }

    async fn create_snapshot(
        &self,
        request: Request<csi::CreateSnapshotRequest>,
    ) -> Result<Response<csi::CreateSnapshotResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, held, request| async move {
            create_snapshot::run(&controller, &cx, &held, &request).await
        };
        self.frame.serve(request, run).await
    }

    async fn delete_snapshot(
        &self,
        request: Request<csi::DeleteSnapshotRequest>,
    ) -> Result<Response<csi::DeleteSnapshotResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, held, request| async move {
            delete_snapshot::run(&controller, &cx, &held, &request).await
        };
        self.frame.serve(request, run).await
    }

    async fn get_snapshot(
        &self,
        request: Request<csi::GetSnapshotRequest>,
    ) -> Result<Response<csi::GetSnapshotResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run =
            |cx, _held, request| async move { get_snapshot::run(&controller, &cx, &request).await };
        self.frame.serve(request, run).await
    }

    async fn list_snapshots(
        &self,
        request: Request<csi::ListSnapshotsRequest>,
    ) -> Result<Response<csi::ListSnapshotsResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, _held, request| async move {
            list_snapshots::run(&controller, &cx, &request).await
        };
        self.frame.serve(request, run).await
    }

    async fn controller_get_capabilities(
        &self,
        request: Request<csi::ControllerGetCapabilitiesRequest>,
    ) -> Result<Response<csi::ControllerGetCapabilitiesResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |_cx, _held, _request| async move { Ok(capabilities::run(&controller)) };
        self.frame.serve(request, run).await
    }

    async fn list_volumes(
        &self,
        request: Request<csi::ListVolumesRequest>,
    ) -> Result<Response<csi::ListVolumesResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run =
            |cx, _held, request| async move { list_volumes::run(&controller, &cx, &request).await };
        self.frame.serve(request, run).await
    }

    async fn controller_get_volume(
        &self,
        request: Request<csi::ControllerGetVolumeRequest>,
    ) -> Result<Response<csi::ControllerGetVolumeResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run =
            |cx, _held, request| async move { get_volume::run(&controller, &cx, &request).await };
        self.frame.serve(request, run).await
    }

    async fn get_capacity(
        &self,
        request: Request<csi::GetCapacityRequest>,
    ) -> Result<Response<csi::GetCapacityResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run =
            |cx, _held, request| async move { get_capacity::run(&controller, &cx, &request).await };
        self.frame.serve(request, run).await
    }

    async fn controller_get_volume_health(
        &self,
        request: Request<csi::ControllerGetVolumeHealthRequest>,
    ) -> Result<Response<csi::ControllerGetVolumeHealthResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, _held, request| async move {
            get_volume_health::run(&controller, &cx, &request).await
        };
        self.frame.serve(request, run).await
    }

    async fn controller_list_volume_health(
        &self,
        request: Request<csi::ControllerListVolumeHealthRequest>,
    ) -> Result<Response<csi::ControllerListVolumeHealthResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, _held, request| async move {
            list_volume_health::run(&controller, &cx, &request).await
        };
        self.frame.serve(request, run).await
    }
}

/// Whether what a request had made before it failed with `error` is undone; the log says why if it is not.
fn is_undone(error: &impl Display, undone: &Result<(), Error>) -> bool {
    if let Err(undoing) = undone {
        tracing::warn!("{error}; and what was made could not be removed: {undoing}");
    }
    undone.is_ok()
}
