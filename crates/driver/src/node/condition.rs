//! How a mounted volume is, found out without ever waiting long for it.
//!
//! The reasons are part of the driver's interface: they do not change between releases.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ceph::Context;
use csi_proto::v1::VolumeHealthErrorType;
use jiff::Timestamp;
use tokio::time::Instant;

use super::Node;
use crate::ailment::Ailment;
use crate::error::Error;
use crate::mount::{self, Usage};

/// How long a mount may take to answer before it counts as not answering.
pub(super) const PATIENCE: Duration = Duration::from_millis(900);

/// The client of the mount has ended, or was evicted by the cluster.
pub(super) const MOUNT_DEAD: &str = "MountDead";
/// The mount does not answer: its Ceph cluster is out of reach, or its client hangs.
pub(super) const MOUNT_NOT_RESPONDING: &str = "MountNotResponding";
/// The mount answers with an error that is none of the above.
pub(super) const MOUNT_FAILING: &str = "MountFailing";
/// The last attempt to stage the volume failed.
pub(super) const STAGE_FAILED: &str = "StageFailed";

/// How a mounted volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It answers.
    Healthy(Usage),
    /// It cannot be used.
    Abnormal(Ailment),
}

impl Node {
    /// How the volume mounted at `path` is; `None` if no CephFS is mounted there.
    pub(super) async fn condition(
        &self,
        cx: &Context,
        path: &Path,
    ) -> Result<Option<Condition>, Error> {
        let Some(place) = self.mounts.locate(cx, path).await? else {
            return Ok(None);
        };
        let Some(mount) = place.mount().filter(|mount| mount.is_cephfs()) else {
            return Ok(None);
        };
        let usage = self.mounts.usage(&cx.at_most(PATIENCE), mount).await;
        Ok(Some(match usage {
            Ok(usage) => {
                self.sick.recovered(&place.path);
                Condition::Healthy(usage)
            }
            Err(error) => {
                let reason = reason(&error);
                let since = self.sick.since(&place.path, reason);
                Condition::Abnormal(ailment(reason, &error, since))
            }
        }))
    }
}

/// What nobody has asked about for this time says nothing any more: the kubelet asks every minute for what
/// a pod uses. Shorter than an alert has to wait, for what is found a last time while it is unmounted.
const KEPT: Duration = Duration::from_mins(3);

/// Since when which mount is found to be sick, and with what.
#[derive(Debug, Default)]
pub(super) struct Sick(Mutex<HashMap<PathBuf, Found>>);

#[derive(Clone, Copy, Debug)]
struct Found {
    reason: &'static str,
    since: Timestamp,
    /// When it was last found to be so.
    last: Instant,
}

impl Sick {
    /// Since when `path` has this ailment: now, if it has not been seen before.
    fn since(&self, path: &Path, reason: &'static str) -> Timestamp {
        let now = Found {
            reason,
            since: Timestamp::now(),
            last: Instant::now(),
        };
        let mut sick = self.recent();
        let found = sick.entry(path.to_owned()).or_insert(now);
        if found.reason != reason {
            *found = now;
        }
        found.last = now.last;
        found.since
    }

    /// How many mounts have this ailment.
    pub(super) fn count(&self, reason: &str) -> usize {
        let sick = self.recent();
        sick.values().filter(|found| found.reason == reason).count()
    }

    /// The mount is well, or gone.
    pub(super) fn recovered(&self, path: &Path) {
        self.recent().remove(path);
    }

    /// Those that are not old.
    fn recent(&self) -> MutexGuard<'_, HashMap<PathBuf, Found>> {
        let mut sick = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sick.retain(|_, found| found.last.elapsed() < KEPT);
        sick
    }
}

fn reason(error: &mount::Error) -> &'static str {
    match error {
        mount::Error::Dead { .. } => MOUNT_DEAD,
        mount::Error::Hangs { .. } => MOUNT_NOT_RESPONDING,
        _ => MOUNT_FAILING,
    }
}

fn ailment(reason: &'static str, error: &mount::Error, since: Timestamp) -> Ailment {
    let cure = match reason {
        MOUNT_DEAD => {
            "the driver mounts it anew by itself if it knows how; running containers have to be restarted, \
             unless --heal-running-pods is set"
        }
        MOUNT_NOT_RESPONDING => {
            "it recovers by itself once the cluster answers; until then the node can be drained all the same"
        }
        _ => "the log of the driver on this node says more",
    };
    let source = std::error::Error::source(error).map_or_else(String::new, |e| format!(" ({e})"));
    Ailment {
        status: VolumeHealthErrorType::Inaccessible,
        reason,
        message: format!("{reason}: {error}{source}, since {since:.0}; {cure}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_nobody_finds_sick_any_more_is_not_counted() {
        let sick = Sick::default();
        let (asked, left) = (Path::new("/asked"), Path::new("/left"));
        let since = sick.since(asked, MOUNT_DEAD);
        sick.since(left, MOUNT_DEAD);
        sick.since(left, MOUNT_NOT_RESPONDING);
        let counts = || [MOUNT_DEAD, MOUNT_NOT_RESPONDING].map(|reason| sick.count(reason));
        assert_eq!(counts(), [1, 1]);
        for _ in 0..10 {
            tokio::time::advance(KEPT / 2).await;
            assert_eq!(sick.since(asked, MOUNT_DEAD), since, "it has been so since");
        }
        assert_eq!(counts(), [1, 0]);
        sick.recovered(asked);
        assert_eq!(counts(), [0, 0]);
        assert_ne!(sick.since(asked, MOUNT_DEAD), since);
    }
}
