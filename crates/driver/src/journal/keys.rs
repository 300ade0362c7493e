//! Names of journal objects and keys. Those that begin with `csi.` are shared with ceph-csi and can
//! never change.

use crate::ids::VolumeUuid;

/// Record: the request name.
pub(super) const REQUEST_NAME: &str = "csi.volname";
/// Record: the subvolume's name.
pub(super) const SUBVOLUME: &str = "csi.imagename";
/// Record: the PVC's namespace.
pub(super) const OWNER: &str = "csi.volume.owner";
/// Record: the KMS of an encrypted volume.
pub(super) const KMS: &str = "csi.volume.encryptKMS";
/// Record: the snapshot behind a snapshot-backed volume.
pub(super) const BACKING_SNAPSHOT: &str = "csi.volume.backingsnapshotid";
/// Record, ours: [`super::Details`] as JSON.
pub(super) const DETAILS: &str = "spirula.volume";
/// Record, ours: subvolume metadata still to be set, a JSON object of strings.
pub(super) const PENDING_METADATA: &str = "spirula.metadata.pending";

/// Whether a key of a record is one that ceph-csi does not read.
pub(super) fn is_ours(key: &str) -> bool {
    key.starts_with("spirula.")
}

/// Prefix of subvolume names unless the StorageClass has another.
pub const DEFAULT_PREFIX: &str = "csi-vol-";

/// The directory object of a driver instance.
pub(super) fn directory(instance: &str) -> String {
    format!("csi.volumes.{instance}")
}

/// Prefix of the directory's keys.
pub(super) const DIRECTORY_KEY_PREFIX: &str = "csi.volume.";

/// The directory's key for a request name.
pub(super) fn directory_key(request_name: &str) -> String {
    format!("{DIRECTORY_KEY_PREFIX}{request_name}")
}

/// The record object of a volume.
pub(super) fn record(uuid: &VolumeUuid) -> String {
    format!("csi.volume.{uuid}")
}
