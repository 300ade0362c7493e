//! Ceph's clock, as the last snapshot of a file system told it: to ask when a snapshot was taken is as much work for
//! the manager, which does one thing after the other, as to take it, and most snapshots are taken in series.
//!
//! What is derived is never later than what Ceph would tell: whatever was written before is in the snapshot. It is
//! earlier by the time that two creations take. Our own clock, which may be wrong, has no part in it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::backend::Session;

/// For so long after Ceph has told a time others are derived from it: then both clocks have hardly drifted apart, and
/// another manager's is noticed.
const LIMIT: Duration = Duration::from_mins(5);

/// The clocks of file systems, by clusterID and id.
#[derive(Debug, Default)]
pub(super) struct SnapshotClocks(Mutex<HashMap<(String, i64), Told>>);

/// What Ceph told of a snapshot that was there at `there`.
#[derive(Clone, Copy, Debug)]
struct Told {
    there: Instant,
    taken: SystemTime,
}

impl SnapshotClocks {
    /// Remembers that a snapshot which was there at `there`, and not long before, was `taken` then, as Ceph says.
    pub(super) fn learn(&self, session: &Session, there: Instant, taken: SystemTime) {
        let mut clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.retain(|_, told| told.there.elapsed() < LIMIT);
        clocks.insert(key(session), Told { there, taken });
    }

    /// When by Ceph's clock a snapshot was taken that was first asked for at `asked`; `None` if Ceph has to be asked.
    pub(super) fn taken(&self, session: &Session, asked: Instant) -> Option<SystemTime> {
        let clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.get(&key(session))?.at(asked)
    }
}

impl Told {
    fn at(self, asked: Instant) -> Option<SystemTime> {
        match asked.checked_duration_since(self.there) {
            Some(since) if since < LIMIT => self.taken.checked_add(since),
            Some(_) => None,
            // Both were on their way at once.
            None => self.taken.checked_sub(self.there.duration_since(asked)),
        }
    }
}

fn key(session: &Session) -> (String, i64) {
    (session.cluster.cluster_id.clone(), session.filesystem.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on_from_the_one_that_was_told_until_it_is_old() {
        let there = Instant::now();
        let taken = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let second = Duration::from_secs(1);
        let told = Told { there, taken };
        assert_eq!(told.at(there + second), Some(taken + second));
        assert_eq!(told.at(there + LIMIT), None);
        let late = Told {
            there: there + second,
            taken,
        };
        assert_eq!(late.at(there), Some(taken - second));
    }
}
