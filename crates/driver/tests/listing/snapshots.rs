//! ListSnapshots: pages, what is in them, and one or those of one volume.

use std::collections::BTreeSet;

use ceph::fault::{Fault, Faults};
use csi_proto::v1 as csi;
use csi_proto::v1::controller_server::Controller as _;
use tonic::{Code, Request};

use crate::lab::lab;
use crate::support::{End, Process, World, create_request, secrets, show_request};

impl Process {
    fn snapshots(&self, request: csi::ListSnapshotsRequest) -> End<csi::ListSnapshotsResponse> {
        self.call(|service| async move { service.list_snapshots(Request::new(request)).await })
    }

    /// What `request` lists, in pages of `max_entries`; `between` runs after each page.
    fn snapshots_in_pages(
        &self,
        request: &csi::ListSnapshotsRequest,
        max_entries: i32,
        mut between: impl FnMut(&[csi::Snapshot]),
    ) -> Vec<csi::Snapshot> {
        let (mut all, mut request) = (Vec::new(), request.clone());
        request.max_entries = max_entries;
        loop {
            let page = self.snapshots(request.clone()).served();
            let found = page
                .entries
                .into_iter()
                .map(|entry| entry.snapshot.unwrap());
            let found: Vec<_> = found.collect();
            assert!(max_entries == 0 || found.len() <= usize::try_from(max_entries).unwrap());
            between(&found);
            all.extend(found);
            request.starting_token = page.next_token;
            if request.starting_token.is_empty() {
                return all;
            }
        }
    }

    fn all_snapshots(&self) -> Vec<csi::Snapshot> {
        self.snapshots_in_pages(&all(), 0, |_| {})
    }

    fn seen(&self, id: &str) -> csi::Snapshot {
        self.get_snapshot(id).served().snapshot.unwrap()
    }

    fn taken(&self, name: &str, volume: &str) -> csi::Snapshot {
        self.snapshot(name, volume).served()
    }
}

fn all() -> csi::ListSnapshotsRequest {
    csi::ListSnapshotsRequest::default()
}

fn by_id(id: &str) -> csi::ListSnapshotsRequest {
    csi::ListSnapshotsRequest {
        snapshot_id: id.to_owned(),
        ..all()
    }
}

fn of(volume: &str) -> csi::ListSnapshotsRequest {
    csi::ListSnapshotsRequest {
        source_volume_id: volume.to_owned(),
        ..all()
    }
}

/// Each is listed once, as GetSnapshot tells it, whatever the size of the pages.
#[test]
fn pages_of_any_size_list_each_snapshot_once() {
    let (_world, process) = lab();
    let (a, b) = (process.create_id("pvc-a"), process.create_id("pvc-b"));
    let mut made = Vec::new();
    for number in 0..7 {
        let volume = if number % 3 == 0 { &b } else { &a };
        made.push(process.taken(&format!("snapshot-{number}"), volume));
    }
    let seen: Vec<_> = made
        .iter()
        .map(|one| process.seen(&one.snapshot_id))
        .collect();
    assert_eq!(seen, made);
    let of_a = made.iter().filter(|one| one.source_volume_id == a);
    let of_a: Vec<_> = of_a.cloned().collect();
    for size in [0, 1, 2, 3, 6, 7, 8] {
        let listed = process.snapshots_in_pages(&all(), size, |_| {});
        assert_eq!(listed, made, "pages of {size}");
        let listed = process.snapshots_in_pages(&of(&a), size, |_| {});
        assert_eq!(listed, of_a, "pages of {size}");
    }
    for one in &made {
        let id = &one.snapshot_id;
        let found = process.snapshots_in_pages(&by_id(id), 1, |_| {});
        assert_eq!(found, std::slice::from_ref(one));
        let mut request = by_id(id);
        request.source_volume_id.clone_from(&a);
        let found = process.snapshots_in_pages(&request, 0, |_| {});
        assert_eq!(found.len(), usize::from(one.source_volume_id == a));
    }
    process.kill();
}

#[test]
fn tokens_survive_what_happens_between_pages() {
    for of_volume in [false, true] {
        let (_world, process) = lab();
        let volume = process.create_id("pvc-1");
        let request = if of_volume { of(&volume) } else { all() };
        let made = (10..20).map(|i| process.taken(&format!("snapshot-{i}"), &volume));
        let made: Vec<_> = made.map(|one| one.snapshot_id).collect();
        let mut round = 0;
        let listed = process.snapshots_in_pages(&request, 2, |page| {
            round += 1;
            let last = &page.last().unwrap().snapshot_id;
            process.delete_snapshot(last).served();
            if round == 1 {
                process.taken("snapshot-01", &volume);
                process.taken("snapshot-195", &volume);
            }
        });
        let listed: Vec<_> = listed.into_iter().map(|one| one.snapshot_id).collect();
        let unique: BTreeSet<_> = listed.iter().collect();
        assert_eq!(unique.len(), listed.len(), "{listed:#?}");
        assert!(made.iter().all(|id| unique.contains(id)), "{listed:#?}");
        assert_eq!(listed.len(), 11, "that after the place, not that before it");
        process.kill();
    }
}

/// What CSI wants for what is not there. What cannot be known is no empty list.
#[test]
fn unknown_snapshots_and_volumes_have_none() {
    let (_world, process) = lab();
    let volume = process.create_id("pvc-1");
    let snapshot = process.taken("snapshot-1", &volume).snapshot_id;
    let shape = volume.split_at(volume.len() - 36).0;
    let other = format!("{shape}12345678-9abc-4def-8123-456789abcdef");
    let elsewhere = volume.replace("-0000000000000001-", "-0000000000000063-");
    for nothing in [
        by_id("none"),
        by_id(&other),
        by_id(&volume),
        by_id(&elsewhere),
        of("none"),
        of(&other),
        of(&snapshot),
        of(&elsewhere),
    ] {
        assert_eq!(process.snapshots(nothing).served().entries, []);
    }
    let nowhere = volume.replace("-c1-", "-c2-");
    for unknown in [by_id(&nowhere), of(&nowhere)] {
        let refusal = process.snapshots(unknown).refused();
        assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}");
    }
    process.kill();
}

/// Not what is reserved only, was removed by hand, or is deleted and kept for volumes that show it; but what
/// outlives its volume.
#[test]
fn only_what_exists_is_listed() {
    let (world, process) = lab();
    let volume = process.create_id("pvc-1");
    let ids = ["a", "b", "c"].map(|name| process.taken(name, &volume).snapshot_id);
    let reserved = "99999999-9abc-4def-8123-456789abcdef";
    world.write_omap("csi.snaps.default", &[("csi.snap.reserved", reserved)]);
    world.write_omap("csi.snaps.default", &[("csi.snap.broken", "no uuid")]);
    let begun = [
        ("csi.snapname", "reserved"),
        (
            "csi.source",
            &*format!("csi-vol-{}", &volume[volume.len() - 36..]),
        ),
    ];
    world.write_omap(&format!("csi.snap.{reserved}"), &begun);
    let shown = process.make(show_request("pvc-2", 1, &ids[0])).served();
    process.delete_snapshot(&ids[0]).served();
    let name = format!("csi-snap-{}", &ids[1][ids[1].len() - 36..]);
    world.remove_snapshot(&volume, &name);
    process.delete(&volume).served();
    for request in [all(), of(&volume)] {
        let listed = process.snapshots_in_pages(&request, 1, |_| {});
        assert_eq!(listed, [process.seen(&ids[2])]);
    }
    for gone in &ids[..2] {
        assert_eq!(process.snapshots(by_id(gone)).served().entries, []);
    }
    process.delete_snapshot(&ids[2]).served();
    process.delete(&shown.volume.unwrap().volume_id).served();
    assert_eq!(process.all_snapshots(), []);
    process.kill();
}

/// Records of ceph-csi do not tell when they were taken.
#[test]
fn snapshots_of_the_original_are_listed() {
    let (world, process) = lab();
    let volume = process.create_id("pvc-1");
    let made = process.taken("snapshot-1", &volume);
    world.forget_notes();
    for request in [all(), of(&volume), by_id(&made.snapshot_id)] {
        let listed = process.snapshots_in_pages(&request, 1, |_| {});
        assert_eq!(listed, std::slice::from_ref(&made));
    }
    process.kill();
}

/// One Ceph cluster, one journal, a clusterID for each subvolume group.
#[test]
fn a_snapshot_is_listed_under_the_cluster_id_of_its_group() {
    for forget in [false, true] {
        let world = World::new();
        world.memory.create_group("cephfs", "apps");
        let config = r#"[
            {"clusterID": "c1", "monitors": ["m1"], "cephFS": {"subvolumeGroup": "csi"}},
            {"clusterID": "c2", "monitors": ["m1"], "cephFS": {"subvolumeGroup": "apps"}}
        ]"#;
        std::fs::write(world.config_file(), config).unwrap();
        world.give_credentials("c1");
        world.give_credentials("c2");
        let process = world.start(Faults::new());
        let mut made = Vec::new();
        for (cluster, name) in [("c1", "b"), ("c2", "a")] {
            let mut request = crate::support::create_request(name, 1);
            let parameter = ("clusterID".to_owned(), cluster.to_owned());
            request.parameters.extend([parameter]);
            let volume = process.make(request).served().volume.unwrap();
            let mut request = crate::support::snapshot_request(name, &volume.volume_id);
            request.parameters.clear();
            let taken = process.call(|service| async move {
                service.create_snapshot(Request::new(request)).await
            });
            made.push(taken.served().snapshot.unwrap());
        }
        if forget {
            world.forget_notes();
        }
        assert_eq!(process.snapshots_in_pages(&all(), 1, |_| {}), made);
        process.kill();
    }
}

/// Whatever step fails: no page that lacks something.
#[test]
fn a_failing_cluster_fails_the_listing() {
    let (world, process) = lab();
    let volume = process.create_id("pvc-1");
    let id = process.taken("snapshot-1", &volume).snapshot_id;
    process.kill();
    for request in [all(), of(&volume), by_id(&id)] {
        let process = world.start(Faults::new());
        process.snapshots(request.clone()).served();
        let steps = process.faults.log().len() as u64;
        assert!(steps >= 3, "{:#?}", process.faults.log());
        for step in 1..=steps {
            let faults = Faults::new();
            let away = ceph::Error::new(
                ceph::ErrorKind::Unreachable,
                "connect",
                "no monitor answers",
            );
            faults.at(step, Fault::Fail(away));
            let other = world.start(faults);
            let refusal = other.snapshots(request.clone()).refused();
            assert_eq!(refusal.code(), Code::Unavailable, "step {step}: {refusal}");
            other.kill();
        }
        process.kill();
    }
}

/// The secrets of a request do as well.
#[test]
fn credentials_of_its_own_are_needed_where_a_request_has_none() {
    let world = World::new();
    let process = world.start(Faults::new());
    let volume = process.create_id("pvc-1");
    let made = process.taken("snapshot-1", &volume);
    for request in [all(), of(&volume), by_id(&made.snapshot_id)] {
        let refusal = process.snapshots(request.clone()).refused();
        assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}");
        let with_secrets = csi::ListSnapshotsRequest {
            secrets: secrets(),
            ..request
        };
        let listed = process.snapshots_in_pages(&with_secrets, 0, |_| {});
        assert_eq!(listed, std::slice::from_ref(&made));
    }
    process.kill();
}

/// With a volume goes its record. The snapshots that outlive it are told by its uuid, as nothing else says what it was
/// called, and in which group it was.
#[test]
fn those_of_a_volume_that_is_deleted() {
    let (world, process) = lab();
    world.memory.create_group("cephfs", "apps");
    let mut request = create_request("pvc-1", 1);
    let prefix = ("volumeNamePrefix".to_owned(), "shop-".to_owned());
    request.parameters.extend([prefix]);
    let volume = process.make(request).served().volume.unwrap().volume_id;
    let other = process.create_id("pvc-2");
    process.taken("snapshot-0", &other);
    let made = ["snapshot-1", "snapshot-2"].map(|name| process.taken(name, &volume));
    process.delete(&volume).served();
    let config = std::fs::read_to_string(world.config_file()).unwrap();
    let entry = r#""cephFS": {"subvolumeGroup": "apps"}, "clusterID""#;
    let config = config.replacen(r#""clusterID""#, entry, 1);
    std::fs::write(world.config_file(), config).unwrap();

    for size in [0, 1] {
        assert_eq!(process.snapshots_in_pages(&of(&volume), size, |_| {}), made);
    }
    for one in &made {
        let name = if one == &made[0] {
            "snapshot-1"
        } else {
            "snapshot-2"
        };
        assert_eq!(&process.taken(name, &volume), one);
    }
    let status = process.snapshot("snapshot-0", &volume).refused();
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
    let status = process.snapshot("snapshot-1", &other).refused();
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");

    process.delete_snapshot(&made[0].snapshot_id).served();
    assert_eq!(
        process.snapshots_in_pages(&of(&volume), 0, |_| {}),
        made[1..]
    );
    process.delete_snapshot(&made[1].snapshot_id).served();
    assert_eq!(process.snapshots_in_pages(&of(&volume), 0, |_| {}), []);
    process.kill();
}
