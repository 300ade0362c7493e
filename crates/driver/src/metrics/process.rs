//! What the operating system knows of this process, with the names that Prometheus' own clients use.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use rustix::time::{ClockId, clock_gettime};

use super::gauges;

/// Reads `/proc` when it is asked.
#[derive(Debug)]
pub(super) struct Process {
    started: SystemTime,
}

impl Process {
    /// This process, which has just begun.
    pub(super) fn new() -> Self {
        let started = SystemTime::now();
        Self { started }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let cpu = encoder.encode_descriptor(
            "process_cpu_seconds",
            "Total user and system CPU time spent in seconds",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(cpu_seconds()).encode(cpu)?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        // None at all where its value is not known.
        for (name, help, value) in [
            (
                "process_open_fds",
                "Number of open file descriptors",
                open_files(),
            ),
            (
                "process_threads",
                "Number of threads",
                number(&status, "Threads:"),
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory size in bytes",
                number(&status, "VmRSS:").map(|kibibytes| kibibytes * 1024.0),
            ),
            (
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds",
                Some(started.as_secs_f64()),
            ),
        ] {
            if let Some(value) = value {
                gauges(&mut encoder, name, help, [([("", ""); 0], value)])?;
            }
        }
        Ok(())
    }
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default().as_secs_f64()
}

fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count).ok().map(f64::from)
}

/// The number in a line of `/proc/self/status`.
fn number(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
