//! What follows the answer, as nobody waits for it: the names of PVC and PV, or of VolumeSnapshot and its
//! content, are set on the subvolume or snapshot, each by a manager command; and what is left in the journal of
//! something that is gone is removed.
//!
//! The journal tells what is pending, in records and by marks in its directories, so nothing is lost with the
//! process: the next one looks there when it first opens a file system, and again with a later request if that
//! failed. One lane per file system works on two things at once, yields to requests for some seconds, and backs off
//! while Ceph fails.

mod job;
mod lane;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use job::{Job, Whose};
pub(super) use lane::Foreground;
use lane::Lane;

use crate::backend::Session;
use crate::ids::VolumeUuid;
use crate::journal::{Record, SnapshotRecord};

/// The lanes, by cluster, file system and namespace.
#[derive(Debug, Default)]
pub(super) struct Trail {
    lanes: Mutex<HashMap<LaneKey, Arc<Lane>>>,
}

type LaneKey = (String, i64, String);

impl Trail {
    /// Notes that a request is at work on this file system, until the answer is dropped: metadata
    /// yields to it. The first request of a file system also makes the trail look for what an earlier
    /// process left; if it could not, a later one does.
    pub(super) fn foreground(&self, session: &Session) -> Foreground {
        self.lane(session).foreground(session)
    }

    /// Sets the pending metadata of a volume, some time.
    pub(super) fn push(&self, session: &Session, record: &Record) {
        if let Some(job) = Job::of_volume(session, record) {
            self.lane(session).push(job);
        }
    }

    /// Sets the pending metadata of a snapshot, some time.
    pub(super) fn push_snapshot(&self, session: &Session, record: &SnapshotRecord) {
        if let Some(job) = Job::of_snapshot(session, record) {
            self.lane(session).push(job);
        }
    }

    /// Removes the record of a volume that is gone, and whose name is released, some time.
    pub(super) fn push_retired(&self, session: &Session, uuid: &VolumeUuid) {
        let job = Job::of_retired_volume(session, uuid.clone());
        self.lane(session).push(job);
    }

    /// Releases the name of a snapshot that is gone, and removes its record, some time.
    pub(super) fn push_deleted(&self, session: &Session, record: &SnapshotRecord) {
        let job = Job::of_deleted(session, record, true);
        self.lane(session).push(job);
    }

    /// Drops what is pending for a volume or snapshot that is being deleted.
    pub(super) fn forget(&self, uuid: impl Into<Whose>) {
        let whose = uuid.into();
        for lane in self.all() {
            lane.forget(&whose);
        }
    }

    /// Sets what is pending without yielding any more, at most for `grace`.
    pub(super) async fn drain(&self, grace: Duration) {
        let deadline = tokio::time::Instant::now() + grace;
        for lane in self.all() {
            if tokio::time::timeout_at(deadline, lane.drain())
                .await
                .is_err()
            {
                tracing::warn!(
                    "what follows {} volumes and snapshots is still pending; the next process sees to it",
                    lane.len()
                );
            }
        }
    }

    fn lane(&self, session: &Session) -> Arc<Lane> {
        let cluster = &session.cluster;
        let key = (
            cluster.monitors.clone(),
            session.filesystem.id,
            cluster.rados_namespace.clone(),
        );
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(key).or_default())
    }

    fn all(&self) -> Vec<Arc<Lane>> {
        self.lanes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
}
