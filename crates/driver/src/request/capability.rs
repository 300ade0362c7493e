//! Volume capabilities: how a volume is to be used.

use csi_proto::v1::VolumeCapability;
use csi_proto::v1::volume_capability::AccessType;
use csi_proto::v1::volume_capability::access_mode::Mode;

use super::Error;
use crate::mount::Access;

/// A capability that a CephFS volume can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Derived from the access mode.
    pub access: Access,
    /// Mount options of the PersistentVolume.
    pub mount_flags: Vec<String>,
    /// The group that pods use the volume as.
    pub group: Option<u32>,
}

impl Capability {
    /// Reads one capability.
    ///
    /// # Errors
    /// [`Error`] for block volumes and for what no access mode means.
    pub fn parse(capability: &VolumeCapability) -> Result<Self, Error> {
        let mount = match &capability.access_type {
            Some(AccessType::Mount(mount)) => mount,
            Some(AccessType::Block(_)) => {
                let why = "CephFS has no block volumes; use volumeMode: Filesystem";
                return Err(Error::invalid("volume_capability.block", why));
            }
            None => return Err(Error::Missing("volume_capability.access_type")),
        };
        let mode = capability
            .access_mode
            .as_ref()
            .map_or(Mode::Unknown as i32, |mode| mode.mode);
        let access = match Mode::try_from(mode) {
            Ok(
                Mode::SingleNodeWriter
                | Mode::MultiNodeSingleWriter
                | Mode::MultiNodeMultiWriter
                | Mode::SingleNodeSingleWriter
                | Mode::SingleNodeMultiWriter,
            ) => Access::ReadWrite,
            Ok(Mode::SingleNodeReaderOnly | Mode::MultiNodeReaderOnly) => Access::ReadOnly,
            Ok(Mode::Unknown) => return Err(Error::Missing("volume_capability.access_mode")),
            Err(_) => {
                let why = format!("{mode} is no access mode of CSI 1.13");
                return Err(Error::invalid("volume_capability.access_mode", why));
            }
        };
        Ok(Self {
            access,
            mount_flags: mount.mount_flags.clone(),
            group: group(&mount.volume_mount_group)?,
        })
    }

    /// Reads a non-empty list.
    ///
    /// # Errors
    /// The first [`Error`] of its elements.
    pub fn parse_all(capabilities: &[VolumeCapability]) -> Result<Vec<Self>, Error> {
        if capabilities.is_empty() {
            return Err(Error::Missing("volume_capabilities"));
        }
        capabilities.iter().map(Self::parse).collect()
    }
}

fn group(text: &str) -> Result<Option<u32>, Error> {
    // The last number means "no change" to chown(2).
    match text.parse() {
        _ if text.is_empty() => Ok(None),
        Ok(group) if group < u32::MAX => Ok(Some(group)),
        _ => {
            let why = format!("`{}` is not the number of a group", text.escape_debug());
            Err(Error::invalid("volume_capability.volume_mount_group", why))
        }
    }
}
