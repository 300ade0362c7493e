//! Requests that run, and what they wait for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::gauges;
use crate::rpc::Frame;

/// Looks at what runs when it is asked.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Frame>);

impl InFlight {
    pub(super) fn new(frame: Arc<Frame>) -> Self {
        Self(frame)
    }
}

impl Collector for InFlight {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut found = BTreeMap::<_, (u32, Duration)>::new();
        for operation in self.0.in_flight() {
            let step = operation.step.unwrap_or("start");
            let (count, oldest) = found.entry((operation.rpc, step)).or_default();
            *count += 1;
            *oldest = (*oldest).max(operation.age);
        }
        let labels = |(method, step)| [("method", method), ("step", step)];
        gauges(
            &mut encoder,
            "spirula_rpc_in_flight",
            "Requests that run, by method and by what they do or wait for",
            (found.iter()).map(|(of, (count, _))| (labels(*of), f64::from(*count))),
        )?;
        gauges(
            &mut encoder,
            "spirula_rpc_in_flight_oldest_seconds",
            "Age of the oldest of them",
            (found.iter()).map(|(of, (_, oldest))| (labels(*of), oldest.as_secs_f64())),
        )
    }
}
