//! Snapshots of several volumes at one moment, where Ceph can hold writes back; elsewhere that it is told.

use csi_proto::v1 as csi;
use csi_proto::v1::group_controller_client::GroupControllerClient;
use csi_proto::v1::volume_content_source::{SnapshotSource, Type};
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::calls;
use crate::client::Client;
use crate::content::Content;
use crate::lab::{Mode, can_hold_back, member, members};

const MOST_GROUPS: usize = 2;
const MOST_MEMBERS: usize = 3;

/// An acknowledged group snapshot.
pub(crate) struct Group {
    request: csi::CreateVolumeGroupSnapshotRequest,
    csi: csi::VolumeGroupSnapshot,
    /// By the id of the volume: what was in it, and its size.
    members: Vec<(String, Content, i64)>,
}

impl Group {
    pub(crate) fn files(&self) -> usize {
        self.members.iter().map(|member| member.1.len()).sum()
    }

    pub(crate) fn snapshots(&self) -> &[csi::Snapshot] {
        &self.csi.snapshots
    }
}

impl Client {
    /// Makes a group snapshot, or asks for one again and deletes it.
    pub(crate) async fn group(&mut self) {
        if !can_hold_back() {
            self.is_told_that_there_are_none().await;
        } else if self.groups.len() < MOST_GROUPS {
            self.make_group().await;
        } else {
            let group = self.groups.remove(0);
            assert_eq!(self.ask_for_group(&group.request).await, group.csi);
            self.delete_group(group).await;
        }
    }

    async fn make_group(&mut self) {
        let writable = self.volumes.iter().filter(|volume| !volume.read_only);
        let members: Vec<_> = writable
            .take(MOST_MEMBERS)
            .map(|volume| (volume.id().to_owned(), volume.content.clone(), volume.gib))
            .collect();
        if members.is_empty() {
            return;
        }
        let request = self.group_of(members.iter().map(|member| member.0.clone()).collect());
        let csi = self.ask_for_group(&request).await;
        assert!(csi.ready_to_use);
        assert_eq!(csi.snapshots.len(), members.len());
        for (id, _, gib) in &members {
            assert_eq!(member(&csi, id).size_bytes, gib << 30);
        }
        self.groups.push(Group {
            request,
            csi,
            members,
        });
    }

    fn group_of(
        &mut self,
        source_volume_ids: Vec<String>,
    ) -> csi::CreateVolumeGroupSnapshotRequest {
        csi::CreateVolumeGroupSnapshotRequest {
            name: self.name("group"),
            source_volume_ids,
            secrets: self.lab.secrets(),
            ..Default::default()
        }
    }

    async fn ask_for_group(
        &self,
        request: &csi::CreateVolumeGroupSnapshotRequest,
    ) -> csi::VolumeGroupSnapshot {
        let call = async |request: Request<_>| {
            let mut groups = self.group_controller();
            groups.create_volume_group_snapshot(request).await
        };
        let rpc = "CreateVolumeGroupSnapshot";
        let answer = self.report.served(rpc, request.clone(), call).await;
        answer.group_snapshot.unwrap()
    }

    async fn is_told_that_there_are_none(&mut self) {
        let index = self.any_volume();
        // There is no snapshot of a volume that shows one, on any Ceph.
        if self.volumes[index].read_only {
            return;
        }
        let request = self.group_of(vec![self.volumes[index].id().to_owned()]);
        let mut groups = self.group_controller();
        let refusal = groups.create_volume_group_snapshot(request).await;
        let refusal = refusal.unwrap_err();
        // The driver may be dead, or Ceph not answer.
        let asks_again = calls::asks_again("CreateVolumeGroupSnapshot", &refusal).is_some();
        assert!(
            refusal.code() == Code::FailedPrecondition || asks_again,
            "{refusal:?}"
        );
    }

    /// Every group is found, and what its members show is what their volumes had.
    pub(crate) async fn check_groups(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        for group in &groups {
            let request = csi::GetVolumeGroupSnapshotRequest {
                group_snapshot_id: group.csi.group_snapshot_id.clone(),
                snapshot_ids: members(&group.csi),
                secrets: self.lab.secrets(),
            };
            let call = async |request: Request<_>| {
                let mut groups = self.group_controller();
                groups.get_volume_group_snapshot(request).await
            };
            let rpc = "GetVolumeGroupSnapshot";
            let found = self.report.served(rpc, request, call).await;
            assert_eq!(found.group_snapshot.as_ref(), Some(&group.csi));
            for (id, content, gib) in &group.members {
                let snapshot_id = member(&group.csi, id).snapshot_id.clone();
                let source = Type::Snapshot(SnapshotSource { snapshot_id });
                let source = Some((source, content.clone(), *gib));
                self.create(source, Mode::MultiNodeReaderOnly).await;
                let shown = self.volumes.last().unwrap().clone();
                self.check(&shown).await;
            }
        }
        self.groups = groups;
    }

    pub(crate) async fn delete_group(&mut self, group: Group) {
        let request = csi::DeleteVolumeGroupSnapshotRequest {
            snapshot_ids: members(&group.csi),
            group_snapshot_id: group.csi.group_snapshot_id,
            secrets: self.lab.secrets(),
        };
        let call = async |request: Request<_>| {
            let mut groups = self.group_controller();
            groups.delete_volume_group_snapshot(request).await
        };
        let rpc = "DeleteVolumeGroupSnapshot";
        self.report.served(rpc, request, call).await;
    }

    fn group_controller(&self) -> GroupControllerClient<Channel> {
        GroupControllerClient::new(self.channel.clone())
    }
}
