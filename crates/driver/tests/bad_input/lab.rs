//! All services of one process, on a cluster in memory.

use std::sync::Arc;
use std::time::Duration;

use ceph::fault::Faults;
use ceph::{Context, Object, Pool, WriteOp, WriteStep};
use csi_proto::v1 as csi;
use csi_proto::v1::controller_server::Controller as _;
use spirula::backend::Backend;
use spirula::config::Config;
use spirula::controller::{Controller, Settings};
use spirula::mount::Mounts;
use spirula::mount::memory::Memory;
use spirula::node::{self, Node};
use spirula::own_credentials::OwnCredentials;
use spirula::rpc::{Frame, Limits};
use spirula::{controller, identity};
use tonic::{Request, Response, Status};

use crate::ids;
use crate::support::{World, create_request, snapshot_request};

/// Name of the volume of [`Lab::with_volume`].
pub(crate) const VOLUME: &str = "pvc-1";

/// Where volumes are staged.
pub(crate) const STAGING: &str = "/plugins/hash/globalmount";
/// Where the pods' directories are made.
pub(crate) const PODS: &str = "/pods";
/// Where the volume is published to a pod.
pub(crate) const TARGET: &str = "/pods/a";

/// A driver and its world.
pub(crate) struct Lab {
    pub(crate) world: World,
    /// Of the volume of [`Lab::with_volume`].
    pub(crate) volume_id: String,
    /// Of the snapshot of [`Lab::with_snapshot`].
    pub(crate) snapshot_id: String,
    pub(crate) identity: identity::Service,
    pub(crate) controller: controller::Service,
    pub(crate) groups: controller::GroupService,
    pub(crate) node: node::Service,
    pub(crate) mounts: Arc<Memory>,
    trailing: Arc<Controller>,
    runtime: tokio::runtime::Runtime,
}

impl Lab {
    /// Without any volume.
    pub(crate) fn new() -> Self {
        Self::on(World::new())
    }

    /// A process that starts in this world.
    fn on(world: World) -> Self {
        let config = Arc::new(Config::open(world.config_file(), "csi"));
        let pool = Pool::new(Arc::new(world.memory.clone()));
        let backend = Arc::new(Backend::new(config, pool, "default"));
        let frame = Arc::new(Frame::new(Limits {
            longest: Duration::from_secs(20),
            slow: None,
        }));
        let settings = Settings {
            set_metadata: false,
            cluster_name: None,
        };
        let own = OwnCredentials::new(Some(world.secrets_dir()), None);
        let controller = Controller::new(Arc::clone(&backend), settings).with_own_credentials(own);
        let controller = Arc::new(controller);
        let mounts = Arc::new(Memory::new(Faults::new()));
        mounts.add_dir(STAGING);
        mounts.add_dir(PODS);
        let node = Node::new(
            node::Settings::default(),
            Arc::clone(&backend),
            Arc::clone(&mounts) as Arc<dyn Mounts>,
        );
        Self {
            world,
            volume_id: String::new(),
            snapshot_id: String::new(),
            groups: controller::GroupService::new(Arc::clone(&controller), Arc::clone(&frame)),
            controller: controller::Service::new(Arc::clone(&controller), Arc::clone(&frame)),
            trailing: controller,
            node: node::Service::new(Arc::new(node), Arc::clone(&frame)),
            mounts,
            identity: identity::Service::new("cephfs.csi.ceph.com", backend, frame),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    /// Without any volume, and with this config.json from the start.
    pub(crate) fn with_config(config: &str) -> Self {
        let world = World::new();
        std::fs::write(world.config_file(), config).unwrap();
        Self::on(world)
    }

    /// Without config.json.
    pub(crate) fn without_config() -> Self {
        let world = World::new();
        std::fs::remove_file(world.config_file()).unwrap();
        Self::on(world)
    }

    /// With a volume that ceph-csi made, whose record has these keys besides; see [`ids::STORED`].
    pub(crate) fn with_stored(keys: &[(&str, &str)]) -> Self {
        let lab = Self::new();
        let name = format!("csi-vol-{}", ids::UUID);
        let at = Object {
            pool: 1,
            namespace: "csi".to_owned(),
            name: format!("csi.volume.{}", ids::UUID),
        };
        let own = [("csi.volname", VOLUME), ("csi.imagename", &name)];
        let keys = own.iter().chain(keys);
        let omap = keys.map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_owned()));
        let write = WriteOp::new()
            .then(WriteStep::Create)
            .then(WriteStep::OmapSet(omap.collect()));
        let cx = Context::with_timeout(Duration::from_secs(5));
        let client = lab.world.memory.client();
        lab.runtime.block_on(client.write(&cx, &at, write)).unwrap();
        let directory = Object {
            name: "csi.volumes.default".to_owned(),
            ..at
        };
        let key = (format!("csi.volume.{VOLUME}"), ids::UUID.into());
        let write = WriteOp::new().then(WriteStep::OmapSet([key].into()));
        let written = client.write(&cx, &directory, write);
        lab.runtime.block_on(written).unwrap();
        lab
    }

    /// With a volume of 2 GiB, made with `edit` applied to its request.
    pub(crate) fn with_volume_of(edit: fn(&mut csi::CreateVolumeRequest)) -> Self {
        let mut lab = Self::new();
        let mut request = create_request(VOLUME, 2);
        edit(&mut request);
        let answer = lab.run(lab.controller.create_volume(Request::new(request)));
        lab.volume_id = answer.unwrap().volume.unwrap().volume_id;
        lab
    }

    /// With a volume of 2 GiB and a snapshot of it; see [`ids::SNAPSHOT`].
    pub(crate) fn with_snapshot() -> Self {
        let mut lab = Self::with_volume();
        let request = snapshot_request(ids::SNAPSHOT, &lab.volume_id);
        let answer = lab.run(lab.controller.create_snapshot(Request::new(request)));
        lab.snapshot_id = answer.unwrap().snapshot.unwrap().snapshot_id;
        lab
    }

    /// With a volume of 2 GiB.
    pub(crate) fn with_volume() -> Self {
        Self::with_volume_of(|_| {})
    }

    /// Replaces config.json.
    pub(crate) fn write_config(&self, config: &str) {
        std::fs::write(self.world.config_file(), config).unwrap();
    }

    /// Waits for an answer, and for what follows it.
    pub(crate) fn run<T>(
        &self,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        self.runtime.block_on(async {
            let answer = answer.await.map(Response::into_inner);
            self.trailing.drain(Duration::from_secs(20)).await;
            answer
        })
    }

    /// All that requests can change.
    pub(crate) fn state(&self) -> String {
        let mut objects = self.world.memory.objects();
        // Harmless: the directory of the journal, when nothing is in it.
        objects.retain(|_, object| !object.omap.is_empty());
        // Nor does it matter that a name was reserved and given back.
        for object in objects.values_mut() {
            object.version = 0;
        }
        let subvolumes = self.world.memory.subvolumes();
        format!("{subvolumes:?} {objects:?} {:?}", self.mounts.remains())
    }

    /// Where config.json is.
    pub(crate) fn directory(&self) -> String {
        self.world
            .config_file()
            .parent()
            .unwrap()
            .display()
            .to_string()
    }
}
