//! A controller on a cluster in memory, whose processes can be killed and started again.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ceph::fault::{Fault, Faults, Pause};
use ceph::memory::Memory;
use ceph::mgr::MgrVolumes;
use ceph::subvolume::{Removal, Subvolumes as _};
use ceph::{Cluster, Connect, Context, Identity, Pool, WriteOp, WriteStep};
use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::group_controller_server::GroupController as _;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, MountVolume};
use csi_proto::v1::volume_content_source::{SnapshotSource, Type, VolumeSource};
use csi_proto::v1::{self as csi, VolumeCapability};
use spirula::backend::Backend;
use spirula::config::Config;
use spirula::controller::{Controller, GroupService, Service, Settings};
use spirula::journal::Source;
use spirula::own_credentials::OwnCredentials;
use spirula::rpc::{Frame, Limits};
use tempfile::TempDir;
use tonic::{Code, Request, Status};

/// A well-formed cephx key that opens nothing.
pub(crate) const KEY: &str = "AQBvaBRnAAAAABAAa2tra2tra2tra2tra2tra2s=";

/// What outlives a process: the cluster and config.json.
pub(crate) struct World {
    pub(crate) memory: Memory,
    /// Id of the pool with the journal.
    pub(crate) metadata_pool: i64,
    directory: TempDir,
}

/// One process: a controller with a runtime of its own.
pub(crate) struct Process {
    service: Service,
    groups: GroupService,
    controller: Arc<Controller>,
    runtime: tokio::runtime::Runtime,
    pub(crate) faults: Faults,
}

#[derive(Debug)]
struct MemoryConnect(Memory, Faults);

#[async_trait]
impl Connect for MemoryConnect {
    async fn connect(&self, _: &Context, _: &Identity) -> ceph::Result<Arc<dyn Cluster>> {
        Ok(self.1.wrap(self.0.client()))
    }
}

/// What is left of the journal when nothing is in it.
const DIRECTORIES: [&str; 3] = [
    "csi.volumes.default",
    "csi.snaps.default",
    "csi.groups.default",
];

impl World {
    /// A cluster `c1` with the file system `cephfs` and the group `csi`.
    pub(crate) fn new() -> Self {
        let memory = Memory::new();
        let metadata_pool = memory.create_filesystem("cephfs").metadata_pool;
        memory.create_group("cephfs", "csi");
        let directory = tempfile::tempdir().unwrap();
        let config = r#"[{"clusterID": "c1", "monitors": ["127.0.0.1:6789"]}]"#;
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        Self {
            memory,
            metadata_pool,
            directory,
        }
    }

    /// Where config.json is.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.directory.path().join("config.json")
    }

    /// Where the driver looks for credentials of its own.
    pub(crate) fn secrets_dir(&self) -> PathBuf {
        self.directory.path().join("secrets")
    }

    /// Gives the driver credentials of its own for `cluster`.
    pub(crate) fn give_credentials(&self, cluster: &str) {
        let directory = self.secrets_dir().join(cluster);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("userID"), "k8s").unwrap();
        std::fs::write(directory.join("userKey"), KEY).unwrap();
    }

    /// Starts a process.
    pub(crate) fn start(&self, faults: Faults) -> Process {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let entered = runtime.enter();
        let config = Config::open(self.config_file(), "csi");
        let pool = Pool::new(Arc::new(MemoryConnect(self.memory.clone(), faults.clone())));
        let backend = Arc::new(Backend::new(Arc::new(config), pool, "default"));
        let settings = Settings {
            set_metadata: true,
            cluster_name: Some("kubernetes".to_owned()),
        };
        let own = OwnCredentials::new(Some(self.secrets_dir()), None);
        let controller = Controller::new(backend, settings).with_own_credentials(own);
        let controller = Arc::new(controller);
        let limits = Limits {
            longest: Duration::from_secs(20),
            slow: None,
        };
        let frame = Arc::new(Frame::new(limits));
        let groups = GroupService::new(Arc::clone(&controller), Arc::clone(&frame));
        let service = Service::new(Arc::clone(&controller), frame);
        drop(entered);
        Process {
            service,
            groups,
            controller,
            runtime,
            faults,
        }
    }

    /// Everything that is left: subvolumes, records, directory keys. Empty in an empty cluster.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let subvolumes = self.memory.subvolumes().into_iter();
        let mut left: Vec<_> = subvolumes
            .map(|(at, _)| format!("subvolume {}", at.name))
            .collect();
        for (object, state) in self.memory.objects() {
            let keys = state
                .omap
                .keys()
                .map(|key| format!("{} key {key}", object.name));
            left.extend(keys);
            if !DIRECTORIES.contains(&&*object.name) {
                left.push(format!("object {}", object.name));
            }
        }
        left
    }

    /// Removes the subvolume of a volume by hand, but for its snapshots.
    pub(crate) fn retain_snapshots(&self, volume_id: &str) {
        let name = format!("csi-vol-{}", &volume_id[volume_id.len() - 36..]);
        let all = self.memory.subvolumes();
        let (at, _) = all.iter().find(|(at, _)| at.name == name).unwrap();
        let subvolumes = MgrVolumes::new(self.memory.client());
        let cx = Context::with_timeout(Duration::from_secs(10));
        block_on(subvolumes.remove(&cx, at, Removal::RetainSnapshots)).unwrap();
    }

    /// Removes from all records what ceph-csi would not have written.
    pub(crate) fn forget_notes(&self) {
        for (object, state) in self.memory.objects() {
            let ours = state.omap.into_keys();
            let ours = ours.filter(|key| key.starts_with("spirula."));
            let remove = WriteOp::new().then(WriteStep::OmapRemove(ours.collect()));
            let cx = Context::with_timeout(Duration::from_secs(5));
            block_on(self.memory.client().write(&cx, &object, remove)).unwrap();
        }
    }

    /// The metadata of the only subvolume.
    pub(crate) fn only_metadata(&self) -> BTreeMap<String, String> {
        let subvolumes = self.memory.subvolumes();
        assert_eq!(subvolumes.len(), 1, "{subvolumes:?}");
        subvolumes[0].1.metadata.clone()
    }
}

/// How a request in a process ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    Answered(Result<T, Status>),
    Killed,
}

impl Process {
    /// Stops `request` at `step`, counted from the start of the process, lets it go on after `meanwhile`, and kills the
    /// process after it. `false` if that is not as many steps.
    pub(crate) fn stopped_at<T: Send>(
        self,
        step: u64,
        request: impl FnOnce(&Self) -> End<T> + Send,
        meanwhile: impl FnOnce(),
    ) -> (bool, End<T>) {
        let pause = Pause::new();
        self.faults.at(step, Fault::Pause(pause.clone()));
        let mine = pause.clone();
        std::thread::scope(|scope| {
            let late = scope.spawn(move || {
                let end = request(&self);
                mine.end();
                self.kill();
                end
            });
            let reached = block_on(pause.reached());
            meanwhile();
            pause.end();
            (reached, late.join().unwrap())
        })
    }

    /// Sends a request and lets it and its metadata end, or the process be killed.
    pub(crate) fn call<T, F>(&self, request: impl FnOnce(Service) -> F) -> End<T>
    where
        F: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let request = request(self.service.clone());
        self.runtime.block_on(async {
            let answered = async {
                let answer = request.await.map(tonic::Response::into_inner);
                self.controller.drain(Duration::from_secs(20)).await;
                answer
            };
            tokio::select! {
                biased;
                () = self.faults.killed() => End::Killed,
                answer = answered => End::Answered(answer),
            }
        })
    }

    /// SIGKILL: whatever runs stops where it is. Waits until it has: a call that a thread is about to
    /// make must not reach the cluster in the middle of what the next process does.
    pub(crate) fn kill(self) {
        self.runtime.shutdown_timeout(Duration::from_secs(20));
    }

    pub(crate) fn create(&self, name: &str, gib: i64) -> End<csi::CreateVolumeResponse> {
        self.make(create_request(name, gib))
    }

    /// Makes a copy.
    pub(crate) fn copy(
        &self,
        name: &str,
        gib: i64,
        source: &Source,
    ) -> End<csi::CreateVolumeResponse> {
        self.copy_within(Duration::from_secs(20), name, gib, source)
    }

    /// Makes a copy for somebody who waits so long.
    fn copy_within(
        &self,
        limit: Duration,
        name: &str,
        gib: i64,
        source: &Source,
    ) -> End<csi::CreateVolumeResponse> {
        let mut request = Request::new(copy_request(name, gib, source));
        request.set_timeout(limit);
        self.call(|service| async move { service.create_volume(request).await })
    }

    /// Begins a copy, and waits for it until shortly before the deadline: why it was refused then. On a slow
    /// machine the deadline comes before anything is begun; it is asked for again.
    pub(crate) fn copy_begun(&self, name: &str, gib: i64, source: &Source) -> Status {
        let limit = Duration::from_millis(400);
        loop {
            let status = self.copy_within(limit, name, gib, source).refused();
            if status.code() != Code::DeadlineExceeded {
                return status;
            }
        }
    }

    /// Makes a volume that shows a snapshot.
    pub(crate) fn show(
        &self,
        name: &str,
        gib: i64,
        snapshot: &str,
    ) -> End<csi::CreateVolumeResponse> {
        self.make(show_request(name, gib, snapshot))
    }

    /// Makes any volume.
    pub(crate) fn make(&self, request: csi::CreateVolumeRequest) -> End<csi::CreateVolumeResponse> {
        self.call(|service| async move { service.create_volume(Request::new(request)).await })
    }

    /// Sends all requests at once.
    pub(crate) fn each<const N: usize>(
        &self,
        requests: [csi::CreateVolumeRequest; N],
    ) -> Vec<Result<csi::CreateVolumeResponse, Status>> {
        let answers = requests.map(|request| {
            let service = self.service.clone();
            async move {
                let answer = service.create_volume(Request::new(request)).await;
                answer.map(tonic::Response::into_inner)
            }
        });
        self.runtime.block_on(futures::future::join_all(answers))
    }

    pub(crate) fn delete(&self, volume_id: &str) -> End<csi::DeleteVolumeResponse> {
        let request = csi::DeleteVolumeRequest {
            volume_id: volume_id.to_owned(),
            secrets: secrets(),
        };
        self.call(|service| async move { service.delete_volume(Request::new(request)).await })
    }

    pub(crate) fn expand(
        &self,
        volume_id: &str,
        gib: i64,
    ) -> End<csi::ControllerExpandVolumeResponse> {
        let request = csi::ControllerExpandVolumeRequest {
            volume_id: volume_id.to_owned(),
            capacity_range: Some(csi::CapacityRange {
                required_bytes: gib << 30,
                limit_bytes: 0,
            }),
            secrets: secrets(),
            volume_capability: None,
        };
        self.call(|service| async move {
            service
                .controller_expand_volume(Request::new(request))
                .await
        })
    }

    pub(crate) fn snapshot(&self, name: &str, volume_id: &str) -> End<csi::Snapshot> {
        let request = snapshot_request(name, volume_id);
        let end = self
            .call(|service| async move { service.create_snapshot(Request::new(request)).await });
        match end {
            End::Answered(answer) => End::Answered(answer.map(|answer| answer.snapshot.unwrap())),
            End::Killed => End::Killed,
        }
    }

    pub(crate) fn delete_snapshot(&self, snapshot_id: &str) -> End<csi::DeleteSnapshotResponse> {
        let request = csi::DeleteSnapshotRequest {
            snapshot_id: snapshot_id.to_owned(),
            secrets: secrets(),
        };
        self.call(|service| async move { service.delete_snapshot(Request::new(request)).await })
    }

    pub(crate) fn get_snapshot(&self, snapshot_id: &str) -> End<csi::GetSnapshotResponse> {
        let request = csi::GetSnapshotRequest {
            snapshot_id: snapshot_id.to_owned(),
            secrets: secrets(),
        };
        self.call(|service| async move { service.get_snapshot(Request::new(request)).await })
    }

    /// Makes a group snapshot.
    pub(crate) fn group(&self, name: &str, volumes: &[&str]) -> End<csi::VolumeGroupSnapshot> {
        self.group_within(Duration::from_secs(20), name, volumes)
    }

    /// Makes a group snapshot for somebody who waits so long.
    pub(crate) fn group_within(
        &self,
        limit: Duration,
        name: &str,
        volumes: &[&str],
    ) -> End<csi::VolumeGroupSnapshot> {
        let mut request = Request::new(group_request(name, volumes));
        request.set_timeout(limit);
        let groups = self.groups.clone();
        let end = self.call(|_| async move { groups.create_volume_group_snapshot(request).await });
        match end {
            End::Answered(answer) => {
                End::Answered(answer.map(|answer| answer.group_snapshot.unwrap()))
            }
            End::Killed => End::Killed,
        }
    }

    /// Deletes a group snapshot, of which these snapshots are known.
    pub(crate) fn delete_group(
        &self,
        id: &str,
        snapshots: &[&str],
    ) -> End<csi::DeleteVolumeGroupSnapshotResponse> {
        let request = csi::DeleteVolumeGroupSnapshotRequest {
            group_snapshot_id: id.to_owned(),
            snapshot_ids: snapshots.iter().map(|&id| id.to_owned()).collect(),
            secrets: secrets(),
        };
        let groups = self.groups.clone();
        self.call(|_| async move {
            groups
                .delete_volume_group_snapshot(Request::new(request))
                .await
        })
    }

    pub(crate) fn get_group(&self, id: &str) -> End<csi::GetVolumeGroupSnapshotResponse> {
        let request = csi::GetVolumeGroupSnapshotRequest {
            group_snapshot_id: id.to_owned(),
            snapshot_ids: Vec::new(),
            secrets: secrets(),
        };
        let groups = self.groups.clone();
        self.call(|_| async move {
            groups
                .get_volume_group_snapshot(Request::new(request))
                .await
        })
    }

    pub(crate) fn validate(&self, volume_id: &str) -> End<csi::ValidateVolumeCapabilitiesResponse> {
        let request = csi::ValidateVolumeCapabilitiesRequest {
            volume_id: volume_id.to_owned(),
            volume_capabilities: vec![mount_capability(Mode::MultiNodeMultiWriter)],
            secrets: secrets(),
            ..Default::default()
        };
        self.call(|service| async move {
            service
                .validate_volume_capabilities(Request::new(request))
                .await
        })
    }
}

impl<T: std::fmt::Debug> End<T> {
    /// The answer of a request that was served.
    pub(crate) fn served(self) -> T {
        match self {
            Self::Answered(Ok(answer)) => answer,
            other => panic!("not served: {other:?}"),
        }
    }

    /// The status of a request that was refused.
    pub(crate) fn refused(self) -> Status {
        match self {
            Self::Answered(Err(status)) => status,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub(crate) fn is_killed(&self) -> bool {
        matches!(self, Self::Killed)
    }
}

/// For what a test does to the cluster itself.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Waits for what a process does on its own.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < until, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn secrets() -> BTreeMap<String, String> {
    [
        ("userID".to_owned(), "k8s".to_owned()),
        ("userKey".to_owned(), KEY.to_owned()),
    ]
    .into()
}

pub(crate) fn mount_capability(mode: Mode) -> VolumeCapability {
    VolumeCapability {
        access_mode: Some(AccessMode { mode: mode.into() }),
        access_type: Some(AccessType::Mount(MountVolume::default())),
    }
}

pub(crate) fn create_request(name: &str, gib: i64) -> csi::CreateVolumeRequest {
    let parameters = [
        ("clusterID", "c1"),
        ("fsName", "cephfs"),
        ("csi.storage.k8s.io/pvc/name", "data"),
        ("csi.storage.k8s.io/pvc/namespace", "shop"),
        ("csi.storage.k8s.io/pv/name", name),
    ];
    csi::CreateVolumeRequest {
        name: name.to_owned(),
        capacity_range: Some(csi::CapacityRange {
            required_bytes: gib << 30,
            limit_bytes: 0,
        }),
        volume_capabilities: vec![mount_capability(Mode::MultiNodeMultiWriter)],
        parameters: parameters
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        secrets: secrets(),
        ..Default::default()
    }
}

pub(crate) fn copy_request(name: &str, gib: i64, source: &Source) -> csi::CreateVolumeRequest {
    let r#type = match source.clone() {
        Source::Snapshot(snapshot_id) => Type::Snapshot(SnapshotSource { snapshot_id }),
        Source::Volume(volume_id) => Type::Volume(VolumeSource { volume_id }),
    };
    csi::CreateVolumeRequest {
        volume_content_source: Some(csi::VolumeContentSource {
            r#type: Some(r#type),
        }),
        ..create_request(name, gib)
    }
}

/// For a volume that shows a snapshot.
pub(crate) fn show_request(name: &str, gib: i64, snapshot: &str) -> csi::CreateVolumeRequest {
    csi::CreateVolumeRequest {
        volume_capabilities: vec![mount_capability(Mode::MultiNodeReaderOnly)],
        ..copy_request(name, gib, &Source::Snapshot(snapshot.to_owned()))
    }
}

pub(crate) fn group_request(name: &str, volumes: &[&str]) -> csi::CreateVolumeGroupSnapshotRequest {
    let parameters = [("clusterID", "c1"), ("fsName", "cephfs")];
    csi::CreateVolumeGroupSnapshotRequest {
        name: name.to_owned(),
        source_volume_ids: volumes.iter().map(|&id| id.to_owned()).collect(),
        parameters: parameters
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        secrets: secrets(),
    }
}

pub(crate) fn snapshot_request(name: &str, volume_id: &str) -> csi::CreateSnapshotRequest {
    let parameters = [
        ("clusterID", "c1"),
        ("csi.storage.k8s.io/volumesnapshot/name", "nightly"),
        ("csi.storage.k8s.io/volumesnapshot/namespace", "shop"),
        ("csi.storage.k8s.io/volumesnapshotcontent/name", name),
    ];
    csi::CreateSnapshotRequest {
        source_volume_id: volume_id.to_owned(),
        name: name.to_owned(),
        parameters: parameters
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        secrets: secrets(),
        ..Default::default()
    }
}
