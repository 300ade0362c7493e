//! The group controller service: snapshots of several volumes that show one moment.

mod capabilities;
mod create;
mod delete;
mod get;
mod members;
mod message;
mod quiet;

use std::sync::Arc;

use csi_proto::v1::{self as csi, group_controller_server};
use tonic::{Request, Response, Status};

use super::Controller;
use crate::rpc::Frame;

/// The gRPC face of a [`Controller`] for groups.
#[derive(Clone, Debug)]
pub struct Service {
    controller: Arc<Controller>,
    frame: Arc<Frame>,
}

impl Service {
    /// Serves `controller` through `frame`.
    pub fn new(controller: Arc<Controller>, frame: Arc<Frame>) -> Self {
        Self { controller, frame }
    }
}

#[tonic::async_trait]
impl group_controller_server::GroupController for Service {
    async fn group_controller_get_capabilities(
        &self,
        request: Request<csi::GroupControllerGetCapabilitiesRequest>,
    ) -> Result<Response<csi::GroupControllerGetCapabilitiesResponse>, Status> {
        let run = |_cx, _held, _request| async { Ok(capabilities::run()) };
        self.frame.serve(request, run).await
    }

    async fn create_volume_group_snapshot(
        &self,
        request: Request<csi::CreateVolumeGroupSnapshotRequest>,
    ) -> Result<Response<csi::CreateVolumeGroupSnapshotResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run =
            |cx, held, request| async move { create::run(&controller, &cx, &held, &request).await };
        self.frame.serve(request, run).await
    }

    async fn delete_volume_group_snapshot(
        &self,
        request: Request<csi::DeleteVolumeGroupSnapshotRequest>,
    ) -> Result<Response<csi::DeleteVolumeGroupSnapshotResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run =
            |cx, held, request| async move { delete::run(&controller, &cx, &held, &request).await };
        self.frame.serve(request, run).await
    }

    async fn get_volume_group_snapshot(
        &self,
        request: Request<csi::GetVolumeGroupSnapshotRequest>,
    ) -> Result<Response<csi::GetVolumeGroupSnapshotResponse>, Status> {
        let controller = Arc::clone(&self.controller);
        let run = |cx, _held, request| async move { get::run(&controller, &cx, &request).await };
        self.frame.serve(request, run).await
    }
}
