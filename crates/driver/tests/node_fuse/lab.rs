//! A node service of its own for each test, and a directory of the cluster.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ceph::Pool;
use ceph::rados::{self, Connector};
use csi_proto::v1::node_server::Node as _;
pub(crate) use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, MountVolume};
use csi_proto::v1::{
    NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse, NodePublishVolumeRequest,
    NodeStageVolumeRequest, NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest, VolumeCapability,
};
use rustix::process::{Pid, Signal, kill_process};
use spirula::backend::Backend;
use spirula::ceph_conf::CephConf;
use spirula::config::Config;
use spirula::mount::role::OwnProgram;
use spirula::mount::{Fuse, Kernel, Linux, Mounter, Witness};
use spirula::node::{Node, Service, Settings};
use spirula::rpc::{Frame, Limits};
use tonic::{Request, Status};

/// The directory that every test has its own directory in.
const GROUP: &str = "/volumes/csi";

/// Longer than anything here takes, also where everything takes long.
pub(crate) const DEADLINE: Duration = Duration::from_mins(8);

pub(crate) struct Lab {
    pub(crate) service: Service,
    pub(crate) volume: String,
    pub(crate) staging: PathBuf,
    pub(crate) root: String,
    pub(crate) directory: tempfile::TempDir,
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells the tests where the cluster is"
)]
pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

pub(crate) fn key() -> String {
    let key = std::fs::read_to_string(setting("SPIRULA_TEST_KEYFILE")).unwrap();
    key.trim().to_owned()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

pub(crate) fn capability(mode: Mode) -> VolumeCapability {
    VolumeCapability {
        access_mode: Some(AccessMode { mode: mode.into() }),
        access_type: Some(AccessType::Mount(MountVolume::default())),
    }
}

pub(crate) fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    let owned = entries.map(|(key, value)| (key.to_owned(), value.to_owned()));
    owned.into()
}

/// The mounter as the driver has it; the test's own program has no role to play.
fn fuse(conf: Arc<CephConf>, owner: String) -> Fuse {
    Fuse::new("ceph-fuse", conf)
        .owned_by(owner)
        .with_witness(witness())
        .with_own_program(own())
}

/// The real cluster.
fn witness() -> Witness {
    Witness::new(Arc::new(Connector::new(rados::Settings::default())))
}

pub(crate) fn own() -> OwnProgram {
    OwnProgram::at(env!("CARGO_BIN_EXE_spirula"))
}

impl Lab {
    /// A node, and the volume `name` on the cluster.
    pub(crate) fn new(name: &str) -> Self {
        let lab = Self::without_volume(name);
        lab.make_root();
        lab
    }

    /// The same on a node with other settings; they are given with the directory of the test.
    pub(crate) fn with(name: &str, change: impl FnOnce(&mut Settings, &Path)) -> Self {
        let lab = Self::make(name, change);
        lab.make_root();
        lab
    }

    pub(crate) fn without_volume(name: &str) -> Self {
        Self::make(name, |_, _| {})
    }

    fn make(name: &str, change: impl FnOnce(&mut Settings, &Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.json");
        list_monitors(&config, &setting("SPIRULA_TEST_MONITORS"));
        let conf = Arc::new(CephConf::new(directory.path().join("ceph")));
        let owner = directory.path().display().to_string();
        // For the mounts by hand; the driver writes its own.
        let by_hand = directory.path().join("ceph.conf");
        std::fs::write(by_hand, "[global]\nauth_client_required = cephx\n").unwrap();
        let staging = directory.path().join("hash/globalmount");
        std::fs::create_dir_all(&staging).unwrap();

        let backend = Backend::new(
            Arc::new(Config::open(config, "csi")),
            // Its volumes say where they are, so no test may get as far as asking this cluster.
            Pool::new(Arc::new(ceph::memory::Memory::new())),
            "default",
        );
        let kernel = Kernel::new(false).with_witness(witness());
        let mounters: Vec<Box<dyn Mounter>> = vec![Box::new(kernel), Box::new(fuse(conf, owner))];
        let mounts = Linux::new(mounters).with_own_program(own());
        let mut settings = Settings {
            node_id: "node".to_owned(),
            ..Settings::default()
        };
        change(&mut settings, directory.path());
        let node = Node::new(settings, Arc::new(backend), Arc::new(mounts));
        let frame = Frame::new(Limits {
            longest: DEADLINE,
            slow: None,
        });
        Self {
            service: Service::new(Arc::new(node), Arc::new(frame)),
            volume: format!("static-{name}"),
            staging: staging.canonicalize().unwrap(),
            root: format!("{GROUP}/spirula-test-{name}"),
            directory,
        }
    }

    /// Has config.json list other monitors from now on.
    pub(crate) fn list_monitors(&self, monitors: &str) {
        list_monitors(&self.directory.path().join("config.json"), monitors);
    }

    /// Makes the directory of the volume, by a mount of the directory above it.
    fn make_root(&self) {
        let path = self.directory.path().join("group");
        std::fs::create_dir(&path).unwrap();
        by_hand(&path, GROUP, self.directory.path());
        std::fs::create_dir_all(path.join(self.root.rsplit('/').next().unwrap())).unwrap();
        unmount(&path);
    }

    /// What the next driver of this node has of FUSE.
    pub(crate) fn next_fuse(&self) -> Fuse {
        let conf = Arc::new(CephConf::new(self.directory.path().join("ceph")));
        fuse(conf, self.directory.path().display().to_string())
    }

    pub(crate) fn target(&self, name: &str) -> PathBuf {
        self.directory
            .path()
            .canonicalize()
            .unwrap()
            .join("pods")
            .join(name)
            .join("mount")
    }

    pub(crate) fn stage_request(&self) -> NodeStageVolumeRequest {
        NodeStageVolumeRequest {
            volume_id: self.volume.clone(),
            staging_target_path: self.staging.display().to_string(),
            volume_capability: Some(capability(Mode::MultiNodeMultiWriter)),
            secrets: map([
                ("userID", &setting("SPIRULA_TEST_USER")),
                ("userKey", &key()),
            ]),
            volume_context: map([
                ("staticVolume", "true"),
                ("clusterID", "lab"),
                ("fsName", &setting("SPIRULA_TEST_FS")),
                ("rootPath", &self.root),
                ("mounter", crate::MOUNTER),
            ]),
            ..NodeStageVolumeRequest::default()
        }
    }

    pub(crate) async fn stage(&self) -> Result<(), Status> {
        self.stage_with(self.stage_request()).await
    }

    pub(crate) async fn stage_with(&self, request: NodeStageVolumeRequest) -> Result<(), Status> {
        self.service
            .node_stage_volume(Request::new(request))
            .await
            .map(drop)
    }

    pub(crate) fn publish_request(&self, target: &Path) -> NodePublishVolumeRequest {
        NodePublishVolumeRequest {
            volume_id: self.volume.clone(),
            staging_target_path: self.staging.display().to_string(),
            target_path: target.display().to_string(),
            volume_capability: Some(capability(Mode::MultiNodeMultiWriter)),
            ..NodePublishVolumeRequest::default()
        }
    }

    pub(crate) async fn publish(&self, target: &Path) -> Result<(), Status> {
        let request = Request::new(self.publish_request(target));
        self.service.node_publish_volume(request).await.map(drop)
    }

    pub(crate) async fn publish_read_only(&self, target: &Path) -> Result<(), Status> {
        let mut request = self.publish_request(target);
        request.readonly = true;
        self.service
            .node_publish_volume(Request::new(request))
            .await
            .map(drop)
    }

    pub(crate) async fn unpublish(&self, target: &Path) -> Result<(), Status> {
        let request = NodeUnpublishVolumeRequest {
            volume_id: self.volume.clone(),
            target_path: target.display().to_string(),
        };
        self.service
            .node_unpublish_volume(Request::new(request))
            .await
            .map(drop)
    }

    pub(crate) async fn unstage(&self) -> Result<(), Status> {
        let request = NodeUnstageVolumeRequest {
            volume_id: self.volume.clone(),
            staging_target_path: self.staging.display().to_string(),
        };
        self.service
            .node_unstage_volume(Request::new(request))
            .await
            .map(drop)
    }

    pub(crate) async fn stats(&self, path: &Path) -> Result<NodeGetVolumeStatsResponse, Status> {
        let request = NodeGetVolumeStatsRequest {
            volume_id: self.volume.clone(),
            volume_path: path.display().to_string(),
            ..NodeGetVolumeStatsRequest::default()
        };
        let answer = self
            .service
            .node_get_volume_stats(Request::new(request))
            .await?;
        Ok(answer.into_inner())
    }

    /// Nothing is mounted, and no client runs any more.
    pub(crate) async fn assert_clean(&self) {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let directory = self.directory.path().display().to_string();
        assert!(!table.contains(&directory), "{table}");
        let start = Instant::now();
        while !processes_of(&self.staging).is_empty() {
            assert!(start.elapsed() < DEADLINE, "a client still runs");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn list_monitors(config: &Path, monitors: &str) {
    let json = format!(r#"[{{"clusterID": "lab", "monitors": ["{monitors}"]}}]"#);
    std::fs::write(config, json).unwrap();
}

/// The line of the mount table for `path`, empty if there is none.
pub(crate) fn mount_line(path: &Path) -> String {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let wanted = format!(" {} ", path.display());
    let line = table.lines().find(|line| line.contains(&wanted));
    line.unwrap_or_default().to_owned()
}

/// Mounts without the driver, as an administrator would: with ceph-fuse's own command line, or by a bare
/// mount(2) as mount.ceph makes it.
pub(crate) fn by_hand(at: &Path, root: &str, directory: &Path) {
    if crate::MOUNTER == "kernel" {
        return mount(at, root);
    }
    let status = ceph_fuse(at, root, directory).status().unwrap();
    assert!(status.success());
}

fn mount(at: &Path, root: &str) {
    let data = format!(
        "name={},secret={},mds_namespace={}",
        setting("SPIRULA_TEST_USER"),
        key(),
        setting("SPIRULA_TEST_FS")
    );
    let data = std::ffi::CString::new(data).unwrap();
    let source = format!("{}:{root}", setting("SPIRULA_TEST_MONITORS"));
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount(source, at, "ceph", flags, data.as_c_str()).unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "what the driver is compared with"
)]
fn ceph_fuse(at: &Path, root: &str, directory: &Path) -> std::process::Command {
    let mut command = std::process::Command::new("ceph-fuse");
    command
        .arg(at)
        .args([
            "-m",
            &setting("SPIRULA_TEST_MONITORS"),
            "-r",
            root,
            "-o",
            "nonempty",
        ])
        .arg("-c")
        .arg(directory.join("ceph.conf"))
        .args(["-n", &format!("client.{}", setting("SPIRULA_TEST_USER"))])
        .arg(format!("--keyfile={}", setting("SPIRULA_TEST_KEYFILE")))
        .arg(format!(
            "--client_mds_namespace={}",
            setting("SPIRULA_TEST_FS")
        ))
        .args(["--admin_socket=", "--log_file="])
        .stderr(std::process::Stdio::null());
    command
}

/// Unmounts; a mount can be busy for a moment after its last use.
pub(crate) fn unmount(at: &Path) {
    let flags = rustix::mount::UnmountFlags::empty();
    let start = Instant::now();
    loop {
        match rustix::mount::unmount(at, flags) {
            Err(rustix::io::Errno::BUSY) => std::thread::sleep(Duration::from_millis(20)),
            other => return other.unwrap(),
        }
        assert!(start.elapsed() < DEADLINE, "{} is busy", at.display());
    }
}

/// Process ids of the ceph-fuse processes for the mount point `at`.
pub(crate) fn processes_of(at: &Path) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let mut words = line.split(|&byte| byte == 0);
        let is_client = words.next()?.ends_with(b"ceph-fuse");
        (is_client && words.next()? == at.as_os_str().as_bytes()).then_some(process)
    });
    processes.collect()
}

impl Drop for Lab {
    /// Whatever a failed test has left mounted would keep the directory from being removed, and what sleeps in a mount
    /// whose client does not answer would keep the test from ending.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in processes_of(&self.staging) {
                let _ = kill_process(Pid::from_raw(process).unwrap(), Signal::KILL);
            }
        }
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let directory = self.directory.path().display().to_string();
        for line in table.lines().rev() {
            let mount_point = line.split(' ').nth(4).unwrap_or_default();
            if mount_point.starts_with(&directory) {
                let flags = rustix::mount::UnmountFlags::DETACH;
                let _ = rustix::mount::unmount(mount_point, flags);
            }
        }
    }
}
