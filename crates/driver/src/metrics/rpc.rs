//! Requests that have been answered.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;

use super::outcome::Outcome;

/// How many requests were answered in which way, and how long they took.
#[derive(Clone, Debug)]
pub struct Rpcs {
    handled: Family<Answer, Counter>,
    seconds: Family<Method, Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    code: Outcome<Code>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

impl Rpcs {
    /// A request of `method` was answered after this time.
    pub(crate) fn answered(&self, method: &'static str, took: Duration, answer: Result<(), Code>) {
        let code = Outcome(answer);
        self.handled.get_or_create(&Answer { method, code }).inc();
        let seconds = self.seconds.get_or_create(&Method { method });
        seconds.observe(took.as_secs_f64());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "spirula_rpc_handled",
            "Requests that were answered, by method and gRPC code",
            self.handled.clone(),
        );
        registry.register(
            "spirula_rpc_duration_seconds",
            "Time from a request to its answer",
            self.seconds.clone(),
        );
    }
}

impl Default for Rpcs {
    fn default() -> Self {
        Self {
            handled: Family::default(),
            seconds: Family::new_with_constructor(super::seconds),
        }
    }
}
