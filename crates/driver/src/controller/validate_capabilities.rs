//! ValidateVolumeCapabilities: whether a volume exists and can be used as asked.
//!
//! | code | when |
//! |---|---|
//! | OK, confirmed | the volume exists and has all capabilities |
//! | OK, with a message | the volume exists and lacks one |
//! | INVALID_ARGUMENT | no id, no capabilities, no usable secrets |
//! | NOT_FOUND | no such volume |

use ceph::Context;
use csi_proto::v1::validate_volume_capabilities_response::Confirmed;
use csi_proto::v1::{ValidateVolumeCapabilitiesRequest, ValidateVolumeCapabilitiesResponse};

use super::Controller;
use crate::error::Error;
use crate::request::ValidateVolume;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &ValidateVolumeCapabilitiesRequest,
) -> Result<ValidateVolumeCapabilitiesResponse, Error> {
    let asked = ValidateVolume::parse(request)?;
    let (session, record) = controller
        .open_record(cx, &asked.volume, &asked.credentials)
        .await?;
    if let Err(error) = session
        .subvolumes
        .path(cx, &session.subvolume(&record))
        .await
    {
        return Err(if error.is_not_found() {
            Error::NoVolume {
                id: asked.volume,
                why: error.to_string(),
            }
        } else {
            session.explain(error.into())
        });
    }
    if let Err(lacking) = asked.capabilities {
        let message = lacking.to_string();
        return Ok(ValidateVolumeCapabilitiesResponse {
            confirmed: None,
            message,
        });
    }
    let confirmed = Confirmed {
        volume_context: request.volume_context.clone(),
        volume_capabilities: request.volume_capabilities.clone(),
        parameters: request.parameters.clone(),
        mutable_parameters: request.mutable_parameters.clone(),
    };
    Ok(ValidateVolumeCapabilitiesResponse {
        confirmed: Some(confirmed),
        message: String::new(),
    })
}
