//! Ceph's clock, as snapshots of a file system told it: to ask when a snapshot was taken is as much work for the
//! manager, which does one thing after the other, as to take it, and most snapshots are taken in series.
//!
//! What is derived is never later than what Ceph would tell, as long as its clock goes evenly: whatever was written
//! before is in the snapshot. It is earlier by the time that two creations take, and never earlier than what was told of a
//! snapshot before. Our own clock, which may be wrong, has no part in it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::backend::Session;
use crate::journal::Taken;

/// For so long after Ceph has told a time others are derived from it: then both clocks have hardly drifted apart, and
/// another manager's is noticed.
const LIMIT: Duration = Duration::from_mins(5);

/// If our two clocks differ by so much in what has passed, the machine has slept or its time was set.
const SLEPT: Duration = Duration::from_secs(1);

/// The clocks of file systems, by clusterID and id.
#[derive(Debug, Default)]
pub(super) struct SnapshotClocks(Mutex<HashMap<(String, i64), Told>>);

/// A moment by both of our clocks. One stands still while the machine sleeps, and the other can be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    steady: Instant,
    wall: SystemTime,
}

/// What was told of a snapshot that was there at `there`.
#[derive(Clone, Copy, Debug)]
struct Told {
    there: Moment,
    taken: SystemTime,
}

impl SnapshotClocks {
    /// Remembers that a snapshot which was there at `there`, and not long before, was taken at `taken`, as Ceph says.
    pub(super) fn learn(&self, session: &Session, there: Moment, taken: SystemTime) {
        let told = Told { there, taken };
        let mut clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.retain(|_, told| told.there.steady.elapsed() < LIMIT);
        let known = clocks.entry(key(session)).or_insert(told);
        if known.at(there).is_none() {
            *known = told;
        }
        known.advance(told);
    }

    /// Sees to it that nothing is told to be earlier of a snapshot that is asked for after this one was told.
    pub(super) fn tell(&self, session: &Session, taken: Taken) {
        let told = Told {
            there: Moment::now(),
            taken: taken.time(),
        };
        let mut clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clocks.get_mut(&key(session)) {
            known.advance(told);
        }
    }

    /// When by Ceph's clock a snapshot was taken that was first asked for at `asked`; `None` if Ceph has to be asked.
    pub(super) fn taken(&self, session: &Session, asked: Moment) -> Option<SystemTime> {
        let clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.get(&key(session))?.at(asked)
    }
}

impl Moment {
    pub(super) fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.steady.elapsed()
    }
}

impl Told {
    fn at(&self, asked: Moment) -> Option<SystemTime> {
        let Some(since) = asked.steady.checked_duration_since(self.there.steady) else {
            // Both were on their way at once.
            let before = self.there.steady.duration_since(asked.steady);
            return self.taken.checked_sub(before);
        };
        let wall = asked.wall.duration_since(self.there.wall);
        let is_even = wall.unwrap_or_default().abs_diff(since) < SLEPT;
        let taken = self.taken.checked_add(since);
        taken.filter(|_| is_even && since < LIMIT)
    }

    /// Takes over what `told` says if it is nearer to Ceph's clock.
    fn advance(&mut self, told: Self) {
        if self
            .at(told.there)
            .is_some_and(|derived| derived < told.taken)
        {
            *self = told;
        }
    }
}

fn key(session: &Session) -> (String, i64) {
    (session.cluster.cluster_id.clone(), session.filesystem.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    impl Moment {
        fn after(self, time: Duration) -> Self {
            Self {
                steady: self.steady + time,
                wall: self.wall + time,
            }
        }
    }

    fn told() -> Told {
        Told {
            there: Moment::now(),
            taken: SystemTime::UNIX_EPOCH + 1_000 * SECOND,
        }
    }

    #[test]
    fn times_go_on_from_the_one_that_was_told_until_it_is_old() {
        let told = told();
        let Told { there, taken } = told;
        assert_eq!(told.at(there.after(SECOND)), Some(taken + SECOND));
        assert_eq!(told.at(there.after(LIMIT)), None);
        let late = Told {
            there: there.after(SECOND),
            taken,
        };
        assert_eq!(late.at(there), Some(taken - SECOND));
    }

    #[test]
    fn after_a_sleep_ceph_is_asked() {
        let told = told();
        let mut asked = told.there.after(SECOND);
        asked.wall += 3_600 * SECOND;
        assert_eq!(told.at(asked), None);
        asked.wall = told.there.wall - 3_600 * SECOND;
        assert_eq!(told.at(asked), None);
    }

    #[test]
    fn what_is_nearer_is_taken_over_and_no_time_goes_back() {
        let mut known = told();
        let Told { there, taken } = known;
        let later = there.after(SECOND);
        // It was there for a while already.
        known.advance(Told {
            there: later,
            taken,
        });
        assert_eq!(known.at(later), Some(taken + SECOND));
        known.advance(Told {
            there: later,
            taken: taken + 2 * SECOND,
        });
        assert_eq!(known.at(later), Some(taken + 2 * SECOND));
    }
}
