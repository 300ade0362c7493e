//! Requests that have been answered.

use std::time::Duration;

use prometheus_client::registry::Registry;
use tonic::Code;

use super::ended::Ended;

/// How many requests were answered in which way, and how long they took.
#[derive(Clone, Debug)]
pub struct Rpcs(Ended<1, Code>);

impl Rpcs {
    /// A request of `method` was answered after this time.
    pub(crate) fn answered(&self, method: &'static str, took: Duration, answer: Result<(), Code>) {
        self.0.add([("method", method)], took, answer);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        self.0.register(
            registry,
            [
                "spirula_rpc_handled",
                "Requests that were answered, by method and gRPC code",
            ],
            [
                "spirula_rpc_duration_seconds",
                "Time from a request to its answer",
            ],
        );
    }
}

impl Default for Rpcs {
    fn default() -> Self {
        Self(Ended::by("code"))
    }
}
