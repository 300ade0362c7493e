//! The process's own metrics, in Prometheus' text format: docs/metrics.md says what each one means.
//!
//! What is counted is counted whether or not anybody asks. A scrape reads memory and `/proc`, and never
//! asks Ceph or a mount: it answers during an outage, too.

mod ceph;
mod ended;
mod in_flight;
mod process;
mod rpc;
mod volumes;

use std::fmt;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use tokio_util::sync::CancellationToken;

pub use self::ceph::CephCalls;
use self::in_flight::InFlight;
use self::process::Process;
pub use self::rpc::Rpcs;
use self::volumes::Volumes;
use crate::http;
use crate::node::Node;
use crate::rpc::Frame;

/// The type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Where they are.
const PATH: &str = "/metrics";

/// Metrics cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen for HTTP on {address} (--metrics-listen)")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The HTTP server ended.
    #[error("the HTTP server of the metrics failed")]
    Serve(#[source] io::Error),
}

/// Everything that is shown.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// What there is to tell of any process.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::new()));
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        Self { registry }.with("spirula_build", "Which release this is", build)
    }

    /// The same with one more.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, help: &str, metric: impl Metric) -> Self {
        self.registry.register(name, help, metric);
        self
    }

    /// The same with calls to Ceph.
    #[must_use]
    pub fn with_ceph(mut self, calls: &CephCalls) -> Self {
        calls.register(&mut self.registry);
        self
    }

    /// The same with requests, those that have ended and those that run.
    #[must_use]
    pub fn with_requests(mut self, frame: &Arc<Frame>) -> Self {
        frame.rpcs().register(&mut self.registry);
        let in_flight = InFlight::new(Arc::clone(frame));
        self.registry.register_collector(Box::new(in_flight));
        self
    }

    /// The same with the volumes of a node.
    #[must_use]
    pub fn with_volumes(mut self, node: &Arc<Node>) -> Self {
        let volumes = Volumes::new(Arc::clone(node));
        self.registry.register_collector(Box::new(volumes));
        self
    }

    /// All of them as they are now.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        if prometheus_text::encode(&mut text, &self.registry).is_err() {
            tracing::error!("metrics cannot be written");
        }
        text
    }

    /// Shows them on `address` until `shutdown`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn serve(self, address: &str, shutdown: CancellationToken) -> Result<(), Error> {
        let listen = |source| Error::Listen {
            address: address.to_owned(),
            source,
        };
        let listener = http::listen(address).await.map_err(listen)?;
        let at = listener.local_addr().map_err(listen)?;
        tracing::info!("metrics on http://{at}{PATH}");
        let router = Router::new()
            .route(PATH, get(answer))
            .with_state(Arc::new(self));
        let served = http::serve(listener, router, shutdown).await;
        served.map_err(Error::Serve)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

async fn answer(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.text())
}

/// From one write to the journal to the longest call.
fn seconds() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        120.0,
    ])
}

/// Gauges of one name that a scrape works out.
fn gauges<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, f64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
