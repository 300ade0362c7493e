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

use super::{Controller, shallow, snapshot};
use crate::backend::Session;
use crate::error::Error;
use crate::journal::Record;
use crate::mount::Access;
use crate::request::{Capability, ValidateVolume};

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
    match exists(cx, &session, &record).await {
        Ok(None) => {}
        Ok(Some(why)) => {
            return Err(Error::NoVolume {
                id: asked.volume,
                why,
            });
        }
        Err(error) => return Err(session.explain(error)),
    }
    let writes = |one: &Capability| one.access == Access::ReadWrite;
    let lacking = match (asked.capabilities, &record.backing_snapshot) {
        (Err(lacking), _) => Some(lacking.to_string()),
        (Ok(all), Some(snapshot)) if all.iter().any(writes) => Some(format!(
            "the volume shows the snapshot `{snapshot}`, which nobody can write to; use ReadOnlyMany"
        )),
        (Ok(_), _) => None,
    };
    if let Some(message) = lacking {
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

/// `None` if the volume exists, else how we know that it does not.
async fn exists(cx: &Context, session: &Session, record: &Record) -> Result<Option<String>, Error> {
    let Some(shown) = &record.backing_snapshot else {
        let at = session.subvolume(record);
        return match session.subvolumes.path(cx, &at).await {
            Err(error) if error.is_not_found() => {
                session.confirm(cx).await?;
                Ok(Some(error.to_string()))
            }
            other => Ok(other.map(|_| None)?),
        };
    };
    match shallow::find(cx, session, shown).await? {
        Some(snapshot) => Ok(snapshot::gone(cx, session, &snapshot).await?),
        None => Ok(Some(format!(
            "it shows the snapshot `{shown}`, which does not exist"
        ))),
    }
}
