//! Requests about group snapshots.

use std::collections::BTreeSet;

use csi_proto::v1;

use super::parameters::{check_prefix, optional, warn_of_unknown};
use super::snapshot::{MAX_PREFIX, check_cluster};
use super::{Error, check_id, check_name, required};
use crate::credentials::Credentials;
use crate::ids::{Group, GroupId, Volume, VolumeId};

const KNOWN: [&str; 3] = ["clusterID", "fsName", "volumeGroupNamePrefix"];

const SOURCES: &str = "source_volume_ids";

/// A CreateVolumeGroupSnapshot request.
#[derive(Debug)]
pub struct CreateGroupSnapshot {
    /// The name that makes repeats find the same group snapshot.
    pub name: String,
    /// Of which volumes: at least one, each once, all of one file system.
    pub volumes: Vec<VolumeId>,
    /// The file system that the class names.
    pub fs_name: Option<String>,
    /// Prefix of the group's name, `None` for the default.
    pub name_prefix: Option<String>,
    /// As whom.
    pub credentials: Credentials,
}

/// A DeleteVolumeGroupSnapshot request.
#[derive(Debug)]
pub struct DeleteGroupSnapshot {
    /// Which, and as whom; `None` if no driver like this can have made it.
    pub group: Option<(GroupId, Credentials)>,
    /// Ids of the snapshots that the caller knows to be in it; none if it does not say.
    pub snapshots: Vec<String>,
}

/// A GetVolumeGroupSnapshot request.
#[derive(Debug)]
pub struct GetGroupSnapshot {
    /// The id as text.
    pub group: String,
    /// As in [`DeleteGroupSnapshot`].
    pub snapshots: Vec<String>,
    /// As whom.
    pub credentials: Credentials,
}

impl CreateGroupSnapshot {
    /// Reads the request.
    ///
    /// # Errors
    /// [`crate::error::Error`] of the kinds that no repeat cures.
    pub fn parse(
        request: &v1::CreateVolumeGroupSnapshotRequest,
    ) -> Result<Self, crate::error::Error> {
        let name = required("name", &request.name)?;
        check_name::<Group>(name)?;
        let volumes = volumes(&request.source_volume_ids)?;
        let parameters = &request.parameters;
        warn_of_unknown(parameters, &KNOWN);
        for volume in &volumes {
            check_cluster(parameters, &volume.to_string(), "VolumeGroupSnapshotClass")?;
        }
        let name_prefix = optional(parameters, "volumeGroupNamePrefix")?;
        if let Some(prefix) = name_prefix {
            check_prefix("volumeGroupNamePrefix", prefix, MAX_PREFIX)?;
        }
        Ok(Self {
            name: name.to_owned(),
            volumes,
            fs_name: optional(parameters, "fsName")?.map(str::to_owned),
            name_prefix: name_prefix.map(str::to_owned),
            credentials: Credentials::from_secrets(&request.secrets)?,
        })
    }
}

fn volumes(ids: &[String]) -> Result<Vec<VolumeId>, crate::error::Error> {
    let invalid = |why: String| Err(Error::invalid(SOURCES, why).into());
    let mut seen = BTreeSet::new();
    let mut volumes: Vec<VolumeId> = Vec::new();
    for id in ids {
        check_id::<Volume>(SOURCES, id)?;
        if !seen.insert(id) {
            return invalid(format!(
                "has the volume `{id}` more than once; name each once"
            ));
        }
        let volume = VolumeId::decode(id).map_err(crate::error::Error::NotDynamic)?;
        if let Some(first) = volumes.first() {
            check_together(first, &volume)?;
        }
        volumes.push(volume);
    }
    if volumes.is_empty() {
        return invalid("is empty; name at least one volume".to_owned());
    }
    Ok(volumes)
}

/// Writes are held back by one metadata server for one file system.
fn check_together(first: &VolumeId, other: &VolumeId) -> Result<(), Error> {
    let (what, one, another) = if first.cluster_id() != other.cluster_id() {
        let of = |id: &VolumeId| format!("`{}`", id.cluster_id());
        ("cluster", of(first), of(other))
    } else if first.fs_id() != other.fs_id() {
        let of = |id: &VolumeId| format!("with the id {}", id.fs_id());
        ("file system", of(first), of(other))
    } else {
        return Ok(());
    };
    let why = format!(
        "the volume `{first}` is in the {what} {one}, and `{other}` in the one {another}; a group \
         snapshot shows one moment of one file system, so make one group for each"
    );
    Err(Error::invalid(SOURCES, why))
}

impl DeleteGroupSnapshot {
    /// Reads the request.
    ///
    /// # Errors
    /// As [`CreateGroupSnapshot::parse`].
    pub fn parse(
        request: &v1::DeleteVolumeGroupSnapshotRequest,
    ) -> Result<Self, crate::error::Error> {
        let id = required("group_snapshot_id", &request.group_snapshot_id)?;
        check_id::<Group>("group_snapshot_id", id)?;
        let snapshots = request.snapshot_ids.clone();
        let Ok(id) = GroupId::decode(id) else {
            return Ok(Self {
                group: None,
                snapshots,
            });
        };
        let credentials = Credentials::from_secrets(&request.secrets)?;
        Ok(Self {
            group: Some((id, credentials)),
            snapshots,
        })
    }
}

impl GetGroupSnapshot {
    /// Reads the request.
    ///
    /// # Errors
    /// As [`CreateGroupSnapshot::parse`].
    pub fn parse(request: &v1::GetVolumeGroupSnapshotRequest) -> Result<Self, crate::error::Error> {
        let id = required("group_snapshot_id", &request.group_snapshot_id)?;
        check_id::<Group>("group_snapshot_id", id)?;
        Ok(Self {
            group: id.to_owned(),
            snapshots: request.snapshot_ids.clone(),
            credentials: Credentials::from_secrets(&request.secrets)?,
        })
    }
}
