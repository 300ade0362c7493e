//! Requests of the controller service.

use csi_proto::v1;
use csi_proto::v1::volume_content_source::Type;

use super::{Capability, Error, Parameters, check_id, check_name, required};
use crate::credentials::Credentials;
use crate::ids::{Snapshot, SnapshotId, Volume, VolumeId};
use crate::journal::Source;
use crate::mount::Access;
use crate::size::SizeRange;

/// A CreateVolume request.
#[derive(Debug)]
pub struct CreateVolume {
    /// The name that makes repeats find the same volume.
    pub name: String,
    /// What it shall be a copy of, `None` for an empty volume.
    pub source: Option<Source>,
    /// Whether it shall show the snapshot that is its source, instead of having a copy of it.
    pub shallow: bool,
    /// Read-only if nobody may write to it.
    pub access: Access,
    /// How large; `None` for a volume without quota, or with that of its source.
    pub size: Option<SizeRange>,
    /// StorageClass parameters.
    pub parameters: Parameters,
    /// As whom.
    pub credentials: Credentials,
}

/// A DeleteVolume request.
#[derive(Debug)]
pub struct DeleteVolume {
    /// Which, and as whom; `None` if no driver like this can have made it.
    pub volume: Option<(VolumeId, Credentials)>,
}

/// A ControllerExpandVolume request.
#[derive(Debug)]
pub struct ExpandVolume {
    /// The id as text.
    pub volume: String,
    /// How large.
    pub size: SizeRange,
    /// As whom.
    pub credentials: Credentials,
}

/// A ValidateVolumeCapabilities request.
#[derive(Debug)]
pub struct ValidateVolume {
    /// The id as text.
    pub volume: String,
    /// The capabilities, if a CephFS volume can have them, else why not.
    pub capabilities: Result<Vec<Capability>, Error>,
    /// As whom.
    pub credentials: Credentials,
}

impl CreateVolume {
    /// Reads the request.
    ///
    /// # Errors
    /// [`crate::error::Error`] of the kinds that no repeat cures.
    pub fn parse(request: &v1::CreateVolumeRequest) -> Result<Self, crate::error::Error> {
        let name = required("name", &request.name)?;
        check_name::<Volume>(name)?;
        let capabilities = Capability::parse_all(&request.volume_capabilities)?;
        let source = source(request.volume_content_source.as_ref())?;
        let reads = |capability: &Capability| capability.access == Access::ReadOnly;
        if source.is_none() && capabilities.iter().any(reads) {
            let why = "a new volume without a source would stay empty for ever; \
                       use ReadWriteOnce, ReadWriteOncePod or ReadWriteMany";
            return Err(Error::invalid("volume_capabilities.access_mode", why).into());
        }
        if !request.mutable_parameters.is_empty() {
            let why = "CephFS volumes have none; remove the VolumeAttributesClass";
            return Err(Error::invalid("mutable_parameters", why).into());
        }
        let range = request.capacity_range.as_ref();
        let size = range.map(|r| SizeRange::new(r.required_bytes, r.limit_bytes));
        let size = size.transpose()?;
        let parameters = Parameters::parse(&request.parameters)?;
        let access = if capabilities.iter().all(reads) {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        };
        Ok(Self {
            name: name.to_owned(),
            shallow: is_shallow(source.as_ref(), access, parameters.backing_snapshot)?,
            source,
            access,
            size,
            parameters,
            credentials: Credentials::from_secrets(&request.secrets)?,
        })
    }
}

impl CreateVolume {
    /// The id of the snapshot that it shall show, as ids are written; `None` if it shall have data of
    /// its own.
    pub fn shown(&self) -> Option<String> {
        match &self.source {
            Some(Source::Snapshot(id)) if self.shallow => {
                let decoded = SnapshotId::decode(id);
                Some(decoded.map_or_else(|_| id.clone(), |id| id.to_string()))
            }
            _ => None,
        }
    }
}

impl DeleteVolume {
    /// Reads the request.
    ///
    /// # Errors
    /// As [`CreateVolume::parse`].
    pub fn parse(request: &v1::DeleteVolumeRequest) -> Result<Self, crate::error::Error> {
        let id = required("volume_id", &request.volume_id)?;
        check_id::<Volume>("volume_id", id)?;
        let Ok(id) = VolumeId::decode(id) else {
            return Ok(Self { volume: None });
        };
        let credentials = Credentials::from_secrets(&request.secrets)?;
        Ok(Self {
            volume: Some((id, credentials)),
        })
    }
}

impl ExpandVolume {
    /// Reads the request.
    ///
    /// # Errors
    /// As [`CreateVolume::parse`].
    pub fn parse(request: &v1::ControllerExpandVolumeRequest) -> Result<Self, crate::error::Error> {
        let id = required("volume_id", &request.volume_id)?;
        check_id::<Volume>("volume_id", id)?;
        let range = request
            .capacity_range
            .as_ref()
            .ok_or(Error::Missing("capacity_range"))?;
        if range.required_bytes == 0 && range.limit_bytes == 0 {
            return Err(Error::Missing("capacity_range.required_bytes").into());
        }
        if let Some(capability) = &request.volume_capability {
            Capability::parse(capability)?;
        }
        Ok(Self {
            volume: id.to_owned(),
            size: SizeRange::new(range.required_bytes, range.limit_bytes)?,
            credentials: Credentials::from_secrets(&request.secrets)?,
        })
    }
}

impl ValidateVolume {
    /// Reads the request. Capabilities that CephFS does not have are an answer, not an error.
    ///
    /// # Errors
    /// As [`CreateVolume::parse`].
    pub fn parse(
        request: &v1::ValidateVolumeCapabilitiesRequest,
    ) -> Result<Self, crate::error::Error> {
        let id = required("volume_id", &request.volume_id)?;
        check_id::<Volume>("volume_id", id)?;
        if request.volume_capabilities.is_empty() {
            return Err(Error::Missing("volume_capabilities").into());
        }
        Ok(Self {
            volume: id.to_owned(),
            capabilities: Capability::parse_all(&request.volume_capabilities),
            credentials: Credentials::from_secrets(&request.secrets)?,
        })
    }
}

/// A volume of a snapshot that nobody writes to shows the snapshot, unless the StorageClass wants a copy.
fn is_shallow(
    source: Option<&Source>,
    access: Access,
    backing_snapshot: Option<bool>,
) -> Result<bool, Error> {
    match (source, access, backing_snapshot) {
        (Some(Source::Snapshot(_)), Access::ReadOnly, asked) => Ok(asked.unwrap_or(true)),
        (Some(Source::Snapshot(_)), Access::ReadWrite, Some(true)) => {
            let why = "a volume that shows a snapshot cannot be written to; use the access mode \
                       ReadOnlyMany, or a StorageClass with `backingSnapshot: \"false\"` for a copy";
            Err(Error::invalid("parameters.backingSnapshot", why))
        }
        _ => Ok(false),
    }
}

/// What the id stands for is looked up later: ids of volumes and snapshots look the same.
fn source(source: Option<&v1::VolumeContentSource>) -> Result<Option<Source>, Error> {
    let Some(source) = source else {
        return Ok(None);
    };
    match &source.r#type {
        Some(Type::Snapshot(snapshot)) => {
            let field = "volume_content_source.snapshot.snapshot_id";
            let id = required(field, &snapshot.snapshot_id)?;
            check_id::<Snapshot>(field, id)?;
            Ok(Some(Source::Snapshot(id.to_owned())))
        }
        Some(Type::Volume(volume)) => {
            let field = "volume_content_source.volume.volume_id";
            let id = required(field, &volume.volume_id)?;
            check_id::<Volume>(field, id)?;
            Ok(Some(Source::Volume(id.to_owned())))
        }
        None => Err(Error::Missing("volume_content_source.type")),
    }
}
