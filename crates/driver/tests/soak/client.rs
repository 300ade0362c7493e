//! One client: it chooses what to do next, remembers what was acknowledged, and compares.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use csi_proto::v1 as csi;
use csi_proto::v1::controller_client::ControllerClient;
use csi_proto::v1::volume_content_source::{SnapshotSource, Type, VolumeSource};
use hyper_util::rt::TokioIo;
use tonic::Request;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::calls::Report;
use crate::content::Content;
use crate::group::Group;
use crate::lab::{CLUSTER_ID, Lab, Mode, capability};
use crate::mount::Places;
use crate::random::Random;

const MOST_VOLUMES: usize = 5;
const MOST_SNAPSHOTS: usize = 4;

/// Volumes and snapshots of its own, which nobody else touches.
pub(crate) struct Client {
    number: u64,
    random: Random,
    pub(crate) lab: Arc<Lab>,
    pub(crate) report: Arc<Report>,
    pub(crate) channel: Channel,
    pub(crate) places: Places,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) groups: Vec<Group>,
    named: u64,
}

/// An acknowledged volume.
#[derive(Clone)]
pub(crate) struct Volume {
    request: csi::CreateVolumeRequest,
    pub(crate) csi: csi::Volume,
    pub(crate) gib: i64,
    pub(crate) content: Content,
    pub(crate) read_only: bool,
}

/// An acknowledged snapshot.
pub(crate) struct Snapshot {
    request: csi::CreateSnapshotRequest,
    csi: csi::Snapshot,
    content: Content,
    gib: i64,
}

impl Volume {
    pub(crate) fn id(&self) -> &str {
        &self.csi.volume_id
    }
}

impl Client {
    pub(crate) fn new(
        number: u64,
        random: Random,
        lab: Arc<Lab>,
        report: Arc<Report>,
        socket: &Path,
        mounts: &Path,
    ) -> Self {
        let socket = socket.to_owned();
        let connect = move |_: Uri| {
            let socket = socket.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(socket).await;
                stream.map(TokioIo::new)
            }
        };
        let endpoint = Endpoint::from_static("http://localhost");
        Self {
            number,
            random,
            lab,
            report,
            channel: endpoint.connect_with_connector_lazy(tower::service_fn(connect)),
            places: Places::new(mounts, number),
            volumes: Vec::new(),
            snapshots: Vec::new(),
            groups: Vec::new(),
            named: 0,
        }
    }

    /// Files in all volumes and snapshots.
    pub(crate) fn files(&self) -> usize {
        let volumes = self.volumes.iter().map(|volume| volume.content.len());
        let snapshots = self.snapshots.iter().map(|snapshot| snapshot.content.len());
        let groups = self.groups.iter().map(Group::files);
        volumes.chain(snapshots).chain(groups).sum()
    }

    /// Does one thing after the other until then.
    pub(crate) async fn work(&mut self, until: Instant) {
        while Instant::now() < until {
            let (volumes, snapshots) = (self.volumes.len(), self.snapshots.len());
            let room = volumes < MOST_VOLUMES;
            match self.random.below(100) {
                _ if volumes == 0 => self.create(None, Mode::MultiNodeMultiWriter).await,
                0..12 if room => self.create(None, Mode::MultiNodeMultiWriter).await,
                12..20 if room => self.clone().await,
                20..28 if room && snapshots > 0 => self.restore(Mode::MultiNodeMultiWriter).await,
                28..36 if room && snapshots > 0 => self.restore(Mode::MultiNodeReaderOnly).await,
                36..54 => self.write().await,
                54..60 => self.check_one().await,
                60..66 => self.expand().await,
                66..78 if snapshots < MOST_SNAPSHOTS => self.snapshot().await,
                78..84 if snapshots > 0 => self.delete_snapshot().await,
                84..90 => self.delete_volume().await,
                90..94 => self.group().await,
                94..97 => self.ask_again().await,
                _ => self.look().await,
            }
        }
    }

    pub(crate) fn name(&mut self, kind: &str) -> String {
        self.named += 1;
        format!("{kind}-{}-{}", self.number, self.named)
    }

    pub(crate) fn any_volume(&mut self) -> usize {
        self.random.index(self.volumes.len())
    }

    fn any_snapshot(&mut self) -> usize {
        self.random.index(self.snapshots.len())
    }

    fn controller(&self) -> ControllerClient<Channel> {
        ControllerClient::new(self.channel.clone())
    }

    /// Makes a volume, as a copy if there is a source, with what the source has.
    pub(crate) async fn create(&mut self, source: Option<(Type, Content, i64)>, mode: Mode) {
        let name = self.name("pvc");
        let (of, content, gib) = match source {
            Some((of, content, gib)) => (Some(of), content, gib),
            None => (None, Content::default(), 1),
        };
        let request = csi::CreateVolumeRequest {
            volume_content_source: of.map(|of| csi::VolumeContentSource { r#type: Some(of) }),
            volume_capabilities: vec![capability(mode)],
            ..self.lab.create(&name, gib)
        };
        let csi = self.ask_for_volume(&request).await;
        self.volumes.push(Volume {
            request,
            csi,
            gib,
            content,
            read_only: mode == Mode::MultiNodeReaderOnly,
        });
    }

    async fn ask_for_volume(&self, request: &csi::CreateVolumeRequest) -> csi::Volume {
        let call = async |request: Request<_>| self.controller().create_volume(request).await;
        let answer = self
            .report
            .served("CreateVolume", request.clone(), call)
            .await;
        answer.volume.unwrap()
    }

    /// A volume of a volume; not of one that shows a deleted snapshot.
    async fn clone(&mut self) {
        let of = self.any_volume();
        let of = &self.volumes[of];
        if !self.can_be_copied(of) {
            return;
        }
        let volume_id = of.id().to_owned();
        let source = Type::Volume(VolumeSource { volume_id });
        let source = Some((source, of.content.clone(), of.gib));
        self.create(source, Mode::MultiNodeMultiWriter).await;
    }

    fn can_be_copied(&self, volume: &Volume) -> bool {
        let source = volume.csi.content_source.as_ref();
        match source.and_then(|source| source.r#type.as_ref()) {
            Some(Type::Snapshot(shown)) if volume.read_only => {
                let mut snapshots = self.snapshots.iter();
                snapshots.any(|snapshot| snapshot.csi.snapshot_id == shown.snapshot_id)
            }
            _ => true,
        }
    }

    /// A volume of a snapshot, or one that shows it.
    async fn restore(&mut self, mode: Mode) {
        let of = self.any_snapshot();
        let of = &self.snapshots[of];
        let snapshot_id = of.csi.snapshot_id.clone();
        let source = Type::Snapshot(SnapshotSource { snapshot_id });
        let source = Some((source, of.content.clone(), of.gib));
        self.create(source, mode).await;
    }

    async fn write(&mut self) {
        let index = self.any_volume();
        let volume = self.volumes[index].clone();
        if volume.read_only {
            return;
        }
        let seed = self.random.next();
        let mut content = volume.content.clone();
        let work = move |root: &Path| {
            content.write(root, seed);
            content
        };
        self.volumes[index].content = self.mounted(&volume, work).await;
    }

    async fn check_one(&mut self) {
        let index = self.any_volume();
        self.check(&self.volumes[index].clone()).await;
    }

    pub(crate) async fn check(&mut self, volume: &Volume) {
        let (content, whose) = (volume.content.clone(), volume.request.name.clone());
        let work = move |root: &Path| content.check(root, &whose);
        self.mounted(volume, work).await;
    }

    async fn expand(&mut self) {
        let index = self.any_volume();
        let volume = &mut self.volumes[index];
        if volume.read_only {
            return;
        }
        volume.gib += 1;
        let (gib, request) = (volume.gib, self.lab.expand(volume.id(), volume.gib));
        let call =
            async |request: Request<_>| self.controller().controller_expand_volume(request).await;
        let answer = self
            .report
            .served("ControllerExpandVolume", request, call)
            .await;
        assert_eq!(answer.capacity_bytes, gib << 30);
    }

    async fn snapshot(&mut self) {
        let index = self.any_volume();
        if self.volumes[index].read_only {
            return;
        }
        let name = self.name("snapshot");
        let volume = &self.volumes[index];
        let request = csi::CreateSnapshotRequest {
            source_volume_id: volume.id().to_owned(),
            name,
            parameters: [("clusterID".to_owned(), CLUSTER_ID.to_owned())].into(),
            secrets: self.lab.secrets(),
            ..Default::default()
        };
        let (content, gib) = (volume.content.clone(), volume.gib);
        let csi = self.ask_for_snapshot(&request).await;
        assert!(csi.ready_to_use);
        assert_eq!(csi.size_bytes, gib << 30);
        self.snapshots.push(Snapshot {
            request,
            csi,
            content,
            gib,
        });
    }

    async fn ask_for_snapshot(&self, request: &csi::CreateSnapshotRequest) -> csi::Snapshot {
        let call = async |request: Request<_>| self.controller().create_snapshot(request).await;
        let answer = self
            .report
            .served("CreateSnapshot", request.clone(), call)
            .await;
        answer.snapshot.unwrap()
    }

    async fn delete_volume(&mut self) {
        let index = self.any_volume();
        let volume = self.volumes.swap_remove(index);
        let request = self.lab.delete(volume.id());
        let call = async |request: Request<_>| self.controller().delete_volume(request).await;
        self.report.served("DeleteVolume", request, call).await;
    }

    async fn delete_snapshot(&mut self) {
        let index = self.any_snapshot();
        let request = csi::DeleteSnapshotRequest {
            snapshot_id: self.snapshots.swap_remove(index).csi.snapshot_id,
            secrets: self.lab.secrets(),
        };
        let call = async |request: Request<_>| self.controller().delete_snapshot(request).await;
        self.report.served("DeleteSnapshot", request, call).await;
    }

    /// The same requests again have the same answers, but for a size that has grown since.
    async fn ask_again(&mut self) {
        let index = self.any_volume();
        let volume = &self.volumes[index];
        if volume.gib == volume.request.capacity_range.unwrap().required_bytes >> 30 {
            assert_eq!(self.ask_for_volume(&volume.request).await, volume.csi);
        }
        if !self.snapshots.is_empty() {
            let index = self.any_snapshot();
            let snapshot = &self.snapshots[index];
            assert_eq!(self.ask_for_snapshot(&snapshot.request).await, snapshot.csi);
        }
    }

    /// All that is its own is found.
    async fn look(&mut self) {
        let index = self.any_volume();
        let id = self.volumes[index].id();
        let request = self.lab.validate(id);
        let call = async |request: Request<_>| {
            let mut controller = self.controller();
            controller.validate_volume_capabilities(request).await
        };
        let rpc = "ValidateVolumeCapabilities";
        self.report.served(rpc, request, call).await;

        let request = csi::ControllerGetVolumeRequest {
            volume_id: id.to_owned(),
        };
        let call =
            async |request: Request<_>| self.controller().controller_get_volume(request).await;
        let found = self
            .report
            .served("ControllerGetVolume", request, call)
            .await;
        assert_eq!(found.volume.unwrap().volume_id, id);
        self.health(id).await;

        if !self.snapshots.is_empty() {
            let index = self.any_snapshot();
            let snapshot = &self.snapshots[index];
            let request = csi::GetSnapshotRequest {
                snapshot_id: snapshot.csi.snapshot_id.clone(),
                secrets: self.lab.secrets(),
            };
            let call = async |request: Request<_>| self.controller().get_snapshot(request).await;
            let found = self.report.served("GetSnapshot", request, call).await;
            assert_eq!(found.snapshot.as_ref(), Some(&snapshot.csi));

            let source = &snapshot.csi.source_volume_id;
            let listed = self.list_snapshots(source).await;
            let own = self.snapshots.iter().map(|own| &own.csi);
            let mut own: Vec<_> = own
                .chain(self.groups.iter().flat_map(Group::snapshots))
                .collect();
            own.retain(|own| own.source_volume_id == *source);
            assert_eq!(listed.len(), own.len(), "{listed:?}\n{own:?}");
            assert!(own.iter().all(|own| listed.contains(own)), "{listed:?}");
        }
        let listed = self.list_volumes().await;
        for volume in &self.volumes {
            let times = listed.iter().filter(|id| *id == volume.id()).count();
            assert_eq!(times, 1, "{} is listed {times} times", volume.request.name);
        }
    }

    /// What stops for a moment is no ailment of a volume, so the answers only have to be there.
    async fn health(&self, id: &str) {
        let request = csi::ControllerGetVolumeHealthRequest {
            volume_id: id.to_owned(),
            ..Default::default()
        };
        let call = async |request: Request<_>| {
            let mut controller = self.controller();
            controller.controller_get_volume_health(request).await
        };
        let rpc = "ControllerGetVolumeHealth";
        let found = self.report.served(rpc, request, call).await;
        assert_eq!(found.volume_health.unwrap().volume_id, id);

        let request = csi::GetCapacityRequest {
            parameters: self.lab.create("", 1).parameters,
            ..Default::default()
        };
        let call = async |request: Request<_>| self.controller().get_capacity(request).await;
        let found = self.report.served("GetCapacity", request, call).await;
        assert!(found.available_capacity > 0);
    }

    /// The snapshots of one volume, which nobody else makes or deletes.
    async fn list_snapshots(&self, source_volume_id: &str) -> Vec<csi::Snapshot> {
        let request = csi::ListSnapshotsRequest {
            source_volume_id: source_volume_id.to_owned(),
            ..Default::default()
        };
        let call = async |request: Request<_>| self.controller().list_snapshots(request).await;
        let page = self.report.served("ListSnapshots", request, call).await;
        assert_eq!(page.next_token, "");
        let entries = page.entries.into_iter();
        entries.map(|entry| entry.snapshot.unwrap()).collect()
    }

    /// In pages, while others create and delete.
    async fn list_volumes(&self) -> Vec<String> {
        let (mut ids, mut starting_token) = (Vec::new(), String::new());
        loop {
            let request = csi::ListVolumesRequest {
                max_entries: 7,
                starting_token,
            };
            let call = async |request: Request<_>| self.controller().list_volumes(request).await;
            let page = self.report.served("ListVolumes", request, call).await;
            let entries = page.entries.into_iter();
            ids.extend(entries.map(|entry| entry.volume.unwrap().volume_id));
            if page.next_token.is_empty() {
                return ids;
            }
            starting_token = page.next_token;
        }
    }

    /// Every volume has its content, and every snapshot, as a volume that shows it.
    pub(crate) async fn check_all(&mut self) {
        for volume in self.volumes.clone() {
            self.check(&volume).await;
        }
        for index in 0..self.snapshots.len() {
            let of = &self.snapshots[index];
            let snapshot_id = of.csi.snapshot_id.clone();
            let source = Type::Snapshot(SnapshotSource { snapshot_id });
            let source = Some((source, of.content.clone(), of.gib));
            self.create(source, Mode::MultiNodeReaderOnly).await;
            let shown = self.volumes.last().unwrap().clone();
            self.check(&shown).await;
        }
        self.check_groups().await;
    }

    pub(crate) async fn delete_all(&mut self) {
        while let Some(group) = self.groups.pop() {
            self.delete_group(group).await;
        }
        while !self.volumes.is_empty() || !self.snapshots.is_empty() {
            if !self.snapshots.is_empty() {
                self.delete_snapshot().await;
            }
            if !self.volumes.is_empty() {
                self.delete_volume().await;
            }
        }
    }
}
