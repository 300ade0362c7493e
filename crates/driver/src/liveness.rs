//! Calls Probe of the driver again and again, and shows the outcome as the gauge `csi_liveness` to Prometheus:
//! as `--type=liveness` for the driver in the next container, or inside of the driver's process. `/healthz`
//! calls Probe at once, for the kubelet's own probes of the driver's container: there it is an error that the
//! driver does not answer, and none that its configuration is not good yet, which no restart would mend.

mod probe;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::cli::LivenessSettings;
use crate::http;
use crate::logging::extended;
use crate::metrics::{CONTENT_TYPE, Metrics};

/// Where the sidecar livenessprobe answers too.
const HEALTH: &str = "/healthz";

/// Why the probe could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen for HTTP on {address} (POD_IP and --metricsport)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The HTTP server ended.
    #[error("HTTP server failed")]
    Serve(#[source] io::Error),
}

/// What the HTTP server shows.
#[derive(Debug)]
struct Shown {
    settings: LivenessSettings,
    metrics: Metrics,
}

/// Probes and answers until `shutdown`.
pub async fn run(settings: LivenessSettings, shutdown: CancellationToken) -> Result<(), Error> {
    let address = settings.listen;
    let listener = http::listen(&address.to_string())
        .await
        .map_err(|source| Error::Listen { address, source })?;
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(
        "{} probes {} and answers on http://{address}{}",
        settings.driver_name,
        settings.endpoint,
        settings.path,
    );
    let alive = Alive::default();
    let shown = Arc::new(Shown {
        settings: settings.clone(),
        metrics: metrics(&alive),
    });
    let router = Router::new().fallback(answer).with_state(shown);
    tokio::select! {
        ended = http::serve(listener, router, shutdown) => ended.map_err(Error::Serve),
        () = probe_again_and_again(&settings, &alive) => Ok(()),
    }
}

/// 1 after a Probe that was answered well, else 0.
type Alive = Gauge;

fn metrics(alive: &Alive) -> Metrics {
    Metrics::new().with("csi_liveness", "Liveness Probe", alive.clone())
}

async fn probe_again_and_again(settings: &LivenessSettings, alive: &Alive) {
    let mut ticks = tokio::time::interval(settings.poll_time);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let outcome = probe::run(&settings.endpoint, settings.timeout).await;
        match &outcome {
            Ok(()) => extended!("probe of {}: ready", settings.endpoint),
            Err(error) => tracing::error!("probe of {} failed: {error}", settings.endpoint),
        }
        alive.set(outcome.is_ok().into());
    }
}

async fn answer(State(shown): State<Arc<Shown>>, uri: Uri) -> Response {
    let settings = &shown.settings;
    if uri.path() == settings.path {
        let text = shown.metrics.text();
        ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
    } else if uri.path() == HEALTH {
        match probe::run(&settings.endpoint, settings.timeout).await {
            Ok(()) => "ok".into_response(),
            Err(error) if error.is_answer() => format!("it answers: {error}\n").into_response(),
            Err(error) => {
                let text = format!("probe of {} failed: {error}\n", settings.endpoint);
                (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
            }
        }
    } else {
        let text = format!("metrics are at {}, health at {HEALTH}\n", settings.path);
        (StatusCode::NOT_FOUND, text).into_response()
    }
}
