//! The driver as a process, killed at every step of every RPC: its repeat by the next process succeeds,
//! mounts go on, and taking the volume away leaves nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use csi_proto::v1::node_client::NodeClient;
use csi_proto::v1::{NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest};
use tonic::Status;
use tonic::transport::Channel;

use super::driver::Driver;
use super::lab::{Lab, mount_line, runtime, setting};
use super::search::cephx_keys;
use super::tracer::Tracer;

/// When the driver is killed after it was asked to stage. In the virtual machine that takes some hundredths of
/// a second, most of it within mount(2).
const MOMENTS: [Duration; 4] = [
    Duration::from_millis(2),
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(100),
];

/// How long the kernel may take to collect a key that nobody has any more, also where everything takes long.
const COLLECTED: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rpc {
    Stage,
    Publish,
    Unpublish,
    Unstage,
}

const LIFE: [Rpc; 4] = [Rpc::Stage, Rpc::Publish, Rpc::Unpublish, Rpc::Unstage];

impl Rpc {
    async fn call(self, channel: Channel, lab: &Lab, target: &Path) -> Result<(), Status> {
        let mut node = NodeClient::new(channel);
        match self {
            Self::Stage => node.node_stage_volume(lab.stage_request()).await.map(drop),
            Self::Publish => {
                let mut request = lab.publish_request(target);
                request.readonly = true;
                node.node_publish_volume(request).await.map(drop)
            }
            Self::Unpublish => {
                let request = NodeUnpublishVolumeRequest {
                    volume_id: lab.volume.clone(),
                    target_path: target.display().to_string(),
                };
                node.node_unpublish_volume(request).await.map(drop)
            }
            Self::Unstage => {
                let request = NodeUnstageVolumeRequest {
                    volume_id: lab.volume.clone(),
                    staging_target_path: lab.staging.display().to_string(),
                };
                node.node_unstage_volume(request).await.map(drop)
            }
        }
    }

    /// What makes it undone.
    fn opposite(self) -> Self {
        match self {
            Self::Stage => Self::Unstage,
            Self::Publish => Self::Unpublish,
            Self::Unpublish => Self::Publish,
            Self::Unstage => Self::Stage,
        }
    }

    /// What is mounted once it is done, and that it can be used without any driver.
    fn check(self, lab: &Lab, target: &Path, at: &str) {
        let (staging, published) = (mount_line(&lab.staging), mount_line(target));
        let is_staged = self != Self::Unstage;
        let is_published = self == Self::Publish;
        assert_eq!(!staging.is_empty(), is_staged, "{at}");
        assert_eq!(!published.is_empty(), is_published, "{at}");
        assert_eq!(target.try_exists().unwrap(), is_published, "{at}");
        if is_published {
            assert!(published.contains(crate::READ_ONLY), "{at}: {published}");
        }
        if is_staged {
            std::fs::write(lab.staging.join("file"), at).unwrap();
        }
        expect_no_key(at);
    }
}

/// What a thread had that was killed the kernel takes back in its own time.
fn expect_no_key(at: &str) {
    let start = Instant::now();
    while !cephx_keys().is_empty() {
        let keys = cephx_keys();
        assert!(start.elapsed() < COLLECTED, "{at}: {keys:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn start() -> Driver {
    let monitors = setting("SPIRULA_TEST_MONITORS");
    let config = format!(r#"[{{"clusterID": "lab", "monitors": ["{monitors}"]}}]"#);
    Driver::start(&config, &["--nodeserver"])
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn a_driver_killed_at_any_step_leaves_what_its_repeat_completes() {
    runtime().block_on(async {
        let lab = Lab::new("kills");
        let target = lab.target("pod");
        let mut pairs = 0;
        for rpc in LIFE {
            let mut driver = start();
            let mut steps = Vec::new();
            loop {
                let channel = driver.channel().await;
                let tracer = Tracer::kill_at(driver.pid(), steps.len() + 1);
                let answer = rpc.call(channel, &lab, &target).await;
                let killed = tracer.end();
                driver.kill();
                pairs += 1;
                let at = format!("{rpc:?}, {} after {steps:?}", killed.unwrap_or("the end"));
                expect_no_key(&at);

                driver = start();
                let repeated = rpc.call(driver.channel().await, &lab, &target).await;
                repeated.unwrap_or_else(|status| panic!("{at}: {status}"));
                rpc.check(&lab, &target, &at);
                let Some(step) = killed else {
                    answer.unwrap_or_else(|status| panic!("{at}: {status}"));
                    break;
                };
                steps.push(step);
                let channel = driver.channel().await;
                let undone = rpc.opposite().call(channel, &lab, &target).await;
                undone.unwrap_or_else(|status| panic!("{at}: undoing it: {status}"));
            }
            driver.kill();
            println!("{rpc:?}: killed before each of {steps:?}, and after them");
        }
        lab.assert_clean().await;
        println!("killed the driver at {pairs} (RPC, step) pairs, 0 leaks");
    });
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn a_driver_killed_while_it_mounts_leaves_what_its_repeat_completes() {
    runtime().block_on(async {
        let lab = Lab::new("kills-mounting");
        let target = lab.target("pod");
        for moment in MOMENTS {
            let driver = start();
            let staged = Rpc::Stage.call(driver.channel().await, &lab, &target);
            // Whether it was in time to answer does not matter.
            let _ = tokio::time::timeout(moment, staged).await;
            driver.kill();
            expect_no_key(&format!("{moment:?}"));

            let driver = start();
            for rpc in [Rpc::Stage, Rpc::Unstage] {
                let repeated = rpc.call(driver.channel().await, &lab, &target).await;
                repeated.unwrap_or_else(|status| panic!("{rpc:?} {moment:?}: {status}"));
                rpc.check(&lab, &target, &format!("{moment:?}"));
            }
            driver.kill();
            lab.assert_clean().await;
        }
    });
}
