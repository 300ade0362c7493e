//! The identity service: who this driver is, what it can do, and whether it is able to work. None of
//! it ever touches Ceph.

use std::sync::Arc;

use csi_proto::v1::plugin_capability::service::Type as ServiceType;
use csi_proto::v1::plugin_capability::volume_expansion::Type as ExpansionType;
use csi_proto::v1::plugin_capability::{Service as ServiceCapability, Type, VolumeExpansion};
use csi_proto::v1::{self as csi, PluginCapability, identity_server};
use tonic::{Request, Response, Status};

use crate::backend::Backend;
use crate::error::Error;
use crate::logging::extended;
use crate::rpc::Frame;
use crate::status;

/// The gRPC face of the identity service.
#[derive(Clone, Debug)]
pub struct Service {
    driver_name: Arc<str>,
    backend: Arc<Backend>,
    frame: Arc<Frame>,
}

impl Service {
    /// The identity of the driver `driver_name`.
    pub fn new(driver_name: &str, backend: Arc<Backend>, frame: Arc<Frame>) -> Self {
        Self {
            driver_name: driver_name.into(),
            backend,
            frame,
        }
    }
}

#[tonic::async_trait]
impl identity_server::Identity for Service {
    async fn get_plugin_info(
        &self,
        request: Request<csi::GetPluginInfoRequest>,
    ) -> Result<Response<csi::GetPluginInfoResponse>, Status> {
        let info = csi::GetPluginInfoResponse {
            name: self.driver_name.to_string(),
            vendor_version: env!("CARGO_PKG_VERSION").to_owned(),
            manifest: [("implementation".to_owned(), "spirula".to_owned())].into(),
        };
        self.frame
            .serve(request, |_cx, _held, _request| async { Ok(info) })
            .await
    }

    async fn get_plugin_capabilities(
        &self,
        request: Request<csi::GetPluginCapabilitiesRequest>,
    ) -> Result<Response<csi::GetPluginCapabilitiesResponse>, Status> {
        self.frame
            .serve(request, |_cx, _held, _request| async { Ok(capabilities()) })
            .await
    }

    /// Ready means: the socket answers, and config.json can be read, or could be once. An outage of
    /// Ceph must not make kubelet restart the driver. Not to be ready is an answer and no error: sidecars ask
    /// again every second then, but end on an error, and a mended file would wait for their back-off.
    async fn probe(
        &self,
        request: Request<csi::ProbeRequest>,
    ) -> Result<Response<csi::ProbeResponse>, Status> {
        let backend = Arc::clone(&self.backend);
        let run = |_cx, _held, _request| async move {
            let checked = backend.config().check().map_err(Error::NotReady);
            if let Err(error) = &checked {
                extended!("{}", status::of(error).message());
            }
            Ok(csi::ProbeResponse {
                ready: Some(checked.is_ok()),
            })
        };
        self.frame.serve(request, run).await
    }
}

/// Those of the plugin as a whole: they do not depend on which services this process has.
fn capabilities() -> csi::GetPluginCapabilitiesResponse {
    let controller = ServiceCapability {
        r#type: ServiceType::ControllerService.into(),
    };
    let expansion = VolumeExpansion {
        r#type: ExpansionType::Online.into(),
    };
    let groups = ServiceCapability {
        r#type: ServiceType::GroupControllerService.into(),
    };
    let types = [
        Type::Service(controller),
        Type::Service(groups),
        Type::VolumeExpansion(expansion),
    ];
    let capability = |r#type| PluginCapability {
        r#type: Some(r#type),
    };
    csi::GetPluginCapabilitiesResponse {
        capabilities: types.map(capability).into(),
    }
}
