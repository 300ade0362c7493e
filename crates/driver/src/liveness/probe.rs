//! One Probe.

use std::path::{Path, PathBuf};
use std::time::Duration;

use csi_proto::v1::ProbeRequest;
use csi_proto::v1::identity_client::IdentityClient;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{self, Channel};

use crate::cli::Endpoint;

/// Why a driver counts as dead.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("{:?}: {}", .0.code(), .0.message())]
    Answer(#[from] tonic::Status),
    #[error("the driver says that it is not ready")]
    NotReady,
}

/// Connects and calls Probe. The connection is made anew each time, so that a driver which no longer
/// accepts connections counts as dead.
pub(super) async fn run(endpoint: &Endpoint, limit: Duration) -> Result<(), Error> {
    tokio::time::timeout(limit, probe(endpoint))
        .await
        .unwrap_or(Err(Error::Timeout(limit)))
}

async fn probe(endpoint: &Endpoint) -> Result<(), Error> {
    let channel = match endpoint {
        Endpoint::Unix(path) => connect_unix(path).await,
        Endpoint::Tcp(address) => connect_tcp(address).await,
    };
    let channel = channel.map_err(|error| Error::Connect(chain(&error)))?;
    let response = IdentityClient::new(channel).probe(ProbeRequest {}).await?;
    // The specification has an absent `ready` mean ready.
    match response.into_inner().ready {
        Some(false) => Err(Error::NotReady),
        _ => Ok(()),
    }
}

async fn connect_unix(path: &Path) -> Result<Channel, transport::Error> {
    let path = PathBuf::from(path);
    let connector = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The authority is needed by HTTP/2 and means nothing on a unix socket.
    transport::Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
}

async fn connect_tcp(address: &str) -> Result<Channel, transport::Error> {
    transport::Endpoint::from_shared(format!("http://{address}"))?
        .connect()
        .await
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
