//! What can be wrong with a volume, in the words of CSI.

use csi_proto::v1::volume_health::VolumeHealthEntry;
use csi_proto::v1::{VolumeCondition, VolumeHealthErrorType};

/// One thing that is wrong with a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ailment {
    /// How bad it is.
    pub(crate) status: VolumeHealthErrorType,
    /// One word for machines, which does not change between releases.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
}

impl From<Ailment> for VolumeHealthEntry {
    fn from(ailment: Ailment) -> Self {
        Self {
            status: ailment.status.into(),
            reason: ailment.reason.to_owned(),
            message: ailment.message,
        }
    }
}

/// The same for callers of CSI 1.12 and before: whether anything is wrong, and all that is.
pub(crate) fn condition(ailments: &[Ailment]) -> VolumeCondition {
    let messages: Vec<_> = ailments.iter().map(|ailment| &*ailment.message).collect();
    VolumeCondition {
        abnormal: !ailments.is_empty(),
        message: messages.join("; "),
    }
}
