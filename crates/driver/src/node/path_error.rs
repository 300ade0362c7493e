//! What can be wrong with a path on this node.

use std::path::PathBuf;

use crate::mount;

/// The node is not as a request supposes.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// Something other than the volume is mounted where it should be.
    #[error(
        "`{}` has {found} mounted on it, not this volume; nothing was changed: unmount it if it does \
         not belong there", path.display()
    )]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// The volume is mounted there in another way.
    #[error("the volume is mounted at `{}` already, {how}", path.display())]
    Incompatible {
        /// Where.
        path: PathBuf,
        /// What differs.
        how: &'static str,
    },
    /// The volume is not staged where the request says.
    #[error(
        "the volume is not staged at `{}`: no CephFS is mounted there; NodeStageVolume has to come first",
        path.display()
    )]
    NotStaged {
        /// The staging path.
        path: PathBuf,
    },
    /// The request does not say where the volume is staged.
    #[error("`staging_target_path` is missing in the request: this driver stages volumes first")]
    NoStagingPath,
    /// The client of the staged mount is gone.
    #[error(
        "the volume staged at `{}` is dead: its client has ended, was evicted, or was killed; delete \
         all pods that use the volume on this node, so that it is unstaged and staged anew",
        path.display()
    )]
    StagedDead {
        /// The staging path.
        path: PathBuf,
        /// What was found.
        source: mount::Error,
    },
    /// A volume for one pod is published to another one.
    #[error(
        "the volume may be published once only (ReadWriteOncePod), and is at `{}` already",
        path.display()
    )]
    PublishedElsewhere {
        /// The other target.
        path: PathBuf,
    },
    /// No volume is mounted where its use or health is asked.
    #[error("volume `{volume}` is not mounted at `{}`", path.display())]
    NotMounted {
        /// The volume id.
        volume: String,
        /// Where.
        path: PathBuf,
    },
    /// The health of a volume is asked that this node knows nothing of.
    #[error("volume `{volume}` was neither staged nor published by this driver since it started")]
    Unknown {
        /// The volume id.
        volume: String,
    },
}
