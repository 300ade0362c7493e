//! How a mounted volume is, found out without ever waiting long for it.
//!
//! The reasons are part of the driver's interface: they do not change between releases.

use std::path::Path;
use std::time::Duration;

use ceph::Context;
use csi_proto::v1::VolumeHealthErrorType;

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
        if !place.mount().is_some_and(mount::Mount::is_cephfs) {
            return Ok(None);
        }
        let usage = self.mounts.usage(&cx.at_most(PATIENCE), &place.path).await;
        Ok(Some(match usage {
            Ok(usage) => Condition::Healthy(usage),
            Err(error) => Condition::Abnormal(ailment(&error)),
        }))
    }
}

fn ailment(error: &mount::Error) -> Ailment {
    let (reason, cure) = match error {
        mount::Error::Dead { .. } => (
            MOUNT_DEAD,
            "; delete the pods that use the volume on this node, so that it is mounted anew",
        ),
        mount::Error::Hangs { .. } => (
            MOUNT_NOT_RESPONDING,
            "; it recovers by itself once the cluster answers",
        ),
        _ => (MOUNT_FAILING, ""),
    };
    let source = std::error::Error::source(error).map_or_else(String::new, |e| format!(" ({e})"));
    Ailment {
        status: VolumeHealthErrorType::Inaccessible,
        reason,
        message: format!("{error}{source}{cure}"),
    }
}
