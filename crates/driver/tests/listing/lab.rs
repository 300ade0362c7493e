//! The listing requests.

use ceph::fault::Faults;
use ceph::{Context, Object, WriteOp, WriteStep};
use csi_proto::v1 as csi;
use csi_proto::v1::controller_server::Controller as _;
use std::time::Duration;
use tonic::Request;

use crate::support::{End, Process, World, block_on};

/// A world whose driver has credentials of its own for its cluster, and a process in it.
pub(crate) fn lab() -> (World, Process) {
    let world = World::new();
    world.give_credentials("c1");
    let process = world.start(Faults::new());
    (world, process)
}

impl Process {
    pub(crate) fn list(
        &self,
        max_entries: i32,
        starting_token: &str,
    ) -> End<csi::ListVolumesResponse> {
        let request = csi::ListVolumesRequest {
            max_entries,
            starting_token: starting_token.to_owned(),
        };
        self.call(|service| async move { service.list_volumes(Request::new(request)).await })
    }

    /// Ids of all volumes, in pages of `max_entries`; `between` runs after each page.
    pub(crate) fn list_all(
        &self,
        max_entries: i32,
        mut between: impl FnMut(&[String]),
    ) -> Vec<String> {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let page = self.list(max_entries, &token).served();
            let found = page
                .entries
                .into_iter()
                .map(|entry| entry.volume.unwrap().volume_id);
            let found: Vec<_> = found.collect();
            between(&found);
            ids.extend(found);
            token = page.next_token;
            if token.is_empty() {
                return ids;
            }
        }
    }

    pub(crate) fn list_health(
        &self,
        max_entries: i32,
        starting_token: &str,
    ) -> End<csi::ControllerListVolumeHealthResponse> {
        let request = csi::ControllerListVolumeHealthRequest {
            max_entries,
            starting_token: starting_token.to_owned(),
            ..Default::default()
        };
        self.call(|service| async move {
            service
                .controller_list_volume_health(Request::new(request))
                .await
        })
    }

    pub(crate) fn get(&self, volume_id: &str) -> End<csi::ControllerGetVolumeResponse> {
        let volume_id = volume_id.to_owned();
        let request = csi::ControllerGetVolumeRequest { volume_id };
        self.call(
            |service| async move { service.controller_get_volume(Request::new(request)).await },
        )
    }

    pub(crate) fn health(&self, volume_id: &str) -> End<csi::ControllerGetVolumeHealthResponse> {
        let request = csi::ControllerGetVolumeHealthRequest {
            volume_id: volume_id.to_owned(),
            ..Default::default()
        };
        self.call(|service| async move {
            service
                .controller_get_volume_health(Request::new(request))
                .await
        })
    }

    /// Reasons of what is wrong with a volume.
    pub(crate) fn reasons(&self, volume_id: &str) -> Vec<String> {
        reasons(&self.health(volume_id).served().volume_health.unwrap())
    }

    pub(crate) fn capacity(&self, parameters: &[(&str, &str)]) -> End<csi::GetCapacityResponse> {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let request = csi::GetCapacityRequest {
            parameters: parameters.iter().map(owned).collect(),
            ..Default::default()
        };
        self.call(|service| async move { service.get_capacity(Request::new(request)).await })
    }

    pub(crate) fn capabilities(&self) -> Vec<i32> {
        let request = Request::new(csi::ControllerGetCapabilitiesRequest {});
        let answer =
            self.call(|service| async move { service.controller_get_capabilities(request).await });
        let rpc = |capability: csi::ControllerServiceCapability| match capability.r#type.unwrap() {
            csi::controller_service_capability::Type::Rpc(rpc) => rpc.r#type,
        };
        answer.served().capabilities.into_iter().map(rpc).collect()
    }

    pub(crate) fn create_id(&self, name: &str) -> String {
        self.create(name, 1).served().volume.unwrap().volume_id
    }
}

pub(crate) fn reasons(health: &csi::VolumeHealth) -> Vec<String> {
    let statuses = health.health_statuses.iter();
    statuses.map(|entry| entry.reason.clone()).collect()
}

impl World {
    /// Sets keys of a journal object.
    pub(crate) fn write_omap(&self, object: &str, keys: &[(&str, &str)]) {
        let at = Object {
            pool: self.metadata_pool,
            namespace: "csi".to_owned(),
            name: object.to_owned(),
        };
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
        let write = WriteOp::new()
            .then(WriteStep::Create)
            .then(WriteStep::OmapSet(keys.iter().map(owned).collect()));
        let cx = Context::with_timeout(Duration::from_secs(5));
        block_on(self.memory.client().write(&cx, &at, write)).unwrap();
    }

    /// Runs a command that needs file system, group and name of a subvolume.
    pub(crate) fn subvolume_command(&self, prefix: &'static str, group: &str, name: &str) {
        let arguments = std::collections::BTreeMap::from([
            ("vol_name", "cephfs"),
            ("group_name", group),
            ("sub_name", name),
        ]);
        let command = ceph::Command::new(prefix, &arguments).unwrap();
        let cx = Context::with_timeout(Duration::from_secs(5));
        block_on(self.memory.client().mgr_command(&cx, &command)).unwrap();
    }

    /// Removes a snapshot by hand.
    pub(crate) fn remove_snapshot(&self, volume_id: &str, snapshot: &str) {
        let at = ceph::Snapshot {
            of: ceph::Subvolume {
                fs: "cephfs".to_owned(),
                group: "csi".to_owned(),
                name: format!("csi-vol-{}", &volume_id[volume_id.len() - 36..]),
            },
            name: snapshot.to_owned(),
        };
        let snapshots = ceph::mgr::MgrVolumes::new(self.memory.client());
        let cx = Context::with_timeout(Duration::from_secs(5));
        block_on(ceph::Snapshots::remove(&snapshots, &cx, &at)).unwrap();
    }

    /// A volume as ceph-csi makes it: nothing tells its size or its group.
    pub(crate) fn make_foreign(&self, group: &str, name: &str, uuid: &str) {
        let subvolume = format!("csi-vol-{uuid}");
        self.write_omap(
            "csi.volumes.default",
            &[(&format!("csi.volume.{name}"), uuid)],
        );
        let keys = [("csi.volname", name), ("csi.imagename", &subvolume)];
        self.write_omap(&format!("csi.volume.{uuid}"), &keys);
        self.subvolume_command("fs subvolume create", group, &subvolume);
    }
}
