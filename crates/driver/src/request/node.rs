//! Requests of the node service.

mod source;
#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};

use csi_proto::v1;
use csi_proto::v1::volume_capability::access_mode::Mode;
pub use source::{BACKING_SNAPSHOT_NAME, ClientOptions, Place, Source};

use super::{Capability, Error, check_id, required};
use crate::credentials::Credentials;
use crate::ids::Volume;
use crate::mount::Access;

/// A NodeStageVolume request.
#[derive(Debug)]
pub struct StageVolume {
    /// The volume id as text.
    pub volume: String,
    /// Where to mount.
    pub staging: PathBuf,
    /// What to mount.
    pub source: Source,
    /// With which client and options.
    pub client: ClientOptions,
    /// How it is to be used.
    pub capability: Capability,
    /// As whom.
    pub credentials: Credentials,
}

/// A NodeUnstageVolume request.
#[derive(Debug)]
pub struct UnstageVolume {
    /// The volume id as text.
    pub volume: String,
    /// Where it is mounted.
    pub staging: PathBuf,
}

/// A NodePublishVolume request.
#[derive(Debug)]
pub struct PublishVolume {
    /// The volume id as text.
    pub volume: String,
    /// Where it is staged; `None` if the caller does not say.
    pub staging: Option<PathBuf>,
    /// Where to mount it once more.
    pub target: PathBuf,
    /// What may be done through the target.
    pub access: Access,
    /// How many targets may there be.
    pub targets: Targets,
    /// Mount options of the PersistentVolume.
    pub mount_flags: Vec<String>,
    /// The group of the pod.
    pub group: Option<u32>,
}

/// How many targets a volume may be published at on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Targets {
    /// As many as the orchestrator likes.
    Any,
    /// One: ReadWriteOncePod.
    One,
}

/// A NodeUnpublishVolume request.
#[derive(Debug)]
pub struct UnpublishVolume {
    /// Where it is mounted.
    pub target: PathBuf,
}

/// A NodeGetVolumeStats request.
#[derive(Debug)]
pub struct VolumeStats {
    /// The volume id as text.
    pub volume: String,
    /// Where it is mounted.
    pub path: PathBuf,
}

/// A NodeGetVolumeHealth request.
#[derive(Debug)]
pub struct VolumeHealth {
    /// The volume id as text.
    pub volume: String,
    /// Where it is mounted or should be, as far as the caller says.
    pub paths: Vec<PathBuf>,
}

impl StageVolume {
    /// Reads the request.
    ///
    /// # Errors
    /// [`crate::error::Error`] of the kinds that no repeat cures.
    pub fn parse(request: &v1::NodeStageVolumeRequest) -> Result<Self, crate::error::Error> {
        let capability = capability(request.volume_capability.as_ref())?;
        let volume = required("volume_id", &request.volume_id)?;
        check_id::<Volume>("volume_id", volume)?;
        let staging = path("staging_target_path", &request.staging_target_path)?;
        let credentials = Credentials::from_secrets(&request.secrets)?;
        Ok(Self {
            volume: volume.to_owned(),
            staging,
            source: Source::parse(volume, &request.volume_context, &request.secrets)?,
            client: ClientOptions::parse(&request.volume_context)?,
            capability,
            credentials,
        })
    }
}

impl UnstageVolume {
    /// Reads the request. The id may be anything: whatever was staged can be unstaged.
    ///
    /// # Errors
    /// [`Error`] for missing fields.
    pub fn parse(request: &v1::NodeUnstageVolumeRequest) -> Result<Self, Error> {
        Ok(Self {
            volume: required("volume_id", &request.volume_id)?.to_owned(),
            staging: path("staging_target_path", &request.staging_target_path)?,
        })
    }
}

impl PublishVolume {
    /// Reads the request.
    ///
    /// # Errors
    /// [`Error`] for missing fields and block volumes.
    pub fn parse(request: &v1::NodePublishVolumeRequest) -> Result<Self, Error> {
        let Capability {
            access,
            mount_flags,
            group,
        } = capability(request.volume_capability.as_ref())?;
        let volume = required("volume_id", &request.volume_id)?;
        check_id::<Volume>("volume_id", volume)?;
        let target = path("target_path", &request.target_path)?;
        let staging = match request.staging_target_path.as_str() {
            "" => None,
            staging => Some(path("staging_target_path", staging)?),
        };
        let mode = request
            .volume_capability
            .as_ref()
            .and_then(|capability| capability.access_mode.as_ref());
        let one = mode.is_some_and(|mode| mode.mode() == Mode::SingleNodeSingleWriter);
        Ok(Self {
            volume: volume.to_owned(),
            staging,
            target,
            access: if request.readonly {
                Access::ReadOnly
            } else {
                access
            },
            targets: if one { Targets::One } else { Targets::Any },
            mount_flags,
            group,
        })
    }
}

impl UnpublishVolume {
    /// Reads the request.
    ///
    /// # Errors
    /// [`Error`] for missing fields.
    pub fn parse(request: &v1::NodeUnpublishVolumeRequest) -> Result<Self, Error> {
        required("volume_id", &request.volume_id)?;
        let target = path("target_path", &request.target_path)?;
        Ok(Self { target })
    }
}

impl VolumeStats {
    /// Reads the request.
    ///
    /// # Errors
    /// [`Error`] for missing fields. A path that is not absolute is none: nothing is mounted there.
    pub fn parse(request: &v1::NodeGetVolumeStatsRequest) -> Result<Self, Error> {
        let volume = required("volume_id", &request.volume_id)?.to_owned();
        let path = Path::new(required("volume_path", &request.volume_path)?);
        Ok(Self {
            volume,
            path: path.components().collect(),
        })
    }
}

impl VolumeHealth {
    /// Reads the request.
    ///
    /// # Errors
    /// [`Error`] for a missing id and malformed paths.
    pub fn parse(request: &v1::NodeGetVolumeHealthRequest) -> Result<Self, Error> {
        let given = [
            ("volume_publish_path", &request.volume_publish_path),
            ("staging_target_path", &request.staging_target_path),
        ];
        let given = given.into_iter().filter(|(_, text)| !text.is_empty());
        Ok(Self {
            volume: required("volume_id", &request.volume_id)?.to_owned(),
            paths: given
                .map(|(field, text)| path(field, text))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn capability(capability: Option<&v1::VolumeCapability>) -> Result<Capability, Error> {
    Capability::parse(capability.ok_or(Error::Missing("volume_capability"))?)
}

/// An absolute path without `..`: one that names the same place however it is looked up.
fn path(field: &'static str, text: &str) -> Result<PathBuf, Error> {
    let given = Path::new(required(field, text)?);
    if !given.is_absolute() {
        return Err(Error::invalid(field, format!("`{text}` is not absolute")));
    }
    if given.components().any(|part| part == Component::ParentDir) {
        return Err(Error::invalid(field, format!("`{text}` contains `..`")));
    }
    if text.contains('\0') {
        return Err(Error::invalid(field, "contains a zero byte"));
    }
    // Without doubled and trailing slashes.
    Ok(given.components().collect())
}
