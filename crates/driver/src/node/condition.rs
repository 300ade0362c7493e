//! How a mounted volume is, found out without ever waiting long for it.
//!
//! The reasons are part of the driver's interface: they do not change between releases.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ceph::Context;
use csi_proto::v1::VolumeHealthErrorType;
use jiff::Timestamp;

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

/// Since when which mount is found to be sick, and with what.
#[derive(Debug, Default)]
pub(super) struct Sick(Mutex<HashMap<PathBuf, (&'static str, Timestamp)>>);

impl Sick {
    /// Since when `path` has this ailment: now, if it has not been seen before.
    fn since(&self, path: &Path, reason: &'static str) -> Timestamp {
        let mut sick = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (reason, Timestamp::now());
        let entry = sick.entry(path.to_owned()).or_insert(now);
        if entry.0 != reason {
            *entry = now;
        }
        entry.1
    }

    /// How many mounts have this ailment.
    pub(super) fn count(&self, reason: &str) -> usize {
        let sick = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sick.values().filter(|(with, _)| *with == reason).count()
    }

    /// The mount is well, or gone.
    pub(super) fn recovered(&self, path: &Path) {
        let mut sick = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sick.remove(path);
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
