//! For each request: its method, what it is about, and what it excludes others by.
//!
//! Only what changes something excludes others. The controller goes by the request name or the id; a
//! request for an id also takes the name once the journal has told it.

use csi_proto::v1::{self as csi};

use super::Rpc;
use crate::operations::Key;

/// `rpc!(Request => Answer, "method", |request| subject, |request| key)`.
macro_rules! rpc {
    ($request:ident => $answer:ident, $method:literal, $subject:expr, $key:expr) => {
        impl Rpc for csi::$request {
            type Answer = csi::$answer;
            const METHOD: &'static str = $method;
            fn subject(&self) -> &str {
                let subject: fn(&Self) -> &str = $subject;
                subject(self)
            }
            fn key(&self) -> Option<Key> {
                let key: fn(&Self) -> Option<Key> = $key;
                key(self)
            }
        }
    };
}

rpc!(GetPluginInfoRequest => GetPluginInfoResponse, "/csi.v1.Identity/GetPluginInfo", |_| "", |_| None);
rpc!(
    GetPluginCapabilitiesRequest => GetPluginCapabilitiesResponse,
    "/csi.v1.Identity/GetPluginCapabilities", |_| "", |_| None
);
rpc!(ProbeRequest => ProbeResponse, "/csi.v1.Identity/Probe", |_| "", |_| None);

rpc!(
    CreateVolumeRequest => CreateVolumeResponse, "/csi.v1.Controller/CreateVolume",
    |request| &request.name, |request| exclusive(Key::VolumeName, &request.name)
);
rpc!(
    DeleteVolumeRequest => DeleteVolumeResponse, "/csi.v1.Controller/DeleteVolume",
    |request| &request.volume_id, |request| exclusive(Key::Volume, &request.volume_id)
);
rpc!(
    ControllerExpandVolumeRequest => ControllerExpandVolumeResponse,
    "/csi.v1.Controller/ControllerExpandVolume",
    |request| &request.volume_id, |request| exclusive(Key::Volume, &request.volume_id)
);
rpc!(
    ValidateVolumeCapabilitiesRequest => ValidateVolumeCapabilitiesResponse,
    "/csi.v1.Controller/ValidateVolumeCapabilities", |request| &request.volume_id, |_| None
);
rpc!(
    CreateSnapshotRequest => CreateSnapshotResponse, "/csi.v1.Controller/CreateSnapshot",
    |request| &request.name, |request| exclusive(Key::SnapshotName, &request.name)
);
rpc!(
    DeleteSnapshotRequest => DeleteSnapshotResponse, "/csi.v1.Controller/DeleteSnapshot",
    |request| &request.snapshot_id, |request| exclusive(Key::Snapshot, &request.snapshot_id)
);
rpc!(
    GetSnapshotRequest => GetSnapshotResponse, "/csi.v1.Controller/GetSnapshot",
    |request| &request.snapshot_id, |_| None
);
rpc!(
    ControllerGetCapabilitiesRequest => ControllerGetCapabilitiesResponse,
    "/csi.v1.Controller/ControllerGetCapabilities", |_| "", |_| None
);
rpc!(
    ListSnapshotsRequest => ListSnapshotsResponse, "/csi.v1.Controller/ListSnapshots",
    |request| &request.snapshot_id, |_| None
);
rpc!(ListVolumesRequest => ListVolumesResponse, "/csi.v1.Controller/ListVolumes", |_| "", |_| None);
rpc!(
    ControllerGetVolumeRequest => ControllerGetVolumeResponse,
    "/csi.v1.Controller/ControllerGetVolume", |request| &request.volume_id, |_| None
);
rpc!(GetCapacityRequest => GetCapacityResponse, "/csi.v1.Controller/GetCapacity", |_| "", |_| None);
rpc!(
    ControllerGetVolumeHealthRequest => ControllerGetVolumeHealthResponse,
    "/csi.v1.Controller/ControllerGetVolumeHealth", |request| &request.volume_id, |_| None
);
rpc!(
    ControllerListVolumeHealthRequest => ControllerListVolumeHealthResponse,
    "/csi.v1.Controller/ControllerListVolumeHealth", |_| "", |_| None
);

rpc!(
    GroupControllerGetCapabilitiesRequest => GroupControllerGetCapabilitiesResponse,
    "/csi.v1.GroupController/GroupControllerGetCapabilities", |_| "", |_| None
);
rpc!(
    CreateVolumeGroupSnapshotRequest => CreateVolumeGroupSnapshotResponse,
    "/csi.v1.GroupController/CreateVolumeGroupSnapshot",
    |request| &request.name, |request| exclusive(Key::GroupName, &request.name)
);
rpc!(
    DeleteVolumeGroupSnapshotRequest => DeleteVolumeGroupSnapshotResponse,
    "/csi.v1.GroupController/DeleteVolumeGroupSnapshot",
    |request| &request.group_snapshot_id, |request| exclusive(Key::Group, &request.group_snapshot_id)
);
rpc!(
    GetVolumeGroupSnapshotRequest => GetVolumeGroupSnapshotResponse,
    "/csi.v1.GroupController/GetVolumeGroupSnapshot",
    |request| &request.group_snapshot_id, |_| None
);

rpc!(
    NodeStageVolumeRequest => NodeStageVolumeResponse, "/csi.v1.Node/NodeStageVolume",
    |request| &request.volume_id, |request| exclusive(Key::StagedVolume, &request.volume_id)
);
rpc!(
    NodeUnstageVolumeRequest => NodeUnstageVolumeResponse, "/csi.v1.Node/NodeUnstageVolume",
    |request| &request.volume_id, |request| exclusive(Key::StagedVolume, &request.volume_id)
);
rpc!(
    NodePublishVolumeRequest => NodePublishVolumeResponse, "/csi.v1.Node/NodePublishVolume",
    |request| &request.volume_id, |request| exclusive(Key::Target, &request.target_path)
);
rpc!(
    NodeUnpublishVolumeRequest => NodeUnpublishVolumeResponse, "/csi.v1.Node/NodeUnpublishVolume",
    |request| &request.volume_id, |request| exclusive(Key::Target, &request.target_path)
);
rpc!(
    NodeGetVolumeStatsRequest => NodeGetVolumeStatsResponse, "/csi.v1.Node/NodeGetVolumeStats",
    |request| &request.volume_id, |_| None
);
rpc!(
    NodeGetVolumeHealthRequest => NodeGetVolumeHealthResponse, "/csi.v1.Node/NodeGetVolumeHealth",
    |request| &request.volume_id, |_| None
);
rpc!(
    NodeGetStorageHealthRequest => NodeGetStorageHealthResponse,
    "/csi.v1.Node/NodeGetStorageHealth", |_| "", |_| None
);
rpc!(
    NodeGetCapabilitiesRequest => NodeGetCapabilitiesResponse,
    "/csi.v1.Node/NodeGetCapabilities", |_| "", |_| None
);
rpc!(NodeGetInfoRequest => NodeGetInfoResponse, "/csi.v1.Node/NodeGetInfo", |_| "", |_| None);

/// An empty subject is refused by the RPC itself, so it needs no key.
fn exclusive(key: fn(String) -> Key, subject: &str) -> Option<Key> {
    (!subject.is_empty()).then(|| key(subject.to_owned()))
}
