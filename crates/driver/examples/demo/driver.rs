//! The driver's services, called over its socket as Kubernetes calls them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use csi_proto::v1::controller_client::ControllerClient;
use csi_proto::v1::identity_client::IdentityClient;
use csi_proto::v1::node_client::NodeClient;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Response, Status};

use crate::screen;

/// Time for a call; the sidecars of Kubernetes allow about as much.
const PATIENCE: Duration = Duration::from_mins(1);

/// Clients of the three services.
pub(crate) struct Driver {
    pub(crate) identity: IdentityClient<Channel>,
    pub(crate) controller: ControllerClient<Channel>,
    pub(crate) node: NodeClient<Channel>,
}

impl Driver {
    pub(crate) async fn connect(socket: PathBuf) -> anyhow::Result<Self> {
        let connect = move |_: Uri| {
            let socket = socket.clone();
            async move {
                tokio::net::UnixStream::connect(socket)
                    .await
                    .map(TokioIo::new)
            }
        };
        // The address is not used, but HTTP wants one.
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint
            .connect_with_connector(tower::service_fn(connect))
            .await?;
        Ok(Self {
            identity: IdentityClient::new(channel.clone()),
            controller: ControllerClient::new(channel.clone()),
            node: NodeClient::new(channel),
        })
    }
}

/// A request with a deadline.
pub(crate) fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// Makes a call before the reader's eyes, which has to succeed.
pub(crate) async fn call<T>(
    name: &str,
    fields: &[(&str, String)],
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> anyhow::Result<T> {
    // What the status says is on the screen already.
    let answer = attempt(name, fields, call).await;
    answer.map_err(|_| anyhow!("expected: {name} succeeds"))
}

/// Makes a call before the reader's eyes.
pub(crate) async fn attempt<T>(
    name: &str,
    fields: &[(&str, String)],
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    screen::call(name, fields);
    let started = Instant::now();
    let answer = call.await.map(Response::into_inner);
    screen::answer(answer.as_ref().err(), started.elapsed());
    answer
}
