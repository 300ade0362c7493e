//! Connections to the socket of a driver, from the parts that ask it something.

use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{self, Channel};

use crate::cli::Endpoint;

/// Nobody answers there; the causes are in the message.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect: {0}")]
pub(crate) struct CannotConnect(String);

/// Connects at once, so that an endpoint where nobody listens is an error here and not at the first call.
pub(crate) async fn dial(endpoint: &Endpoint) -> Result<Channel, CannotConnect> {
    let channel = match endpoint {
        Endpoint::Unix(path) => connect_unix(path).await,
        Endpoint::Tcp(address) => connect_tcp(address).await,
    };
    channel.map_err(|error| CannotConnect(chain(&error)))
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
