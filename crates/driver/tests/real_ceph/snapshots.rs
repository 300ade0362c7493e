//! Snapshots on a real Ceph: many at once, of volumes that go before them, at Ceph's limit, and under
//! clones that are being made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use csi_proto::v1::{self as csi, Snapshot};
use tonic::{Code, Status};

use crate::driver::Driver;
use crate::lab::{CLUSTER_ID, Lab, run};

type Client = csi_proto::v1::controller_client::ControllerClient<tonic::transport::Channel>;

impl Lab {
    pub(crate) fn snapshot(&self, name: &str, volume: &str) -> csi::CreateSnapshotRequest {
        let parameters = [
            ("clusterID", CLUSTER_ID),
            ("csi.storage.k8s.io/volumesnapshot/name", name),
            ("csi.storage.k8s.io/volumesnapshot/namespace", "shop"),
        ];
        csi::CreateSnapshotRequest {
            source_volume_id: volume.to_owned(),
            name: name.to_owned(),
            parameters: parameters
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            secrets: self.secrets(),
            ..Default::default()
        }
    }

    /// `ceph fs subvolume WORDS... FS ARGUMENTS... GROUP`, its answer read as JSON.
    pub(crate) fn subvolume(&self, words: &[&str], arguments: &[&str]) -> serde_json::Value {
        let command = [
            &["fs", "subvolume"],
            words,
            &[&self.fs],
            arguments,
            &[&self.group, "-f", "json"],
        ];
        serde_json::from_str(&run("ceph", &command.concat())).unwrap_or_default()
    }

    pub(crate) fn snapshots(&self, subvolume: &str) -> Vec<String> {
        let list = self.subvolume(&["snapshot", "ls"], &[subvolume]);
        let names = list.as_array().unwrap().iter();
        names
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) async fn take(
        &self,
        client: &mut Client,
        name: &str,
        volume: &str,
    ) -> Result<Snapshot, Status> {
        let answer = client.create_snapshot(self.snapshot(name, volume)).await?;
        Ok(answer.into_inner().snapshot.unwrap())
    }

    pub(crate) async fn drop_snapshot(&self, client: &mut Client, id: &str) -> Result<(), Status> {
        let request = csi::DeleteSnapshotRequest {
            snapshot_id: id.to_owned(),
            secrets: self.secrets(),
        };
        client.delete_snapshot(request).await.map(drop)
    }

    pub(crate) async fn drop_volume(&self, client: &mut Client, volume: &csi::Volume) {
        let request = self.delete(&volume.volume_id);
        client.delete_volume(request).await.unwrap();
    }

    pub(crate) async fn volume(&self, client: &mut Client, name: &str) -> csi::Volume {
        let made = client.create_volume(self.create(name, 1)).await.unwrap();
        made.into_inner().volume.unwrap()
    }
}

/// Has Ceph make this clone, as somebody else may.
fn start_clone(lab: &Lab, subvolume: &str, snapshot: &str, clone: &str) {
    let (fs, group) = (&*lab.fs, &*lab.group);
    let words = ["fs", "subvolume", "snapshot", "clone"];
    let what = [fs, subvolume, snapshot, clone];
    let groups = ["--group_name", group, "--target_group_name", group];
    run("ceph", &[words, what, groups].concat());
}

pub(crate) fn subvolume_of(volume: &csi::Volume) -> String {
    volume.volume_context["subvolumeName"].clone()
}

/// Eight clients take a snapshot each of one volume, twice at once; the volume is deleted, and stays for
/// them; the last one takes it along.
#[test]
#[ignore = "needs a Ceph cluster: dev/test snapshots"]
fn eight_at_once_outlive_their_volume() {
    let lab = Arc::new(Lab::new());
    let driver = Driver::start(
        &lab.config(),
        &["--setmetadata", "--clustername=kubernetes"],
    );
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut client = driver.controller().await;
        let volume = lab.volume(&mut client, "pvc-of-snapshots").await;
        let subvolume = subvolume_of(&volume);
        let taking = (0..8).map(|number| {
            let (lab, id, mut one) = (Arc::clone(&lab), volume.volume_id.clone(), client.clone());
            tokio::spawn(async move {
                let (name, mut two) = (format!("snapshot-{number}"), one.clone());
                let (a, b) = tokio::join!(
                    lab.take(&mut one, &name, &id),
                    lab.take(&mut two, &name, &id)
                );
                let taken = a.unwrap();
                assert_eq!(b.unwrap(), taken);
                assert_eq!((taken.size_bytes, taken.ready_to_use), (1 << 30, true));
                assert_eq!(taken.source_volume_id, id);
                (name, taken)
            })
        });
        let mut taken = Vec::new();
        for task in taking.collect::<Vec<_>>() {
            taken.push(task.await.unwrap());
        }
        assert_eq!(lab.snapshots(&subvolume).len(), 8);
        metadata_follows(&lab, &subvolume).await;

        lab.drop_volume(&mut client, &volume).await;
        let info = lab.subvolume(&["info"], &[&subvolume]);
        assert_eq!(info["state"], "snapshot-retained");
        for (name, snapshot) in &taken {
            let again = lab.take(&mut client, name, &volume.volume_id).await;
            assert_eq!(&again.unwrap(), snapshot);
        }
        let refused = lab
            .take(&mut client, "snapshot-late", &volume.volume_id)
            .await;
        assert_eq!(refused.unwrap_err().code(), Code::NotFound);

        let dropping = taken.into_iter().map(|(_, snapshot)| {
            let (lab, mut client) = (Arc::clone(&lab), client.clone());
            tokio::spawn(async move {
                for _ in 0..2 {
                    let dropped = lab.drop_snapshot(&mut client, &snapshot.snapshot_id);
                    dropped.await.unwrap();
                }
            })
        });
        for task in dropping.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        lab.drop_volume(&mut client, &volume).await;
    });
    driver.terminate();
    lab.expect_empty("after the last snapshot");
}

/// All snapshots get their names, soon.
async fn metadata_follows(lab: &Lab, subvolume: &str) {
    let started = Instant::now();
    for name in lab.snapshots(subvolume) {
        loop {
            let metadata = lab.subvolume(&["snapshot", "metadata", "ls"], &[subvolume, &name]);
            if metadata.as_object().is_some_and(|keys| keys.len() == 3) {
                assert_eq!(metadata["csi.ceph.com/cluster/name"], "kubernetes");
                assert_eq!(
                    metadata["csi.storage.k8s.io/volumesnapshot/namespace"],
                    "shop"
                );
                break;
            }
            assert!(started.elapsed() < Duration::from_mins(5), "{metadata}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// So many snapshots of a directory; reset when dropped, also when a test fails.
pub(crate) struct Limit(Option<String>);

impl Limit {
    const NAME: &str = "mds_max_snaps_per_dir";

    pub(crate) fn set(limit: u32) -> Self {
        let before = Self::present();
        let limit = limit.to_string();
        run("ceph", &["config", "set", "mds", Self::NAME, &limit]);
        Self::wait_for(&limit);
        Self(before)
    }

    /// What the metadata server goes by: it learns of a change a moment after the monitors know it. `None` if
    /// it does not tell.
    fn present() -> Option<String> {
        let tell = ["tell", "mds.a", "config", "get", Self::NAME];
        let told = std::process::Command::new("ceph").args(tell).output();
        let told: serde_json::Value = serde_json::from_slice(&told.ok()?.stdout).ok()?;
        Some(told[Self::NAME].as_str()?.to_owned())
    }

    fn wait_for(limit: &str) {
        let started = Instant::now();
        while Self::present().is_some_and(|present| present != limit) {
            assert!(started.elapsed() < Duration::from_mins(2), "{limit}");
        }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        run("ceph", &["config", "rm", "mds", Self::NAME]);
        if let Some(before) = self.0.as_ref().filter(|_| !std::thread::panicking()) {
            Self::wait_for(before);
        }
    }
}

/// So many seconds before each clone begins; reset when dropped, also when a test fails.
struct CloneDelay;

impl CloneDelay {
    const NAME: &str = "mgr/volumes/snapshot_clone_delay";

    fn set(seconds: &str) -> Self {
        run("ceph", &["config", "set", "mgr", Self::NAME, seconds]);
        Self
    }
}

impl Drop for CloneDelay {
    fn drop(&mut self) {
        run("ceph", &["config", "rm", "mgr", Self::NAME]);
    }
}

/// One more than Ceph allows is refused with their number, leaves nothing, and is taken once one is gone.
#[test]
#[ignore = "needs a Ceph cluster: dev/test snapshots"]
fn the_limit_of_ceph_is_told() {
    let lab = Lab::new();
    let limit = Limit::set(3);
    let driver = Driver::start(&lab.config(), &[]);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut client = driver.controller().await;
        let volume = lab.volume(&mut client, "pvc-full").await;
        let id = &volume.volume_id;
        let mut taken = Vec::new();
        for number in 0..3 {
            let name = format!("snapshot-{number}");
            taken.push(lab.take(&mut client, &name, id).await.unwrap());
        }
        let names = || lab.journal().into_keys().collect::<Vec<_>>();
        let journal = (names(), lab.journal()["csi.snaps.default"].clone());
        let refused = lab.take(&mut client, "snapshot-3", id).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        let told = format!(
            "the volume `{id}` has 3 snapshots and Ceph allows no more to a directory \
             (mds_max_snaps_per_dir); delete some of them"
        );
        assert!(refused.message().ends_with(&told), "{refused}");
        let left = (names(), lab.journal()["csi.snaps.default"].clone());
        assert_eq!(left, journal);
        // What exists is told at the limit as well.
        let again = lab.take(&mut client, "snapshot-0", id).await.unwrap();
        assert_eq!(again, taken[0]);

        let first = taken.remove(0);
        lab.drop_snapshot(&mut client, &first.snapshot_id)
            .await
            .unwrap();
        taken.push(lab.take(&mut client, "snapshot-3", id).await.unwrap());
        for snapshot in taken {
            lab.drop_snapshot(&mut client, &snapshot.snapshot_id)
                .await
                .unwrap();
        }
        client.delete_volume(lab.delete(id)).await.unwrap();
    });
    driver.terminate();
    drop(limit);
    lab.expect_empty("after the limit was met");
}

/// A snapshot that clones are made of stays until they are complete, and who asks is told which.
#[test]
#[ignore = "needs a Ceph cluster: dev/test snapshots"]
fn pending_clones_are_named() {
    let lab = Lab::new();
    // So that they are pending while we look, however slow this machine is.
    let delay = CloneDelay::set("4");
    let driver = Driver::start(&lab.config(), &[]);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut client = driver.controller().await;
        let volume = lab.volume(&mut client, "pvc-cloned").await;
        let snapshot = lab
            .take(&mut client, "snapshot-cloned", &volume.volume_id)
            .await;
        let (id, subvolume) = (snapshot.unwrap().snapshot_id, subvolume_of(&volume));
        let name = lab.snapshots(&subvolume).remove(0);
        // As many as are made at once: Ceph 18 and later refuse further ones.
        let clones: Vec<_> = (0..4).map(|number| format!("clone-{number}")).collect();
        for clone in &clones {
            start_clone(&lab, &subvolume, &name, clone);
        }
        let refused = lab.drop_snapshot(&mut client, &id).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        let told = "cannot be deleted yet, because volumes are being made of it (";
        assert!(refused.message().contains(told), "{refused}");
        assert!(refused.message().contains("clone-3"), "{refused}");
        let seen = client.get_snapshot(csi::GetSnapshotRequest {
            snapshot_id: id.clone(),
            secrets: lab.secrets(),
        });
        assert!(
            seen.await
                .unwrap()
                .into_inner()
                .snapshot
                .unwrap()
                .ready_to_use
        );

        drop(delay);
        let started = Instant::now();
        while let Err(refused) = lab.drop_snapshot(&mut client, &id).await {
            assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
            assert!(started.elapsed() < Duration::from_mins(5), "{refused}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        for clone in &clones {
            run(
                "ceph",
                &["fs", "subvolume", "rm", &lab.fs, clone, &lab.group],
            );
        }
        lab.drop_volume(&mut client, &volume).await;
    });
    driver.terminate();
    lab.expect_empty("after the clones");
}
