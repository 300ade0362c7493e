//! A node under a Ceph that stops and dies: nothing hangs, and the node can be drained.
//!
//! The daemons are processes of this machine, with their pids in `$SPIRULA_TEST_CEPH_DIR/run`. All of them
//! are stopped, and later killed and started again, so nothing else may use the cluster meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "node_fuse/lab.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod lab;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use csi_proto::v1::node_server::Node as _;
use csi_proto::v1::{
    NodeGetInfoRequest, NodeGetVolumeHealthRequest, NodeGetVolumeStatsResponse,
    NodeStageVolumeRequest,
};
use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use tonic::{Code, Request};

use lab::{Lab, by_hand, processes_of, runtime, setting, unmount};

/// The value of the parameter `mounter`.
const MOUNTER: &str = "fuse";

const VOLUMES: usize = 30;

const DAEMONS: [&str; 3] = ["mon.a", "osd.0", "mds.a"];

/// The second that statistics may take, and what a debug build takes on a slow machine that is busy with all
/// the clients; the figure is printed.
const STATS: Duration = Duration::from_secs(20);

/// The deadline of requests that need the cluster.
const LIMIT: Duration = Duration::from_secs(4);

/// Longer than the escalation of two unmounts takes, also where everything takes long, and far shorter than
/// the two minutes that a kubelet waits.
const DRAIN: Duration = Duration::from_mins(1);

/// How long a cluster may take until it serves again.
const BACK: Duration = Duration::from_mins(3);

/// Threads and descriptors of a runtime that come and go.
const SLACK: usize = 4;

struct Volume {
    lab: Lab,
    target: PathBuf,
}

#[test]
#[ignore = "needs a Ceph cluster of its own, root and /dev/fuse: dev/test node-outage"]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn a_node_is_drained_while_its_ceph_is_stopped_and_after_it_has_died() {
    runtime().block_on(async {
        let volumes = volumes();
        // What the runtime makes for its first use stays.
        stage(&volumes[..1]).await;
        volumes[0].drain().await;
        let before = resources();
        let _goes_on = GoesOn;
        for signal in [Signal::STOP, Signal::KILL] {
            stage(&volumes).await;
            for daemon in DAEMONS {
                send(daemon, signal);
            }
            let slowest = wait_until_abnormal(&volumes).await;
            let during = resources();
            refuse(&volumes[0], &volumes[0].lab.target("other")).await;
            let start = Instant::now();
            join_all(volumes.iter().map(Volume::drain)).await;
            let drained = start.elapsed();
            let settled = settle(before).await;
            println!(
                "{signal:?}: {VOLUMES} volumes, statistics within {slowest:.1?}, drained within {drained:.1?}; \
                 threads and descriptors: {before:?} before, {during:?} after the statistics, {settled:?} \
                 after the drain, the cluster being away"
            );
            assert!(slowest < STATS, "{slowest:?}");
            assert!(drained < DRAIN, "{drained:?}");
            if signal == Signal::STOP {
                drop(GoesOn);
            } else {
                up();
            }
            let start = Instant::now();
            wait_until_ended(&volumes).await;
            println!("the clients have ended {:.1?} after the cluster's return", start.elapsed());
        }
        stage(&volumes[..1]).await;
        volumes[0].drain().await;
        for volume in &volumes {
            volume.lab.assert_clean().await;
        }
    });
}

/// The volumes of one node: the first one's serves all of them.
fn volumes() -> Vec<Volume> {
    let first = Lab::new("outage-0");
    let names: Vec<_> = (1..VOLUMES)
        .map(|number| format!("outage-{number}"))
        .collect();
    let others: Vec<_> = names.iter().map(|name| first.sibling(name)).collect();
    let group = first.directory.path().join("group");
    by_hand(&group, "/volumes/csi", first.directory.path());
    for lab in &others {
        std::fs::create_dir_all(group.join(lab.root.rsplit('/').next().unwrap())).unwrap();
    }
    unmount(&group);
    let labs = std::iter::once(first).chain(others);
    labs.map(|lab| Volume {
        target: lab.target("pod"),
        lab,
    })
    .collect()
}

impl Lab {
    /// Another volume of the node of this one, whose directory is to be made on the cluster.
    fn sibling(&self, name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let staging = directory.path().join("hash/globalmount");
        std::fs::create_dir_all(&staging).unwrap();
        Self {
            service: self.service.clone(),
            volume: format!("static-{name}"),
            staging: staging.canonicalize().unwrap(),
            root: format!("/volumes/csi/spirula-test-{name}"),
            directory,
        }
    }
}

/// Stages and publishes; a metadata server that has just come back may keep some waiting.
async fn stage(volumes: &[Volume]) {
    join_all(volumes.iter().map(|volume| async {
        let start = Instant::now();
        while let Err(status) = volume.lab.stage().await {
            assert!(start.elapsed() < BACK, "{status}");
        }
        volume.lab.publish(&volume.target).await.unwrap();
    }))
    .await;
}

impl Volume {
    async fn drain(&self) {
        self.lab.unpublish(&self.target).await.unwrap();
        self.lab.unstage().await.unwrap();
    }

    /// The answer, and how long it took.
    async fn stats(&self) -> (Duration, NodeGetVolumeStatsResponse) {
        let start = Instant::now();
        let stats = self.lab.stats(&self.target).await.unwrap();
        (start.elapsed(), stats)
    }
}

/// Asks for the statistics of all volumes at once, until all are abnormal; the longest that one took.
async fn wait_until_abnormal(volumes: &[Volume]) -> Duration {
    let mut slowest = Duration::ZERO;
    let start = Instant::now();
    loop {
        let answers = join_all(volumes.iter().map(Volume::stats)).await;
        let times = answers.iter().map(|(took, _)| *took);
        slowest = times.fold(slowest, Duration::max);
        let conditions = answers
            .iter()
            .filter_map(|(_, stats)| stats.volume_condition.as_ref());
        let messages: Vec<_> = conditions
            .filter(|condition| condition.abnormal)
            .map(|condition| &condition.message)
            .collect();
        if messages.len() == volumes.len() {
            // What, where, since when, and what to do.
            for (message, volume) in messages.iter().zip(volumes) {
                assert!(message.starts_with("MountNotResponding: "), "{message}");
                for part in [
                    volume.target.to_str().unwrap(),
                    "may be waiting for a Ceph cluster that does not answer",
                    ", since 20",
                    "recovers by itself once the cluster answers",
                ] {
                    assert!(message.contains(part), "`{part}`: {message}");
                }
            }
            return slowest;
        }
        assert!(start.elapsed() < BACK, "not all are abnormal");
    }
}

/// What cannot be done without a cluster is refused at its deadline, and the rest is done.
async fn refuse(volume: &Volume, other: &Path) {
    let lab = &volume.lab;
    let start = Instant::now();
    let mut publish = Request::new(lab.publish_request(other));
    publish.set_timeout(LIMIT);
    // The client may know the directory well enough.
    match lab.service.node_publish_volume(publish).await {
        Ok(_) => lab.unpublish(other).await.unwrap(),
        Err(refused) => assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused}"),
    }
    let elsewhere = lab.directory.path().join("elsewhere/globalmount");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let mut stage = Request::new(NodeStageVolumeRequest {
        volume_id: "static-outage-new".to_owned(),
        staging_target_path: elsewhere.display().to_string(),
        ..lab.stage_request()
    });
    stage.set_timeout(LIMIT);
    let refused = lab.service.node_stage_volume(stage).await.unwrap_err();
    let codes = [Code::DeadlineExceeded, Code::Unavailable];
    assert!(codes.contains(&refused.code()), "{refused}");
    assert!(!refused.message().contains(&lab::key()), "{refused}");
    while !processes_of(&elsewhere).is_empty() {
        assert!(start.elapsed() < DRAIN, "its client goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let health = NodeGetVolumeHealthRequest {
        volume_id: lab.volume.clone(),
        ..NodeGetVolumeHealthRequest::default()
    };
    let health = lab
        .service
        .node_get_volume_health(Request::new(health))
        .await
        .unwrap();
    let health = health.into_inner().volume_health.unwrap();
    assert_eq!(health.health_statuses[0].reason, "MountNotResponding");
    let info = Request::new(NodeGetInfoRequest::default());
    lab.service.node_get_info(info).await.unwrap();
    assert!(start.elapsed() < DRAIN, "{:?}", start.elapsed());
}

/// Threads and descriptors of this process.
fn resources() -> [usize; 2] {
    let count = |directory: &str| std::fs::read_dir(directory).unwrap().count();
    [count("/proc/self/task"), count("/proc/self/fd")]
}

/// Waits until nothing is left of what the outage has cost.
async fn settle(before: [usize; 2]) -> [usize; 2] {
    let start = Instant::now();
    loop {
        let now = resources();
        if now
            .iter()
            .zip(before)
            .all(|(now, before)| *now <= before + SLACK)
        {
            return now;
        }
        assert!(
            start.elapsed() < DRAIN,
            "{before:?} threads and descriptors have become {now:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the clients have given back what they held.
async fn wait_until_ended(volumes: &[Volume]) {
    let start = Instant::now();
    let runs = |volume: &Volume| !processes_of(&volume.lab.staging).is_empty();
    while volumes.iter().any(runs) {
        assert!(start.elapsed() < BACK, "a client still runs");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Lets the daemons of a test that has failed go on.
struct GoesOn;

impl Drop for GoesOn {
    fn drop(&mut self) {
        for daemon in DAEMONS {
            send(daemon, Signal::CONT);
        }
    }
}

fn send(daemon: &str, signal: Signal) {
    let file = PathBuf::from(setting("SPIRULA_TEST_CEPH_DIR")).join(format!("run/{daemon}.pid"));
    let process = std::fs::read_to_string(file).unwrap();
    let process = Pid::from_raw(process.trim().parse().unwrap()).unwrap();
    // One that was killed is not there any more.
    let sent = kill_process(process, signal);
    assert!(sent.is_ok() || signal == Signal::CONT, "{daemon}: {sent:?}");
}

/// Starts the daemons again that are not there.
#[expect(
    clippy::disallowed_methods,
    reason = "plays the administrator of the cluster"
)]
fn up() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dev/ceph");
    let status = std::process::Command::new(script)
        .arg("up")
        .env("SPIRULA_CEPH_DIR", setting("SPIRULA_TEST_CEPH_DIR"))
        .status();
    assert!(status.unwrap().success());
}
