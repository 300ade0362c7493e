//! The driver as a process of its own, killed as a container runtime kills it.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use csi_proto::v1::node_client::NodeClient;
use csi_proto::v1::{NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process_group};
use tonic::transport::{Channel, Endpoint};

use super::lab::Lab;

/// A running driver; killed when dropped.
pub(crate) struct Plugin {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Plugin {
    /// Starts it in a process group and, if there is one, in a cgroup of its own.
    pub(crate) fn start(directory: &Path, cgroup: Option<&Cgroup>, flags: &[&str]) -> Self {
        Self::start_by(&[], directory, cgroup, flags)
    }

    /// The same by the program, and with its arguments, that `wrapper` has.
    #[expect(clippy::disallowed_methods, reason = "plays the container runtime")]
    pub(crate) fn start_by(
        wrapper: &[&str],
        directory: &Path,
        cgroup: Option<&Cgroup>,
        flags: &[&str],
    ) -> Self {
        let (socket, log) = (directory.join("csi.sock"), directory.join("log"));
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let _ = std::fs::remove_file(&socket);
        // The shell waits until it is in the cgroup.
        let mut child = std::process::Command::new("sh")
            .args(["-c", "read line && exec \"$@\"", "sh"])
            .args(wrapper)
            .arg(env!("CARGO_BIN_EXE_spirula"))
            .args(["--type=cephfs", "--nodeserver", "--nodeid=node", "--v=4"])
            .arg(format!("--endpoint=unix://{}", socket.display()))
            .arg(format!(
                "--config-file={}",
                directory.join("config.json").display()
            ))
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap();
        if let Some(cgroup) = cgroup {
            cgroup.enter(child.id());
        }
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
        let plugin = Self { child, socket, log };
        let started = Instant::now();
        while std::os::unix::net::UnixStream::connect(&plugin.socket).is_err() {
            assert!(
                started.elapsed() < Duration::from_mins(1),
                "no socket: {}",
                plugin.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        plugin
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The files that it has mapped.
    pub(crate) fn maps(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/maps", self.child.id())).unwrap()
    }

    pub(crate) async fn node(&self) -> NodeClient<Channel> {
        let socket = self.socket.clone();
        let connect = move |_| {
            let socket = socket.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(socket).await;
                stream.map(TokioIo::new)
            }
        };
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(tower::service_fn(connect));
        NodeClient::new(channel.await.unwrap())
    }

    /// Stages and publishes, as the kubelet asks of each driver that is new.
    pub(crate) async fn mount(&self, lab: &Lab, target: &Path) {
        let mut node = self.node().await;
        node.node_stage_volume(lab.stage_request()).await.unwrap();
        node.node_publish_volume(lab.publish_request(target))
            .await
            .unwrap();
    }

    /// Unpublishes and unstages.
    pub(crate) async fn unmount(&self, lab: &Lab, target: &Path) {
        let mut node = self.node().await;
        let unpublish = NodeUnpublishVolumeRequest {
            volume_id: lab.volume.clone(),
            target_path: target.display().to_string(),
        };
        node.node_unpublish_volume(unpublish).await.unwrap();
        let unstage = NodeUnstageVolumeRequest {
            volume_id: lab.volume.clone(),
            staging_target_path: lab.staging.display().to_string(),
        };
        node.node_unstage_volume(unstage).await.unwrap();
    }

    /// SIGKILL to its process group.
    pub(crate) fn kill_group(mut self) {
        let group = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process_group(group, Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    /// Kills everything in its cgroup.
    pub(crate) fn kill_cgroup(mut self, cgroup: &Cgroup) {
        std::fs::write(cgroup.0.join("cgroup.kill"), "1").unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Plugin {
    #[expect(
        clippy::print_stderr,
        reason = "says what the driver of a failed test did"
    )]
    fn drop(&mut self) {
        let _ = self.child.kill();
        if std::thread::panicking() {
            let log = self.log();
            let mut lines: Vec<_> = log.lines().rev().take(40).collect();
            lines.reverse();
            eprintln!("{}", lines.join("\n"));
        } else {
            // Of a test that failed it may sleep in a mount.
            let _ = self.child.wait();
        }
    }
}

/// A cgroup of version 2; removed when dropped.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// `None` where none can be made, or none can be killed as a whole.
    pub(crate) fn new() -> Option<Self> {
        let name = format!("spirula-test-{}", std::process::id());
        let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let made = mounts.into_iter().find_map(|mount| {
            let mount = Path::new(mount);
            let is_version_2 = mount.join("cgroup.controllers").try_exists().ok()?;
            let path = mount.join(&name);
            (is_version_2 && std::fs::create_dir(&path).is_ok()).then_some(Self(path))
        })?;
        let can_be_killed = made.0.join("cgroup.kill").try_exists().unwrap();
        can_be_killed.then_some(made)
    }

    fn enter(&self, process: u32) {
        std::fs::write(self.0.join("cgroup.procs"), process.to_string()).unwrap();
    }

    pub(crate) fn members(&self) -> String {
        std::fs::read_to_string(self.0.join("cgroup.procs")).unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
