//! GroupControllerGetCapabilities: what this service can do. Never fails.
//!
//! Whether a Ceph can hold writes back is known only once it is asked, with credentials that this request
//! does not carry; one that cannot is told on creation.

use csi_proto::v1::group_controller_service_capability::rpc::Type;
use csi_proto::v1::group_controller_service_capability::{Rpc, Type as Capability};
use csi_proto::v1::{GroupControllerGetCapabilitiesResponse, GroupControllerServiceCapability};

/// The answer.
pub(super) fn run() -> GroupControllerGetCapabilitiesResponse {
    let group_snapshots = GroupControllerServiceCapability {
        r#type: Some(Capability::Rpc(Rpc {
            r#type: Type::CreateDeleteGetVolumeGroupSnapshot.into(),
        })),
    };
    GroupControllerGetCapabilitiesResponse {
        capabilities: vec![group_snapshots],
    }
}
