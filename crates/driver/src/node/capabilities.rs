//! NodeGetCapabilities.

use csi_proto::v1::node_service_capability::rpc::Type;
use csi_proto::v1::node_service_capability::{self, Rpc};
use csi_proto::v1::{NodeGetCapabilitiesResponse, NodeServiceCapability};

use super::Node;

/// What this node service can do, besides `VOLUME_MOUNT_GROUP`, which is asked for by a flag. `VOLUME_CONDITION` is for orchestrators that speak CSI 1.12 or older,
/// the two kinds of health for those that speak 1.13.
const CAPABILITIES: [Type; 6] = [
    Type::StageUnstageVolume,
    Type::GetVolumeStats,
    Type::VolumeCondition,
    Type::SingleNodeMultiWriter,
    Type::GetVolumeHealth,
    Type::GetStorageHealth,
];

/// Serves the request.
pub(super) fn run(node: &Node) -> NodeGetCapabilitiesResponse {
    let group = node
        .settings
        .volume_mount_group
        .then_some(Type::VolumeMountGroup);
    let capabilities = CAPABILITIES.into_iter().chain(group);
    let capabilities = capabilities.map(|capability| NodeServiceCapability {
        r#type: Some(node_service_capability::Type::Rpc(Rpc {
            r#type: capability.into(),
        })),
    });
    NodeGetCapabilitiesResponse {
        capabilities: capabilities.collect(),
    }
}
