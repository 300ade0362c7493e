//! One Probe.

use std::time::Duration;

use csi_proto::v1::ProbeRequest;
use csi_proto::v1::identity_client::IdentityClient;
use tonic::Code;

use crate::cli::Endpoint;
use crate::dial::{CannotConnect, dial};

/// Why a driver counts as dead.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error(transparent)]
    Connect(#[from] CannotConnect),
    #[error("{:?}: {}", .0.code(), .0.message())]
    Answer(#[from] tonic::Status),
    #[error("the driver says that it is not ready; its log says why")]
    NotReady,
}

impl Error {
    /// Whether the driver lives and says by itself that it cannot work yet.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::NotReady => true,
            Self::Answer(status) => status.code() == Code::FailedPrecondition,
            Self::Timeout(_) | Self::Connect(_) => false,
        }
    }
}

/// Connects and calls Probe. The connection is made anew each time, so that a driver which no longer
/// accepts connections counts as dead.
pub(super) async fn run(endpoint: &Endpoint, limit: Duration) -> Result<(), Error> {
    tokio::time::timeout(limit, probe(endpoint))
        .await
        .unwrap_or(Err(Error::Timeout(limit)))
}

async fn probe(endpoint: &Endpoint) -> Result<(), Error> {
    let channel = dial(endpoint).await?;
    let response = IdentityClient::new(channel).probe(ProbeRequest {}).await?;
    // The specification has an absent `ready` mean ready.
    match response.into_inner().ready {
        Some(false) => Err(Error::NotReady),
        _ => Ok(()),
    }
}
