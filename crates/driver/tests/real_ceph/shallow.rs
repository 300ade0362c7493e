//! Volumes that show a snapshot, on a real Ceph: their whole life, with mounts; and two processes that come
//! and go at the same snapshot.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ceph::rados::{Connector, Settings};
use ceph::{Connect as _, Connection, Context, Identity};
use csi_proto::v1::controller_client::ControllerClient;
use csi_proto::v1::node_client::NodeClient;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, MountVolume};
use csi_proto::v1::volume_content_source::{SnapshotSource, Type};
use csi_proto::v1::{self as csi, VolumeCapability};
use spirula::reftracker::{Held, RefTracker};
use tonic::Code;
use tonic::transport::Channel;

use crate::copies::{content, of_volume, write_files};
use crate::driver::Driver;
use crate::lab::{Lab, run};
use crate::snapshots::subvolume_of;

fn readers() -> VolumeCapability {
    VolumeCapability {
        access_mode: Some(AccessMode {
            mode: Mode::MultiNodeReaderOnly.into(),
        }),
        access_type: Some(AccessType::Mount(MountVolume::default())),
    }
}

impl Lab {
    fn show(&self, name: &str, snapshot: &str) -> csi::CreateVolumeRequest {
        let snapshot_id = snapshot.to_owned();
        let of = Type::Snapshot(SnapshotSource { snapshot_id });
        let mut request = self.copy(name, 1, of);
        request.volume_capabilities = vec![readers()];
        let fuse = ("mounter".to_owned(), "fuse".to_owned());
        request.parameters.extend([fuse]);
        request
    }

    /// A volume with files, a snapshot of it, and other files besides; what the snapshot has.
    async fn snapshot_of_files(
        &self,
        driver: &Driver,
    ) -> (csi::Volume, csi::Snapshot, BTreeMap<String, String>) {
        let mut client = driver.controller().await;
        let source = self.volume(&mut client, "source").await;
        let before = self.mounted(&source, |root| {
            write_files(root, 1);
            content(root)
        });
        let snapshot = self.take(&mut client, "snap", &source.volume_id).await;
        self.mounted(&source, |root| write_files(root, 2));
        (source, snapshot.unwrap(), before)
    }
}

/// A node that has a volume staged and given to a pod.
struct Pod {
    client: NodeClient<Channel>,
    directory: tempfile::TempDir,
    volume_id: String,
}

impl Pod {
    async fn start(
        lab: &Lab,
        driver: &Driver,
        volume: &csi::Volume,
        context: BTreeMap<String, String>,
    ) -> Self {
        let pod = Self {
            client: NodeClient::new(driver.channel().await),
            directory: tempfile::tempdir().unwrap(),
            volume_id: volume.volume_id.clone(),
        };
        std::fs::create_dir(pod.directory.path().join("staging")).unwrap();
        let stage = csi::NodeStageVolumeRequest {
            volume_id: pod.volume_id.clone(),
            staging_target_path: pod.path("staging"),
            volume_capability: Some(readers()),
            secrets: lab.secrets(),
            volume_context: context,
            ..Default::default()
        };
        let publish = csi::NodePublishVolumeRequest {
            volume_id: pod.volume_id.clone(),
            staging_target_path: pod.path("staging"),
            target_path: pod.path("pod"),
            volume_capability: Some(readers()),
            ..Default::default()
        };
        let mut client = pod.client.clone();
        client.node_stage_volume(stage).await.unwrap();
        client.node_publish_volume(publish).await.unwrap();
        pod
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// The snapshot and nothing but it is to be seen, and nobody can change it.
    fn expect(&self, expected: &BTreeMap<String, String>) {
        for name in ["staging", "pod"] {
            let path = self.path(name);
            let root = Path::new(&path);
            assert_eq!(content(root), *expected, "{name}");
            let entries = std::fs::read_dir(root).unwrap();
            let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["a"], "{name}");
            let refused = std::fs::write(root.join("new"), "x").unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem, "{name}");
        }
    }

    async fn end(mut self) {
        let unpublish = csi::NodeUnpublishVolumeRequest {
            volume_id: self.volume_id.clone(),
            target_path: self.path("pod"),
        };
        self.client.node_unpublish_volume(unpublish).await.unwrap();
        let unstage = csi::NodeUnstageVolumeRequest {
            volume_id: self.volume_id.clone(),
            staging_target_path: self.path("staging"),
        };
        self.client.node_unstage_volume(unstage).await.unwrap();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(&self.path("")), "{mounts}");
    }
}

impl Drop for Pod {
    /// What a failed test has left mounted would keep its Ceph from ending.
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let paths = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let ours = paths.filter(|path| path.starts_with(&self.path("")));
        for path in ours.collect::<Vec<_>>().into_iter().rev() {
            run("umount", &["-l", path]);
        }
    }
}

/// Made, mounted, its snapshot deleted under it, copied, mounted by somebody to whom the context says less,
/// deleted: and nothing is left.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test shallow"]
async fn the_life_of_a_volume_that_shows_a_snapshot() {
    let lab = Lab::new();
    let driver = Driver::start(&lab.config(), &["--setmetadata"]);
    let mut client = driver.controller().await;
    let (source, snapshot, before) = lab.snapshot_of_files(&driver).await;
    let id = &snapshot.snapshot_id;
    let made = client.create_volume(lab.show("shown", id)).await.unwrap();
    let shown = made.into_inner().volume.unwrap();
    let again = client.create_volume(lab.show("shown", id)).await.unwrap();
    assert_eq!(again.into_inner().volume.as_ref(), Some(&shown));
    assert_eq!(lab.subvolumes(), [subvolume_of(&source)]);

    let pod = Pod::start(&lab, &driver, &shown, shown.volume_context.clone()).await;
    pod.expect(&before);
    // The snapshot goes first, and stays for those who show it.
    lab.drop_snapshot(&mut client, id).await.unwrap();
    let late = client
        .create_volume(lab.show("late", id))
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::NotFound, "{late}");
    pod.expect(&before);
    pod.end().await;
    client
        .delete_volume(lab.delete(&source.volume_id))
        .await
        .unwrap();

    // As ceph-csi's node looks at it, or ours at what ceph-csi made: the journal tells the snapshot.
    let mut context = shown.volume_context.clone();
    context.remove("backingSnapshotName").unwrap();
    let pod = Pod::start(&lab, &driver, &shown, context).await;
    pod.expect(&before);

    // Its source is retained for its snapshots only, of which Ceph can make no copy but this.
    let request = lab.copy("copied", 2, of_volume(&shown));
    let copy = client.create_volume(request).await.unwrap();
    let copy = copy.into_inner().volume.unwrap();
    assert_eq!(lab.mounted(&copy, content), before);
    pod.end().await;

    for volume in [&shown, &copy] {
        lab.drop_volume(&mut client, volume).await;
        lab.drop_volume(&mut client, volume).await;
    }
    driver.terminate();
    lab.expect_empty("after the life of a volume that shows a snapshot");
}

/// Two drivers make and delete volumes of one snapshot while it is deleted: who has one has the snapshot too,
/// and with the last of them it goes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Ceph cluster: dev/test shallow"]
async fn two_drivers_show_one_snapshot_while_it_is_deleted() {
    let lab = Arc::new(Lab::new());
    let drivers = [(); 2].map(|()| Driver::start(&lab.config(), &[]));
    let mut client = drivers[0].controller().await;
    let source = lab.volume(&mut client, "source").await;
    let taken = lab.take(&mut client, "snap", &source.volume_id).await;
    let id = taken.unwrap().snapshot_id;
    let made = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for (number, driver) in drivers.iter().enumerate() {
        for worker in 0..4 {
            let (lab, made, id) = (Arc::clone(&lab), Arc::clone(&made), id.clone());
            let mut client = driver.controller().await;
            tasks.spawn(async move {
                let mut kept = Vec::new();
                for turn in 0..8 {
                    let name = format!("shown-{number}-{worker}-{turn}");
                    let volume = match client.create_volume(lab.show(&name, &id)).await {
                        Ok(made) => made.into_inner().volume.unwrap(),
                        Err(status) => {
                            assert_eq!(status.code(), Code::NotFound, "{status}");
                            continue;
                        }
                    };
                    if turn % 2 == 0 {
                        lab.drop_volume(&mut client, &volume).await;
                    } else {
                        kept.push(volume);
                    }
                    made.fetch_add(1, Ordering::Relaxed);
                }
                kept
            });
        }
    }
    let started = Instant::now();
    while made.load(Ordering::Relaxed) < 16 {
        assert!(
            started.elapsed() < Duration::from_mins(5),
            "too few are made"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    lab.drop_snapshot(&mut client, &id).await.unwrap();
    let kept = tasks.join_all().await.concat();
    println!("{} volumes came before the deletion", kept.len());
    assert!(!kept.is_empty());
    assert_eq!(lab.snapshots(&subvolume_of(&source)).len(), 1);
    for (volume, number) in kept.iter().zip(0..) {
        let mut client = drivers[number % 2].controller().await;
        lab.drop_volume(&mut client, volume).await;
    }
    assert_eq!(lab.snapshots(&subvolume_of(&source)), [""; 0]);
    lab.drop_volume(&mut client, &source).await;
    for driver in drivers {
        driver.terminate();
    }
    lab.expect_empty("after two drivers");
}

/// Two drivers are asked for the same volume while a third client deletes its snapshot, at ever later moments:
/// they end with the same volume and the snapshot, or with neither.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Ceph cluster: dev/test shallow"]
async fn two_drivers_make_one_volume_while_its_snapshot_is_deleted() {
    const ROUNDS: u32 = 24;
    let lab = Lab::new();
    let drivers = [(); 2].map(|()| Driver::start(&lab.config(), &[]));
    let (mut one, mut two) = (drivers[0].controller().await, drivers[1].controller().await);
    let source = lab.volume(&mut one, "source").await;
    let (mut made, mut refused, mut took) = (0, 0, Duration::ZERO);
    for round in 0..ROUNDS {
        let taken = lab.take(&mut one, "snap", &source.volume_id).await;
        let id = taken.unwrap().snapshot_id;
        let request = lab.show(&format!("shown-{round}"), &id);
        let (mut rival, mut third) = (two.clone(), two.clone());
        let moment = took * round / ROUNDS;
        let started = Instant::now();
        let (first, second, ()) = tokio::join!(
            made_or_refused(&mut one, &request),
            made_or_refused(&mut rival, &request),
            async {
                // The first round tells how long a creation takes.
                if round > 0 {
                    tokio::time::sleep(moment).await;
                    lab.drop_snapshot(&mut third, &id).await.unwrap();
                }
            }
        );
        if round == 0 {
            took = started.elapsed();
            lab.drop_snapshot(&mut third, &id).await.unwrap();
        }
        // Who was refused may have come after the deletion, and the other one before it.
        let left = lab.snapshots(&subvolume_of(&source));
        let volume = first.as_ref().or(second.as_ref());
        assert_eq!(
            left.len(),
            usize::from(volume.is_some()),
            "{first:?} {second:?}"
        );
        if let (Some(first), Some(second)) = (&first, &second) {
            assert_eq!(first, second);
        }
        if let Some(volume) = volume {
            made += 1;
            lab.drop_volume(&mut two, volume).await;
            assert_eq!(lab.snapshots(&subvolume_of(&source)), [""; 0]);
        } else {
            refused += 1;
        }
    }
    println!("a creation took {took:.1?}: {made} volumes, {refused} refusals");
    lab.drop_volume(&mut one, &source).await;
    for driver in drivers {
        driver.terminate();
    }
    lab.expect_empty("after two drivers at one volume");
}

/// The volume, asked for as a sidecar does; `None` if its snapshot is gone.
async fn made_or_refused(
    client: &mut ControllerClient<Channel>,
    request: &csi::CreateVolumeRequest,
) -> Option<csi::Volume> {
    let started = Instant::now();
    loop {
        match client.create_volume(request.clone()).await {
            Ok(made) => return made.into_inner().volume,
            Err(status) if status.code() == Code::NotFound => return None,
            Err(status) => assert_eq!(status.code(), Code::Aborted, "{status}"),
        }
        assert!(
            started.elapsed() < Duration::from_mins(2),
            "it goes on for ever"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A connection of its own, as a process has it.
async fn tracker(lab: &Lab) -> RefTracker {
    let identity = Identity {
        monitors: lab.monitors.clone(),
        user: lab.user.clone(),
        key: lab.key.clone().into(),
    };
    let connector = Connector::new(Settings::default());
    let cluster = connector.connect(&cx(), &identity).await.unwrap();
    let connection = Connection::new(Arc::clone(&cluster));
    let fs = connection.filesystem(&cx(), &lab.fs).await.unwrap();
    RefTracker::new(cluster, fs.metadata_pool, "csi")
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_mins(1))
}

/// Ceph refuses a write that is based on what somebody else has changed meanwhile: no reference is lost, and
/// of those who take the last ones exactly one learns that it was the last.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Ceph cluster: dev/test shallow"]
async fn references_are_changed_by_two_connections_at_once() {
    const SNAPSHOT: &str = "0001-0004-real-0000000000000001-8a1f0f3e-0000-4000-8000-000000000001";
    let lab = Lab::new();
    let trackers = [tracker(&lab).await, tracker(&lab).await];
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let tracker = trackers[number % 2].clone();
        writers.spawn(async move {
            let user = format!("csi-vol-{number}");
            for _ in 0..10 {
                tracker.add(&cx(), SNAPSHOT, &user).await.unwrap();
                let held = tracker
                    .remove(&cx(), SNAPSHOT, &[&user], true)
                    .await
                    .unwrap();
                assert_eq!(held, Held::Yes);
            }
            tracker.add(&cx(), SNAPSHOT, &user).await.unwrap();
        });
    }
    writers.join_all().await;
    let object = format!("rt-backingsnapshot-{SNAPSHOT}");
    assert_eq!(lab.journal()[&object].len(), 9);
    let count = std::env::temp_dir().join(format!("{}-count", std::process::id()));
    let count = count.to_str().unwrap();
    run(
        "rados",
        &["-p", &lab.metadata_pool, "-N", "csi", "get", &object, count],
    );
    assert_eq!(std::fs::read(count).unwrap(), [0, 0, 0, 9]);
    std::fs::remove_file(count).unwrap();

    let mut leaving = tokio::task::JoinSet::new();
    for number in 0..9 {
        let tracker = trackers[number % 2].clone();
        leaving.spawn(async move {
            let user = format!("csi-vol-{number}");
            match number {
                8 => tracker.mask(&cx(), SNAPSHOT).await.unwrap(),
                _ => tracker
                    .remove(&cx(), SNAPSHOT, &[&user], true)
                    .await
                    .unwrap(),
            }
        });
    }
    let last = leaving.join_all().await;
    let last = last.iter().filter(|held| **held == Held::No);
    assert_eq!(last.count(), 1);
    lab.expect_empty("after the last reference");
}
