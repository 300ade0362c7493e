//! Requests about snapshots.

use std::collections::BTreeMap;

use csi_proto::v1;

use super::parameters::{check_prefix, optional, sidecars, warn_of_unknown};
use super::{Error, check_id, check_name, max_entries, required};
use crate::credentials::Credentials;
use crate::ids::{Snapshot, SnapshotId, Volume, VolumeId};

/// Longest prefix of a snapshot's name: Ceph takes 240 bytes, and the uuid has 36.
pub(super) const MAX_PREFIX: usize = 240 - 36;

const KNOWN: [&str; 2] = ["clusterID", "snapshotNamePrefix"];

/// A CreateSnapshot request.
#[derive(Debug)]
pub struct CreateSnapshot {
    /// The name that makes repeats find the same snapshot.
    pub name: String,
    /// Of which volume, as text.
    pub source: String,
    /// Prefix of the snapshot's name, `None` for the default.
    pub name_prefix: Option<String>,
    /// Snapshot metadata: names of VolumeSnapshot and VolumeSnapshotContent, under the keys that
    /// ceph-csi uses.
    pub metadata: BTreeMap<String, String>,
    /// As whom.
    pub credentials: Credentials,
}

/// A DeleteSnapshot request.
#[derive(Debug)]
pub struct DeleteSnapshot {
    /// Which, and as whom; `None` if no driver like this can have made it.
    pub snapshot: Option<(SnapshotId, Credentials)>,
}

/// A GetSnapshot request.
#[derive(Debug)]
pub struct GetSnapshot {
    /// The id as text.
    pub snapshot: String,
    /// As whom.
    pub credentials: Credentials,
}

/// A ListSnapshots request.
#[derive(Debug)]
pub struct ListSnapshots<'a> {
    /// How many at most, 0 for no limit.
    pub max_entries: usize,
    /// Only the one with this id.
    pub snapshot: Option<&'a str>,
    /// Only those of the volume with this id.
    pub source: Option<&'a str>,
}

impl CreateSnapshot {
    /// Reads the request.
    ///
    /// # Errors
    /// [`crate::error::Error`] of the kinds that no repeat cures.
    pub fn parse(request: &v1::CreateSnapshotRequest) -> Result<Self, crate::error::Error> {
        let name = required("name", &request.name)?;
        check_name::<Snapshot>(name)?;
        let source = required("source_volume_id", &request.source_volume_id)?;
        check_id::<Volume>("source_volume_id", source)?;
        let parameters = &request.parameters;
        warn_of_unknown(parameters, &KNOWN);
        check_cluster(parameters, source, "VolumeSnapshotClass")?;
        let name_prefix = optional(parameters, "snapshotNamePrefix")?;
        if let Some(prefix) = name_prefix {
            check_prefix("snapshotNamePrefix", prefix, MAX_PREFIX)?;
            // `_name_inode` is how Ceph shows snapshots of directories further up.
            if prefix.starts_with('_') {
                let why = format!("`{prefix}` begins with `_`, which no snapshot of CephFS can");
                return Err(Error::invalid("parameters.snapshotNamePrefix", why).into());
            }
        }
        let metadata = [
            "volumesnapshot/name",
            "volumesnapshot/namespace",
            "volumesnapshotcontent/name",
        ];
        Ok(Self {
            name: name.to_owned(),
            source: source.to_owned(),
            name_prefix: name_prefix.map(str::to_owned),
            metadata: sidecars(parameters, &metadata),
            credentials: Credentials::from_secrets(&request.secrets)?,
        })
    }
}

/// The cluster is the one of the volume; the parameter, of an object of `class`, may say so, as it had to
/// for ceph-csi.
pub(super) fn check_cluster(
    parameters: &BTreeMap<String, String>,
    source: &str,
    class: &str,
) -> Result<(), Error> {
    let given = optional(parameters, "clusterID")?;
    let (Some(given), Ok(volume)) = (given, VolumeId::decode(source)) else {
        return Ok(());
    };
    if given == volume.cluster_id() {
        return Ok(());
    }
    let why = format!(
        "is `{given}`, but the volume `{source}` is in `{}`; use a {class} of that cluster, \
         or one without clusterID",
        volume.cluster_id()
    );
    Err(Error::invalid("parameters.clusterID", why))
}

impl DeleteSnapshot {
    /// Reads the request.
    ///
    /// # Errors
    /// As [`CreateSnapshot::parse`].
    pub fn parse(request: &v1::DeleteSnapshotRequest) -> Result<Self, crate::error::Error> {
        let id = required("snapshot_id", &request.snapshot_id)?;
        check_id::<Snapshot>("snapshot_id", id)?;
        let Ok(id) = SnapshotId::decode(id) else {
            return Ok(Self { snapshot: None });
        };
        let credentials = Credentials::from_secrets(&request.secrets)?;
        Ok(Self {
            snapshot: Some((id, credentials)),
        })
    }
}

impl GetSnapshot {
    /// Reads the request.
    ///
    /// # Errors
    /// As [`CreateSnapshot::parse`].
    pub fn parse(request: &v1::GetSnapshotRequest) -> Result<Self, crate::error::Error> {
        let id = required("snapshot_id", &request.snapshot_id)?;
        check_id::<Snapshot>("snapshot_id", id)?;
        Ok(Self {
            snapshot: id.to_owned(),
            credentials: Credentials::from_secrets(&request.secrets)?,
        })
    }
}

impl<'a> ListSnapshots<'a> {
    /// Reads the request.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn parse(request: &'a v1::ListSnapshotsRequest) -> Result<Self, Error> {
        let (snapshot, source) = (&*request.snapshot_id, &*request.source_volume_id);
        check_id::<Snapshot>("snapshot_id", snapshot)?;
        check_id::<Volume>("source_volume_id", source)?;
        let given = |id: &'a str| (!id.is_empty()).then_some(id);
        Ok(Self {
            max_entries: max_entries(request.max_entries)?,
            snapshot: given(snapshot),
            source: given(source),
        })
    }
}
