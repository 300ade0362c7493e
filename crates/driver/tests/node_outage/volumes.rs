//! A node with many volumes, whose cluster does not answer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use csi_proto::v1::node_server::Node as _;
use csi_proto::v1::{
    NodeGetInfoRequest, NodeGetVolumeHealthRequest, NodeGetVolumeStatsResponse,
    NodeStageVolumeRequest,
};
use futures::future::join_all;
use tonic::{Code, Request};

use super::lab::{self, Lab, by_hand, processes_of, unmount};

pub(crate) const VOLUMES: usize = 30;

/// The deadline of requests that need the cluster.
const LIMIT: Duration = Duration::from_secs(4);

/// Longer than the escalation of two unmounts takes, also where everything takes long, and far shorter than
/// the two minutes that a kubelet waits.
pub(crate) const DRAIN: Duration = Duration::from_mins(1);

/// How long a cluster may take until it serves again.
pub(crate) const BACK: Duration = Duration::from_mins(3);

/// Threads and descriptors that come and go: the runtime's, and those of a launcher that waits for the next client. Less
/// than one for each volume.
pub(crate) const SLACK: usize = 8;

pub(crate) struct Volume {
    pub(crate) lab: Lab,
    pub(crate) target: PathBuf,
}

/// The volumes of one node: the first one's serves all of them.
pub(crate) fn volumes() -> Vec<Volume> {
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
pub(crate) async fn stage(volumes: &[Volume]) {
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
    pub(crate) async fn drain(&self) {
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
pub(crate) async fn wait_until_abnormal(volumes: &[Volume]) -> Duration {
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
pub(crate) async fn refuse(volume: &Volume, other: &Path) {
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
pub(crate) fn resources() -> [usize; 2] {
    let count = |directory: &str| std::fs::read_dir(directory).unwrap().count();
    [count("/proc/self/task"), count("/proc/self/fd")]
}

/// Waits until nothing is left of what the outage has cost.
pub(crate) async fn settle(before: [usize; 2]) -> [usize; 2] {
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
            start.elapsed() < BACK,
            "{before:?} threads and descriptors have become {now:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the clients have given back what they held.
pub(crate) async fn wait_until_ended(volumes: &[Volume]) {
    let start = Instant::now();
    let runs = |volume: &Volume| !processes_of(&volume.lab.staging).is_empty();
    while volumes.iter().any(runs) {
        assert!(start.elapsed() < BACK, "a client still runs");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
