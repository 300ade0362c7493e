//! Group snapshots of volumes that are being written to, on a real Ceph: they show one moment, and the
//! writes go on whatever becomes of the request. On a Ceph that cannot hold writes back: that it is told.

#[path = "groups/writers.rs"]
mod writers;

use std::time::{Duration, Instant};

use csi_proto::v1::group_controller_client::GroupControllerClient;
use csi_proto::v1::{self as csi, VolumeGroupSnapshot};
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use tonic::{Code, Status};
use writers::{Finished, Writers, is_one_moment};

use crate::driver::Driver;
use crate::lab::{Lab, can_hold_back, member, members, run};
use crate::snapshots::Limit;

const GROUP: &str = "groupsnapshot-1";
const KILLS: u32 = 8;

type Groups = GroupControllerClient<Channel>;

/// Volumes, with a driver that serves requests about them.
struct Stage {
    lab: Lab,
    driver: Driver,
    runtime: Runtime,
    volumes: Vec<csi::Volume>,
}

impl Stage {
    /// With so many volumes; `None` where Ceph cannot hold writes back.
    fn new(volumes: usize) -> Option<Self> {
        let stage = Self::on_any_ceph(volumes);
        if can_hold_back() {
            return Some(stage);
        }
        println!("this Ceph cannot hold writes back: see a_ceph_that_cannot_is_told");
        stage.end();
        None
    }

    fn on_any_ceph(volumes: usize) -> Self {
        let lab = Lab::new();
        let driver = Driver::start(&lab.config(), &[]);
        let runtime = Runtime::new().unwrap();
        let volumes = runtime.block_on(async {
            let mut client = driver.controller().await;
            let mut made = Vec::new();
            for number in 0..volumes {
                let request = lab.create(&format!("pvc-of-a-group-{number}"), 1);
                let answer = client.create_volume(request).await.unwrap();
                made.push(answer.into_inner().volume.unwrap());
            }
            made
        });
        Self {
            lab,
            driver,
            runtime,
            volumes,
        }
    }

    fn request(&self, name: &str) -> csi::CreateVolumeGroupSnapshotRequest {
        let ids = self.volumes.iter().map(|volume| volume.volume_id.clone());
        csi::CreateVolumeGroupSnapshotRequest {
            name: name.to_owned(),
            source_volume_ids: ids.collect(),
            secrets: self.lab.secrets(),
            ..Default::default()
        }
    }

    fn make(&self, name: &str) -> Result<VolumeGroupSnapshot, Status> {
        self.runtime.block_on(async {
            let mut groups = Groups::new(self.driver.channel().await);
            let answer = groups
                .create_volume_group_snapshot(self.request(name))
                .await?;
            Ok(answer.into_inner().group_snapshot.unwrap())
        })
    }

    fn delete(&self, group: &VolumeGroupSnapshot) -> Result<(), Status> {
        let request = csi::DeleteVolumeGroupSnapshotRequest {
            group_snapshot_id: group.group_snapshot_id.clone(),
            snapshot_ids: members(group),
            secrets: self.lab.secrets(),
        };
        self.runtime.block_on(async {
            let mut groups = Groups::new(self.driver.channel().await);
            let deleted = groups.delete_volume_group_snapshot(request).await;
            deleted.map(drop)
        })
    }

    /// The snapshots of a group in the order of our volumes.
    fn in_order(&self, group: &VolumeGroupSnapshot) -> Vec<csi::Snapshot> {
        let of = |volume: &csi::Volume| member(group, &volume.volume_id).clone();
        self.volumes.iter().map(of).collect()
    }

    /// Snapshots that all volumes have together.
    fn snapshots(&self) -> usize {
        let count = |volume| {
            let subvolume = crate::snapshots::subvolume_of(volume);
            self.lab.snapshots(&subvolume).len()
        };
        self.volumes.iter().map(count).sum()
    }

    /// The state of the group's quiesce set, as Ceph tells.
    fn set(&self, name: &str) -> String {
        let set = ["fs", "quiesce", &self.lab.fs, "--set-id", name];
        let told = run("ceph", &set);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        told["sets"][name]["state"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// A snapshot of each volume, one after the other, which nobody needs for long.
    fn one_by_one(&self, number: usize) -> Vec<csi::Snapshot> {
        self.runtime.block_on(async {
            let mut client = self.driver.controller().await;
            let mut snapshots = Vec::new();
            for volume in &self.volumes {
                let name = format!("snapshot-{number}-{}", snapshots.len());
                let request = self.lab.snapshot(&name, &volume.volume_id);
                let answer = client.create_snapshot(request).await.unwrap();
                snapshots.push(answer.into_inner().snapshot.unwrap());
            }
            snapshots
        })
    }

    fn drop_snapshots(&self, snapshots: &[csi::Snapshot]) {
        self.runtime.block_on(async {
            let mut client = self.driver.controller().await;
            for snapshot in snapshots {
                let dropped = self.lab.drop_snapshot(&mut client, &snapshot.snapshot_id);
                dropped.await.unwrap();
            }
        });
    }

    /// The groups are of one moment each; with them everything goes.
    fn check_and_delete(&self, volumes: &Finished, groups: &[VolumeGroupSnapshot]) {
        for group in groups {
            let seen = volumes.seen_in(&self.in_order(group));
            println!("{seen:?}");
            assert!(is_one_moment(&seen), "{seen:?}");
            self.delete(group).unwrap();
        }
        assert_eq!(self.snapshots(), 0);
    }

    /// Asks for a group, and kills the driver at this moment; another one takes its place.
    fn kill_while_making(&mut self, name: &str, moment: Duration) {
        let request = self.request(name);
        self.runtime.block_on(async {
            let mut groups = Groups::new(self.driver.channel().await);
            let asked = groups.create_volume_group_snapshot(request);
            // Its answer does not matter: the driver dies, before or after.
            let _ = tokio::time::timeout(moment, asked).await;
        });
        let next = Driver::start(&self.lab.config(), &[]);
        std::mem::replace(&mut self.driver, next).kill();
    }

    /// Deletes the volumes, and finds nothing left.
    fn end(self) {
        self.runtime.block_on(async {
            let mut client = self.driver.controller().await;
            for volume in &self.volumes {
                let request = self.lab.delete(&volume.volume_id);
                client.delete_volume(request).await.unwrap();
            }
        });
        self.driver.terminate();
        self.lab.expect_empty("after the volumes were deleted");
    }
}

/// Snapshots taken one by one differ, or the counter would prove nothing; those of groups do not.
#[test]
#[ignore = "needs a Ceph cluster and mounts: dev/test groups"]
fn no_write_lands_between_the_snapshots() {
    let Some(stage) = Stage::new(3) else { return };
    let writers = Writers::start(&stage.lab, &stage.volumes);
    let one_by_one: Vec<_> = (0..5).map(|number| stage.one_by_one(number)).collect();
    let mut groups = Vec::new();
    for number in 0..10 {
        let name = format!("groupsnapshot-{number}");
        let started = Instant::now();
        let group = stage.make(&name).unwrap();
        let took = started.elapsed();
        let resumed = writers.go_on("after a group snapshot");
        println!("group snapshot in {took:.0?}, written to again after {resumed:.0?}");
        assert_eq!(stage.make(&name).unwrap(), group);
        groups.push(group);
    }
    let volumes = writers.finish();
    let control: Vec<_> = one_by_one.iter().map(|one| volumes.seen_in(one)).collect();
    println!("one by one: {control:?}");
    assert!(!control.iter().all(|seen| is_one_moment(seen)));
    for snapshots in &one_by_one {
        stage.drop_snapshots(snapshots);
    }
    stage.check_and_delete(&volumes, &groups);
    drop(volumes);
    stage.end();
}

/// One of the volumes can have no further snapshot: nothing is left of the others', and writes go on.
#[test]
#[ignore = "needs a Ceph cluster and mounts: dev/test groups"]
fn writes_go_on_after_a_failure() {
    let Some(stage) = Stage::new(3) else { return };
    let limit = Limit::set(1);
    let writers = Writers::start(&stage.lab, &stage.volumes);
    let full = stage.volumes[1].volume_id.clone();
    let only = stage.runtime.block_on(async {
        let mut client = stage.driver.controller().await;
        let request = stage.lab.snapshot("snapshot-1", &full);
        let answer = client.create_snapshot(request).await.unwrap();
        answer.into_inner().snapshot.unwrap()
    });
    let journal = stage.lab.journal().len();
    let refused = stage.make(GROUP).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains(&full), "{refused}");
    let resumed = writers.go_on("after the failure");
    println!(
        "written to again after {resumed:.0?}: {}",
        refused.message()
    );
    assert_eq!(stage.snapshots(), 1);
    let after = stage.lab.journal();
    assert_eq!(after["csi.groups.default"], Vec::<String>::new());
    assert!(after.len() <= journal + 1, "{after:?}");

    stage.drop_snapshots(&[only]);
    let group = stage.make(GROUP).unwrap();
    let volumes = writers.finish();
    stage.check_and_delete(&volumes, &[group]);
    drop((volumes, limit));
    stage.end();
}

/// The driver is killed at many moments; another one makes the group, of one moment, and writes go on.
#[test]
#[ignore = "needs a Ceph cluster and mounts: dev/test groups"]
fn a_repeat_goes_on_after_sigkill() {
    let Some(mut stage) = Stage::new(3) else {
        return;
    };
    let writers = Writers::start(&stage.lab, &stage.volumes);
    let started = Instant::now();
    let (mut held_back, mut groups) = (0, vec![stage.make(GROUP).unwrap()]);
    let took = started.elapsed();
    for number in 0..KILLS {
        let name = format!("groupsnapshot-killed-{number}");
        stage.kill_while_making(&name, took * (number + 1) / (KILLS + 1));
        held_back += usize::from(stage.set(&name) == "QUIESCED");
        groups.push(stage.make(&name).unwrap());
        writers.go_on("after a kill and a repeat");
        assert_eq!(stage.snapshots(), 3 * groups.len(), "one of each volume");
    }
    println!("writes were held back after {held_back} of {KILLS} kills, until the repeat");
    let volumes = writers.finish();
    stage.check_and_delete(&volumes, &groups);
    drop(volumes);
    stage.end();
}

/// The driver is killed while it holds writes back, and nobody asks again: Ceph lets them go.
#[test]
#[ignore = "needs a Ceph cluster and mounts: dev/test groups"]
fn writes_go_on_after_sigkill_without_a_repeat() {
    let Some(mut stage) = Stage::new(3) else {
        return;
    };
    let writers = Writers::start(&stage.lab, &stage.volumes);
    let started = Instant::now();
    let mut groups = vec![stage.make(GROUP).unwrap()];
    let took = started.elapsed();
    let mut resumed = Vec::new();
    for number in 0..10 * KILLS {
        // On a busy machine no kill may have met the moment.
        if number >= KILLS && !resumed.is_empty() {
            break;
        }
        let name = format!("groupsnapshot-killed-{number}");
        let moment = took * (number % KILLS + 1) / (KILLS + 1);
        stage.kill_while_making(&name, moment);
        if stage.set(&name) == "QUIESCED" {
            resumed.push(writers.go_on("after a kill"));
        }
        groups.push(stage.make(&name).unwrap());
    }
    println!("written to again after {resumed:.0?}, without a repeat");
    assert!(
        !resumed.is_empty(),
        "no kill came while writes were held back"
    );
    let volumes = writers.finish();
    stage.check_and_delete(&volumes, &groups);
    drop(volumes);
    stage.end();
}

/// Before Ceph 19.2: refused with the release that can, and nothing made.
#[test]
#[ignore = "needs a Ceph cluster and mounts: dev/test groups"]
fn a_ceph_that_cannot_is_told() {
    let stage = Stage::on_any_ceph(2);
    if can_hold_back() {
        println!("this Ceph can hold writes back");
        return stage.end();
    }
    let before = stage.lab.journal();
    let refused = stage.make(GROUP).unwrap_err();
    println!("{}", refused.message());
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(
        refused.message().contains("since 19.2 (Squid)"),
        "{refused}"
    );
    assert_eq!(stage.lab.journal(), before);
    assert_eq!(stage.snapshots(), 0);
    stage.end();
}
