//! What the kubelet calls.

use csi_proto::registration::registration_server::Registration;
use csi_proto::registration::{
    InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse,
};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::logging::extended;

/// What the kubelet has said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Registered,
    Refused(String),
}

#[derive(Debug)]
pub(super) struct Service {
    info: PluginInfo,
    state: watch::Sender<State>,
}

impl Service {
    pub(super) fn new(info: PluginInfo, state: watch::Sender<State>) -> Self {
        Self { info, state }
    }
}

#[tonic::async_trait]
impl Registration for Service {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        extended!("the kubelet asks who registers");
        Ok(Response::new(self.info.clone()))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        let status = request.into_inner();
        let state = if status.plugin_registered {
            tracing::info!("registered with the kubelet as {}", self.info.name);
            State::Registered
        } else {
            // Inside of the driver nothing else tells of it. The kubelet tries again by itself.
            tracing::error!("the kubelet refuses {}: {}", self.info.name, status.error);
            State::Refused(status.error)
        };
        self.state.send_replace(state);
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}
