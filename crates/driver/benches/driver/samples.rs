//! Measured values.

use std::time::{Duration, Instant};

/// Values of one kind.
#[derive(Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds a time, in milliseconds.
    pub(crate) fn time(&mut self, time: Duration) {
        self.value(time.as_secs_f64() * 1e3);
    }

    pub(crate) fn value(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The smallest value that `percent` of all do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// How long `work` takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = work();
    (started.elapsed(), result)
}

/// Does both in turns, changing who is first; each is told the number of the turn and returns its time.
/// The first turns are not counted: caches fill, and the driver connects.
pub(crate) fn in_turns(
    runs: usize,
    mut raw: impl FnMut(usize) -> Duration,
    mut driver: impl FnMut(usize) -> Duration,
) -> (Samples, Samples) {
    let (mut raws, mut drivers) = (Samples::default(), Samples::default());
    for turn in 0..runs + WARM_UP {
        let (of_raw, of_driver);
        if turn.is_multiple_of(2) {
            of_raw = raw(turn);
            of_driver = driver(turn);
        } else {
            of_driver = driver(turn);
            of_raw = raw(turn);
        }
        if turn >= WARM_UP {
            raws.time(of_raw);
            drivers.time(of_driver);
        }
    }
    (raws, drivers)
}

pub(crate) const WARM_UP: usize = 3;
