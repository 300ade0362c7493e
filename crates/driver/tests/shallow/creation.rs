//! Making them: what is stored and answered, what is refused, and who comes first when the snapshot goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ceph::fault::{Fault, Faults};
use csi_proto::v1 as csi;
use csi_proto::v1::volume_capability::access_mode::Mode;
use spirula::journal::Source;
use tonic::Code;

use crate::support::{Process, World, mount_capability, show_request};

/// A world with a volume of 1 GiB and its snapshot, and the ids of both.
pub(crate) fn world() -> (World, Process, String, String) {
    let world = World::new();
    let process = world.start(Faults::new());
    let volume = process.create("pvc-source", 1).served().volume.unwrap();
    let volume = volume.volume_id;
    let snapshot = process.snapshot("snapshot-1", &volume).served().snapshot_id;
    (world, process, volume, snapshot)
}

fn uuid(id: &str) -> &str {
    &id[id.len() - 36..]
}

/// Keys and values of a journal object, as text.
fn stored(world: &World, object: &str) -> BTreeMap<String, String> {
    let objects = world.memory.objects().into_iter();
    let mut found = objects.filter(|(at, _)| at.name == object);
    let (at, state) = found.next().unwrap_or_else(|| panic!("no {object}"));
    assert_eq!((at.pool, &*at.namespace), (world.metadata_pool, "csi"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let omap = state.omap.into_iter();
    omap.map(|(key, value)| (key, text(value))).collect()
}

/// Deletes the snapshot, then `volumes`, then the source of the snapshot: nothing is left.
pub(crate) fn delete_all(world: &World, process: Process, ids: [&str; 2], volumes: &[&str]) {
    let [source, snapshot] = ids;
    process.delete_snapshot(snapshot).served();
    for volume in volumes {
        process.delete(volume).served();
    }
    process.delete(source).served();
    assert_eq!(world.leftovers(), [""; 0]);
    process.kill();
}

/// Byte for byte what ceph-csi stores and answers, and the name of the snapshot besides.
#[test]
fn what_is_stored_and_answered() {
    let (world, process, source, snapshot) = world();
    let mut request = show_request("pvc-2", 3, &snapshot);
    for (key, value) in [("pool", "fast"), ("volumeNamePrefix", "shop-")] {
        request.parameters.insert(key.to_owned(), value.to_owned());
    }
    let made = process.make(request.clone()).served().volume.unwrap();
    assert_eq!(process.make(request).served().volume.unwrap(), made);

    let own = format!("shop-{}", uuid(&made.volume_id));
    let parent = format!("csi-vol-{}", uuid(&source));
    let taken = format!("csi-snap-{}", uuid(&snapshot));
    let context = [
        ("clusterID", "c1"),
        ("fsName", "cephfs"),
        ("pool", "fast"),
        ("volumeNamePrefix", "shop-"),
        ("subvolumeName", &own),
        ("subvolumePath", &format!("/volumes/csi/{parent}/")),
        ("backingSnapshotName", &taken),
    ];
    let context = context.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(made.volume_context, context.into());
    assert_eq!(made.capacity_bytes, 3 << 30);

    let mut record = stored(&world, &format!("csi.volume.{}", uuid(&made.volume_id)));
    record.retain(|key, _| key.starts_with("csi."));
    let expected = [
        ("csi.volname", "pvc-2"),
        ("csi.imagename", &own),
        ("csi.volume.owner", "shop"),
        ("csi.volume.backingsnapshotid", &snapshot),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(record, expected.into());
    let references = stored(&world, &format!("rt-backingsnapshot-{snapshot}"));
    let normal = "\u{1}".to_owned();
    let expected = [(snapshot.clone(), normal.clone()), (own, normal)];
    assert_eq!(references, expected.into());
    assert_eq!(world.memory.subvolumes().len(), 1, "it has none of its own");
    delete_all(&world, process, [&source, &snapshot], &[&made.volume_id]);
}

/// `backingSnapshot: "false"` makes a copy, and so do writers.
#[test]
fn copies_are_made_where_they_are_asked_for() {
    let (world, process, source, snapshot) = world();
    let mut copy = show_request("pvc-copy", 1, &snapshot);
    let parameter = ("backingSnapshot".to_owned(), "false".to_owned());
    copy.parameters.extend([parameter]);
    let mut mixed = show_request("pvc-mixed", 1, &snapshot);
    let writers = mount_capability(Mode::MultiNodeMultiWriter);
    mixed.volume_capabilities.push(writers);
    let mut made = Vec::new();
    for (request, subvolumes) in [(copy, 2), (mixed, 3)] {
        let volume = process.make(request).served().volume.unwrap();
        assert_eq!(world.memory.subvolumes().len(), subvolumes);
        assert!(!volume.volume_context.contains_key("backingSnapshotName"));
        made.push(volume.volume_id);
    }
    delete_all(&world, process, [&source, &snapshot], &[&made[0], &made[1]]);
}

/// What nobody writes to is one thing or the other, of one snapshot.
#[test]
fn a_name_stands_for_one_kind_of_volume() {
    let (world, process, source, snapshot) = world();
    let other = process.snapshot("snapshot-2", &source).served().snapshot_id;
    let shown = process.show("pvc-2", 1, &snapshot).served().volume.unwrap();
    let copy = process
        .copy("pvc-3", 1, &Source::Snapshot(snapshot.clone()))
        .served();
    let copy = copy.volume.unwrap();
    for (different, told) in [
        (process.show("pvc-2", 1, &other), "shows snapshot `"),
        (process.show("pvc-2", 2, &snapshot), "has 1073741824 bytes"),
        (
            process.create("pvc-2", 1),
            "where one with data of its own is asked for",
        ),
        (
            process.copy("pvc-2", 1, &Source::Snapshot(snapshot.clone())),
            "where one with data of its own is asked for",
        ),
        (
            process.show("pvc-3", 1, &snapshot),
            "has data of its own, where",
        ),
        (
            process.show("pvc-source", 1, &snapshot),
            "has data of its own, where",
        ),
    ] {
        let status = different.refused();
        assert_eq!(status.code(), Code::AlreadyExists, "{status}");
        assert!(status.message().contains(told), "{status}");
    }
    process.delete_snapshot(&other).served();
    let volumes = [&*shown.volume_id, &copy.volume_id];
    delete_all(&world, process, [&source, &snapshot], &volumes);
}

/// Its copy is a copy of the snapshot; one that nobody writes to would be the same again.
#[test]
fn a_copy_of_a_volume_that_shows_a_snapshot() {
    let (world, process, source, snapshot) = world();
    let shown = process.show("pvc-2", 1, &snapshot).served().volume.unwrap();
    let of = Source::Volume(shown.volume_id.clone());
    // Deleted, the snapshot stays for the volume, and so does what can be made of that.
    process.delete_snapshot(&snapshot).served();
    let copy = process.copy("pvc-3", 2, &of).served().volume.unwrap();
    assert_eq!(world.memory.subvolumes().len(), 2);
    let refused = process.copy("pvc-4", 1, &Source::Snapshot(snapshot.clone()));
    assert_eq!(refused.refused().code(), Code::NotFound);
    let volumes = [&*shown.volume_id, &copy.volume_id];
    delete_all(&world, process, [&source, &snapshot], &volumes);
}

/// A volume that is complete is told again, even if its snapshot was deleted meanwhile; a new one is not made.
#[test]
fn a_deleted_snapshot_is_shown_by_those_who_did_before() {
    let (world, process, source, snapshot) = world();
    let made = process.show("pvc-2", 1, &snapshot).served();
    process.delete_snapshot(&snapshot).served();
    assert_eq!(process.show("pvc-2", 1, &snapshot).served(), made);
    let before = world.leftovers();
    let late = process.show("pvc-3", 1, &snapshot).refused();
    assert_eq!(late.code(), Code::NotFound, "{late}");
    assert_eq!(world.leftovers(), before);
    let id = made.volume.unwrap().volume_id;
    delete_all(&world, process, [&source, &snapshot], &[&id]);
}

/// What ceph-csi answered, or died before it did.
#[test]
fn a_volume_of_the_original_is_asked_for_again() {
    for masked in [false, true] {
        let world = World::new();
        if masked {
            crate::masked(&world);
        } else {
            crate::shown(&world);
        }
        let process = world.start(Faults::new());
        let answer = process.show("pvc-1", 1, crate::SNAPSHOT).served();
        let volume = answer.volume.unwrap();
        assert_eq!(volume.volume_id, crate::VOLUME);
        assert_eq!(volume.volume_context["subvolumeName"], crate::SUBVOLUME);
        let path = format!("/volumes/csi/{}/", crate::PARENT);
        assert_eq!(volume.volume_context["subvolumePath"], path);
        process.delete_snapshot(crate::SNAPSHOT).served();
        assert!(crate::has_snapshot(&world));
        crate::remove_parent(&world);
        process.delete(crate::VOLUME).served();
        assert_eq!(world.leftovers(), [""; 0]);
        process.kill();
    }
}

/// At whichever step of the creation the snapshot is deleted: either the volume is made, and the snapshot
/// stays until it goes, or it is not, and nothing is left of it.
#[test]
fn the_snapshot_is_deleted_at_every_step_of_the_creation() {
    let (mut made, mut refused) = (0, 0);
    for step in 1.. {
        let (world, process, source, snapshot) = world();
        process.kill();
        let faults = Faults::new();
        faults.at(step, Fault::KillAfter);
        let begun = world.start(faults);
        let killed = begun.show("pvc-2", 1, &snapshot).is_killed();
        begun.kill();
        if !killed {
            break;
        }
        let process = world.start(Faults::new());
        process.delete_snapshot(&snapshot).served();
        let mut volumes = Vec::new();
        match process.show("pvc-2", 1, &snapshot) {
            crate::End::Answered(Ok(answer)) => {
                made += 1;
                assert_eq!(world.memory.subvolumes()[0].1.snapshots.len(), 1);
                volumes.push(answer.volume.unwrap().volume_id);
            }
            other => {
                refused += 1;
                let status = other.refused();
                assert_eq!(status.code(), Code::NotFound, "step {step}: {status}");
                assert_eq!(world.memory.subvolumes()[0].1.snapshots.len(), 0);
            }
        }
        let volumes: Vec<_> = volumes.iter().map(|id| &**id).collect();
        delete_all(&world, process, [&source, &snapshot], &volumes);
    }
    println!("the snapshot went first {refused} times, the volume {made} times");
    assert!(refused >= 6 && made >= 1, "{refused}, {made}");
}

/// Two processes make and delete volumes of one snapshot while a third deletes it: who was answered has
/// it until the end, and then nothing is left.
#[test]
fn two_processes_show_one_snapshot_while_it_is_deleted() {
    let (world, process, source, snapshot) = world();
    let show = |prefix: &str, number: usize, process: &Process| -> Option<csi::Volume> {
        match process.show(&format!("{prefix}-{number}"), 1, &snapshot) {
            crate::End::Answered(Ok(answer)) => answer.volume,
            other => {
                let status = other.refused();
                assert_eq!(status.code(), Code::NotFound, "{status}");
                None
            }
        }
    };
    let made = AtomicUsize::new(0);
    let work = |prefix: &'static str| {
        let process = world.start(Faults::new());
        let mut kept = Vec::new();
        for number in 0..30 {
            let Some(volume) = show(prefix, number, &process) else {
                continue;
            };
            if number % 2 == 0 {
                process.delete(&volume.volume_id).served();
            } else {
                kept.push(volume.volume_id);
            }
            made.fetch_add(1, Ordering::Relaxed);
        }
        process.kill();
        kept
    };
    let kept = std::thread::scope(|scope| {
        let work = &work;
        let workers = ["a", "b"].map(|prefix| scope.spawn(move || work(prefix)));
        let started = Instant::now();
        while made.load(Ordering::Relaxed) < 8 {
            assert!(
                started.elapsed() < Duration::from_mins(5),
                "too few are made"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        process.delete_snapshot(&snapshot).served();
        workers.map(|worker| worker.join().unwrap()).concat()
    });
    println!("{} volumes came before the deletion", kept.len());
    assert!(!kept.is_empty());
    assert_eq!(world.memory.subvolumes()[0].1.snapshots.len(), 1);
    let kept: Vec<_> = kept.iter().map(|id| &**id).collect();
    delete_all(&world, process, [&source, &snapshot], &kept);
}
