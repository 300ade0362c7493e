//! Small HTTP servers, for metrics and health.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long open connections may hold up the end.
const CLOSING: Duration = Duration::from_secs(1);

/// Serves `router` until `shutdown`.
///
/// # Errors
/// Those of the listener.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let stop = shutdown.clone().cancelled_owned();
    let server = axum::serve(listener, router).with_graceful_shutdown(stop);
    tokio::select! {
        ended = server => ended,
        () = async { shutdown.cancelled().await; tokio::time::sleep(CLOSING).await } => Ok(()),
    }
}
