//! Calls to Ceph.

use std::time::Duration;

use ceph::ErrorKind;
use ceph::observe::{Call, Daemon, Observer};
use prometheus_client::registry::Registry;

use super::ended::Ended;

/// How many calls ended in which way, and how long they took.
#[derive(Clone, Debug)]
pub struct CephCalls(Ended<2, ErrorKind>);

impl CephCalls {
    pub(super) fn register(&self, registry: &mut Registry) {
        self.0.register(
            registry,
            [
                "spirula_ceph_calls",
                "Calls to Ceph that have ended, by daemon, command and outcome",
            ],
            [
                "spirula_ceph_call_duration_seconds",
                "Time that calls to Ceph took",
            ],
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
        let labels = [("daemon", daemon), ("command", call.kind)];
        self.0.add(labels, took, outcome);
    }
}

impl Default for CephCalls {
    fn default() -> Self {
        Self(Ended::by("outcome"))
    }
}
