//! The driver as a process, killed at any moment of any RPC: its repeat by the next process succeeds,
//! mounts go on, and taking the volume away leaves nothing.

use std::path::Path;
use std::time::Duration;

use csi_proto::v1::node_client::NodeClient;
use csi_proto::v1::{NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest};
use tonic::Status;
use tonic::transport::Channel;

use super::driver::Driver;
use super::lab::{Lab, mount_line, runtime, setting};
use super::search::cephx_keys;

/// When the driver is killed, after the request was sent. In the virtual machine a stage takes some
/// hundredths of a second, everything else less.
const MOMENTS: [Duration; 4] = [
    Duration::from_millis(2),
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(100),
];

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
}

fn start() -> Driver {
    let monitors = setting("SPIRULA_TEST_MONITORS");
    let config = format!(r#"[{{"clusterID": "lab", "monitors": ["{monitors}"]}}]"#);
    Driver::start(&config, &["--nodeserver"])
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn a_driver_killed_at_any_moment_leaves_what_its_repeat_completes() {
    runtime().block_on(async {
        let lab = Lab::new("kills");
        let target = lab.target("pod");
        let mut kills = 0;
        for moment in MOMENTS {
            for rpc in LIFE {
                let driver = start();
                let channel = driver.channel().await;
                let killed = rpc.call(channel, &lab, &target);
                // Whether it was in time to answer does not matter.
                let _ = tokio::time::timeout(moment, killed).await;
                driver.kill();
                kills += 1;
                assert_eq!(cephx_keys(), Vec::<String>::new(), "{rpc:?} {moment:?}");

                let driver = start();
                let repeated = rpc.call(driver.channel().await, &lab, &target).await;
                repeated.unwrap_or_else(|status| panic!("{rpc:?} {moment:?}: {status}"));
                let staged = !mount_line(&lab.staging).is_empty();
                let published = mount_line(&target);
                assert_eq!(staged, rpc != Rpc::Unstage, "{rpc:?} {moment:?}");
                assert_eq!(
                    !published.is_empty(),
                    rpc == Rpc::Publish,
                    "{rpc:?} {moment:?}"
                );
                if rpc == Rpc::Publish {
                    assert!(published.contains(crate::READ_ONLY), "{published}");
                }
                driver.kill();
                if staged {
                    std::fs::write(lab.staging.join("file"), "it goes on without a driver")
                        .unwrap();
                }
            }
            assert!(!target.try_exists().unwrap());
            lab.assert_clean().await;
        }
        println!("killed the driver {kills} times, 0 leaks");
    });
}
