//! NodeGetCapabilities.

use csi_proto::v1::node_service_capability::rpc::Type;
use csi_proto::v1::node_service_capability::{self, Rpc};
use csi_proto::v1::{NodeGetCapabilitiesResponse, NodeServiceCapability};

/// What this node service can do. `VOLUME_CONDITION` is for orchestrators that speak CSI 1.12 or older,
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
pub(super) fn run() -> NodeGetCapabilitiesResponse {
    let capabilities = CAPABILITIES.map(|capability| NodeServiceCapability {
        r#type: Some(node_service_capability::Type::Rpc(Rpc {
            r#type: capability.into(),
        })),
    });
    NodeGetCapabilitiesResponse {
        capabilities: capabilities.to_vec(),
    }
}
