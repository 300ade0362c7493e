//! ControllerGetCapabilities: what this controller can do. Never fails.

use csi_proto::v1::controller_service_capability::rpc::Type;
use csi_proto::v1::controller_service_capability::{Rpc, Type as Capability};
use csi_proto::v1::{ControllerGetCapabilitiesResponse, ControllerServiceCapability};

const CAPABILITIES: [Type; 3] = [
    Type::CreateDeleteVolume,
    Type::ExpandVolume,
    Type::SingleNodeMultiWriter,
];

/// The answer.
pub(super) fn run() -> ControllerGetCapabilitiesResponse {
    let capability = |r#type: Type| ControllerServiceCapability {
        r#type: Some(Capability::Rpc(Rpc {
            r#type: r#type.into(),
        })),
    };
    ControllerGetCapabilitiesResponse {
        capabilities: CAPABILITIES.map(capability).into(),
    }
}
