//! `--http-endpoint`: whether the socket is there, for a liveness probe of the container.

use std::path::Path;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::Error;
use crate::http;

/// Serves `/healthz` until something fails; without an address it waits for ever.
pub(super) async fn serve(address: Option<String>, socket: &Path) -> Error {
    let Some(address) = address else {
        return std::future::pending().await;
    };
    let socket = socket.to_owned();
    let healthz = get(async move || match socket.symlink_metadata() {
        Ok(_) => (StatusCode::OK, "ok".to_owned()),
        Err(error) => {
            let text = format!("{}: {error}\n", socket.display());
            (StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    });
    let served = async {
        let listener = http::listen(&address).await?;
        tracing::info!("health checks on http://{}/healthz", listener.local_addr()?);
        axum::serve(listener, Router::new().route("/healthz", healthz)).await
    };
    match served.await {
        Err(source) => Error::Health { address, source },
        // It serves until it fails.
        Ok(()) => std::future::pending().await,
    }
}
