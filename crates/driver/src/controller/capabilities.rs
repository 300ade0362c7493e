//! ControllerGetCapabilities: what this controller can do. Never fails.
//!
//! Requests for listings and capacity carry no secrets, so these are among it only where the driver has
//! credentials of its own for every cluster. Sidecars ask once, at their start.

use csi_proto::v1::controller_service_capability::rpc::Type;
use csi_proto::v1::controller_service_capability::{Rpc, Type as Capability};
use csi_proto::v1::{ControllerGetCapabilitiesResponse, ControllerServiceCapability};

use super::Controller;

const ALWAYS: &[Type] = &[
    Type::CreateDeleteVolume,
    Type::CreateDeleteSnapshot,
    Type::GetSnapshot,
    Type::CloneVolume,
    Type::ExpandVolume,
    Type::SingleNodeMultiWriter,
];

const WITH_OWN_CREDENTIALS: &[Type] = &[
    Type::ListVolumes,
    Type::ListSnapshots,
    Type::GetVolume,
    Type::GetCapacity,
    Type::VolumeCondition,
    Type::GetVolumeHealth,
    Type::ListVolumeHealth,
];

/// The answer.
pub(super) fn run(controller: &Controller) -> ControllerGetCapabilitiesResponse {
    let covered = controller.own.cover(controller.backend.config());
    let more = if covered { WITH_OWN_CREDENTIALS } else { &[] };
    let capability = |r#type: &Type| ControllerServiceCapability {
        r#type: Some(Capability::Rpc(Rpc {
            r#type: (*r#type).into(),
        })),
    };
    ControllerGetCapabilitiesResponse {
        capabilities: ALWAYS.iter().chain(more).map(capability).collect(),
    }
}
