//! Asks the driver in the next container for its name.

use std::time::Duration;

use csi_proto::v1::GetPluginInfoRequest;
use csi_proto::v1::identity_client::IdentityClient;
use tokio::time::Instant;

use crate::cli::Endpoint;
use crate::dial::{CannotConnect, dial};

/// Between two attempts, and between two lines about them.
const PAUSE: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no answer within {0:?} (--timeout)")]
    Timeout(Duration),
    #[error(transparent)]
    Connect(#[from] CannotConnect),
    #[error("{:?}: {}", .0.code(), .0.message())]
    Answer(#[from] tonic::Status),
    #[error("the driver has an empty name")]
    NoName,
}

/// Asks again and again, `limit` for each attempt: the driver may well start later than its registrar.
pub(super) async fn until_answered(driver: &Endpoint, limit: Duration) -> String {
    let mut last_told: Option<Instant> = None;
    loop {
        let answer = tokio::time::timeout(limit, once(driver)).await;
        let error = match answer.unwrap_or(Err(Error::Timeout(limit))) {
            Ok(name) => return name,
            Err(error) => error,
        };
        if last_told.is_none_or(|told| told.elapsed() >= SILENCE) {
            tracing::warn!("waiting for the driver at {driver}: {error}");
            last_told = Some(Instant::now());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn once(driver: &Endpoint) -> Result<String, Error> {
    let channel = dial(driver).await?;
    let info = IdentityClient::new(channel)
        .get_plugin_info(GetPluginInfoRequest {})
        .await?
        .into_inner();
    if info.name.is_empty() {
        return Err(Error::NoName);
    }
    Ok(info.name)
}
