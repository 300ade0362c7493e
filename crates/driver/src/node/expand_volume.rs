//! NodeExpandVolume: UNIMPLEMENTED, and not among the capabilities. A CephFS volume grows by its quota,
//! which clients notice by themselves; ControllerExpandVolume says that the node has nothing to do.

use crate::error::Error;

/// The answer to every request.
pub(super) fn refusal() -> Error {
    Error::Unserved {
        what: "NodeExpandVolume".to_owned(),
        cure: "a CephFS volume grows on all nodes with ControllerExpandVolume alone",
    }
}
