//! Calls to Ceph.

use std::time::Duration;

use ceph::ErrorKind;
use ceph::observe::{Call, Daemon, Observer};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::outcome::Outcome;

/// How many calls ended in which way, and how long they took.
#[derive(Clone, Debug)]
pub struct CephCalls {
    ended: Family<Ended, Counter>,
    seconds: Family<Asked, Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    daemon: &'static str,
    command: &'static str,
    outcome: Outcome<ErrorKind>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    daemon: &'static str,
    command: &'static str,
}

impl CephCalls {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "spirula_ceph_calls",
            "Calls to Ceph that have ended, by daemon, command and outcome",
            self.ended.clone(),
        );
        registry.register(
            "spirula_ceph_call_duration_seconds",
            "Time that calls to Ceph took",
            self.seconds.clone(),
        );
    }
}

impl Observer for CephCalls {
    fn ended(&self, call: Call, took: Duration, outcome: Result<(), ErrorKind>) {
        let daemon = match call.of {
            Daemon::Mgr => "mgr",
            Daemon::Mon => "mon",
            Daemon::Osd => "osd",
        };
        let (command, outcome) = (call.kind, Outcome(outcome));
        let ended = Ended {
            daemon,
            command,
            outcome,
        };
        self.ended.get_or_create(&ended).inc();
        let seconds = self.seconds.get_or_create(&Asked { daemon, command });
        seconds.observe(took.as_secs_f64());
    }
}

impl Default for CephCalls {
    fn default() -> Self {
        Self {
            ended: Family::default(),
            seconds: Family::new_with_constructor(super::seconds),
        }
    }
}
