//! A volume on a node, with ceph-fuse.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use csi_proto::v1::node_client::NodeClient;
use csi_proto::v1::{self as csi};
use rustix::fs::statvfs;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use tonic::transport::Channel;

use crate::Bench;
use crate::crowd::{create, delete};
use crate::driver::Driver;
use crate::profile;
use crate::report::{Row, Target};
use crate::samples::{Samples, in_turns, timed};

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let driver = Driver::start(&bench.lab.config(), &[]);
    let controller = bench.runtime.block_on(driver.controller());
    let name = ["node".to_owned()];
    let created = create(bench, &controller, &name);
    let volume = bench.runtime.block_on(created).remove(0);
    let id = volume.volume_id.clone();
    let directory = tempfile::tempdir().unwrap();
    let by_hand = new_directory(directory.path(), "by-hand");
    let client = NodeClient::new(bench.runtime.block_on(driver.channel()));
    let node = Node::new(bench, client, volume, directory.path(), "fuse");
    node.stage();
    let arguments = arguments_of_daemon(&node.staging);
    node.unstage();

    let mut rows = Times::measure(&node, &by_hand, || {
        ceph_fuse(&arguments, &by_hand, &bench.lab.key);
    });
    bench.runtime.block_on(delete(bench, &controller, vec![id]));
    let log = driver.terminate();
    // They go on for some seconds after their mount is gone, and want their cluster.
    wait_for_end_of(&by_hand);
    wait_for_end_of(&node.staging);
    let rpcs = ["NodeStageVolume", "NodePublishVolume", "NodeGetVolumeStats"];
    rows.extend(profile::rows(&log, &rpcs));
    rows
}

/// Ceph is done with the client that was unmounted before.
const SETTLED: Duration = Duration::from_millis(100);

/// The times of what is done with a staged volume.
#[derive(Default)]
pub(crate) struct Times {
    nothing: Samples,
    bind: Samples,
    publish: Samples,
    statfs: Samples,
    first_stats: Samples,
    stats: Samples,
    unpublish: Samples,
    unstage: Samples,
}

impl Times {
    /// Of the volume of `node`, staged in turns with a `mount` of the same at `by_hand`.
    pub(crate) fn measure(node: &Node<'_>, by_hand: &str, mount: impl Fn()) -> Vec<Row> {
        let mut times = Self::default();
        let stage = in_turns(
            node.bench.runs,
            |_| {
                thread::sleep(SETTLED);
                let (time, ()) = timed(&mount);
                unmount_idle(by_hand);
                time
            },
            |_| {
                thread::sleep(SETTLED);
                let time = node.stage();
                times.look_at(node);
                time
            },
        );
        times.into_rows(stage)
    }

    fn look_at(&mut self, node: &Node<'_>) {
        self.nothing.time(node.capabilities());
        self.publish.time(node.publish());
        let (staging, beside) = (&node.staging, &node.beside);
        self.bind
            .time(timed(|| mount_bind(staging, beside).unwrap()).0);
        // The first question after a mount finds no session of its client with a monitor.
        self.first_stats.time(node.stats());
        self.statfs.time(timed(|| statvfs(beside).unwrap()).0);
        self.stats.time(node.stats());
        unmount_idle(beside);
        self.unpublish.time(node.unpublish());
        self.unstage.time(node.unstage());
    }

    fn into_rows(self, stage: (Samples, Samples)) -> Vec<Row> {
        let (publish, stats) = ((self.bind, self.publish), (self.statfs, self.stats));
        vec![
            Row::against("NodeStageVolume", "ms", stage, Target::TimesRaw(1.15)),
            Row::against("NodePublishVolume", "ms", publish, Target::AtMost(2.0)),
            Row::against("NodeGetVolumeStats", "ms", stats, Target::AtMost(1.0)),
            Row::alone("the first after a mount", "ms", self.first_stats, None),
            Row::alone("NodeUnpublishVolume", "ms", self.unpublish, None),
            Row::alone("NodeUnstageVolume", "ms", self.unstage, None),
            // What a request takes that has nothing to do, and so every other at least.
            Row::alone("NodeGetCapabilities", "ms", self.nothing, None),
        ]
    }
}

/// The command line of the ceph-fuse that the driver has started for the mount point `at`, without it.
fn arguments_of_daemon(at: &str) -> Vec<OsString> {
    let process = process_for(at).unwrap();
    let line = fs::read(process.join("cmdline")).unwrap();
    let mut arguments = line
        .split(|byte| *byte == 0)
        .map(<[u8]>::to_vec)
        .map(OsString::from_vec);
    let rest = arguments
        .by_ref()
        .skip(2)
        .filter(|argument| !argument.is_empty());
    rest.collect()
}

fn process_for(at: &str) -> Option<PathBuf> {
    let processes = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    processes.into_iter().find(|process| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        line.starts_with(format!("ceph-fuse\0{at}\0").as_bytes())
    })
}

/// Whoever looks at all mounts of a machine keeps one busy for a moment.
fn unmount_idle(at: &str) {
    while let Err(error) = unmount(at, UnmountFlags::empty()) {
        assert_eq!(error, Errno::BUSY, "{at}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn wait_for_end_of(at: &str) {
    while process_for(at).is_some() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Mounts as the driver does: the key in memory, on standard input.
fn ceph_fuse(arguments: &[OsString], at: &str, key: &str) {
    let key_file = rustix::fs::memfd_create("key", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let mut key_file = File::from(key_file);
    key_file.write_all(key.as_bytes()).unwrap();
    let mut command = Command::new("ceph-fuse");
    command.arg(at).args(arguments).stdin(key_file);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.unwrap().success());
}

pub(crate) fn new_directory(parent: &Path, name: &str) -> String {
    let path = parent.join(name);
    fs::create_dir(&path).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Calls about one volume, timed.
pub(crate) struct Node<'a> {
    bench: &'a Bench,
    client: NodeClient<Channel>,
    volume: csi::Volume,
    mounter: &'static str,
    pub(crate) staging: String,
    target: String,
    /// Where the volume is bound by hand.
    beside: String,
}

impl<'a> Node<'a> {
    /// With its paths in `directory`.
    pub(crate) fn new(
        bench: &'a Bench,
        client: NodeClient<Channel>,
        volume: csi::Volume,
        directory: &Path,
        mounter: &'static str,
    ) -> Self {
        Self {
            bench,
            client,
            volume,
            mounter,
            staging: new_directory(directory, "globalmount"),
            target: new_directory(directory, "pod") + "/mount",
            beside: new_directory(directory, "beside"),
        }
    }

    pub(crate) fn stage(&self) -> Duration {
        let request = csi::NodeStageVolumeRequest {
            volume_id: self.volume.volume_id.clone(),
            staging_target_path: self.staging.clone(),
            volume_capability: self.capability(),
            secrets: self.bench.lab.secrets(),
            volume_context: self.context(),
            ..Default::default()
        };
        let mut client = self.client.clone();
        self.time(client.node_stage_volume(request))
    }

    fn publish(&self) -> Duration {
        let request = csi::NodePublishVolumeRequest {
            volume_id: self.volume.volume_id.clone(),
            staging_target_path: self.staging.clone(),
            target_path: self.target.clone(),
            volume_capability: self.capability(),
            volume_context: self.context(),
            ..Default::default()
        };
        let mut client = self.client.clone();
        self.time(client.node_publish_volume(request))
    }

    fn stats(&self) -> Duration {
        let request = csi::NodeGetVolumeStatsRequest {
            volume_id: self.volume.volume_id.clone(),
            volume_path: self.target.clone(),
            ..Default::default()
        };
        let mut client = self.client.clone();
        self.time(client.node_get_volume_stats(request))
    }

    fn unpublish(&self) -> Duration {
        let request = csi::NodeUnpublishVolumeRequest {
            volume_id: self.volume.volume_id.clone(),
            target_path: self.target.clone(),
        };
        let mut client = self.client.clone();
        self.time(client.node_unpublish_volume(request))
    }

    fn capabilities(&self) -> Duration {
        let mut client = self.client.clone();
        self.time(client.node_get_capabilities(csi::NodeGetCapabilitiesRequest {}))
    }

    pub(crate) fn unstage(&self) -> Duration {
        let request = csi::NodeUnstageVolumeRequest {
            volume_id: self.volume.volume_id.clone(),
            staging_target_path: self.staging.clone(),
        };
        let mut client = self.client.clone();
        self.time(client.node_unstage_volume(request))
    }

    fn time<T>(&self, call: impl Future<Output = Result<T, tonic::Status>>) -> Duration {
        let (time, answer) = timed(|| self.bench.runtime.block_on(call));
        answer.unwrap();
        time
    }

    fn capability(&self) -> Option<csi::VolumeCapability> {
        self.bench.lab.create("", 1).volume_capabilities.pop()
    }

    fn context(&self) -> BTreeMap<String, String> {
        let mut context = self.volume.volume_context.clone();
        context.insert("mounter".to_owned(), self.mounter.to_owned());
        context
    }
}
