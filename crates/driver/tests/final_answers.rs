//! After a final answer the sidecar forgets the name: whatever the driver reserved must be gone then,
//! in whichever call it was reserved. After any other answer it stays for the repeat.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "final_answers/late.rs"]
mod late;
#[path = "final_answers/left.rs"]
mod left;
#[path = "final_answers/not_loaded.rs"]
mod not_loaded;
#[path = "final_answers/refused.rs"]
mod refused;
#[path = "final_answers/renamed.rs"]
mod renamed;
#[path = "final_answers/series.rs"]
mod series;
#[allow(dead_code, reason = "each test uses its part of the support")]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use ceph::fault::{Fault, Faults};
use ceph::{Command, Context, Error, ErrorKind};
use support::{World, block_on};
use tonic::Code;

const NAME: &str = "pvc-2a7c9a4e-1111-4222-8333-444455556666";

fn refuse(faults: &Faults, command: &'static str, errno: i32) {
    let refusal = Error::answered(format!("mgr command `{command}`"), errno, "");
    faults.always(
        move |call| call.what.contains(command),
        Fault::Fail(refusal),
    );
}

#[test]
fn a_refused_creation_leaves_nothing() {
    for errno in [1, 22, 28, 5] {
        let world = World::new();
        let faults = Faults::new();
        refuse(&faults, "fs subvolume create", errno);
        let process = world.start(faults);
        process.create(NAME, 1).refused();
        assert_eq!(world.leftovers(), Vec::<String>::new(), "errno {errno}");
        process.kill();
    }
}

/// The first call got no answer and kept the reservation; the second one is refused for good.
#[test]
fn what_an_earlier_call_reserved_is_given_back_as_well() {
    let world = World::new();
    let faults = Faults::new();
    faults.once(
        |call| call.what.contains("fs subvolume create"),
        Fault::TimeOut,
    );
    let process = world.start(faults.clone());
    assert_eq!(
        process.create(NAME, 1).refused().code(),
        Code::DeadlineExceeded
    );
    assert_eq!(world.leftovers().len(), 7, "{:?}", world.leftovers());
    refuse(&faults, "fs subvolume create", 1);
    assert_eq!(
        process.create(NAME, 1).refused().code(),
        Code::PermissionDenied
    );
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

/// What was made before the failure is removed, or the reservation stays so that a repeat finds it.
#[test]
fn a_subvolume_whose_path_is_refused_is_removed() {
    let world = World::new();
    let faults = Faults::new();
    refuse(&faults, "fs subvolume getpath", 5);
    let process = world.start(faults.clone());
    assert_eq!(process.create(NAME, 1).refused().code(), Code::Internal);
    assert_eq!(world.leftovers(), Vec::<String>::new());

    refuse(&faults, "fs subvolume rm", 5);
    process.create(NAME, 1).refused();
    faults.clear();
    let volume = process.create(NAME, 1).served().volume.unwrap();
    process.delete(&volume.volume_id).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

/// A live volume is never given back, whatever a repeat of its creation meets.
#[test]
fn a_volume_that_exists_survives_every_failure_of_a_repeat() {
    for kind in [
        ErrorKind::PermissionDenied,
        ErrorKind::Other,
        ErrorKind::Invalid,
    ] {
        let world = World::new();
        let faults = Faults::new();
        let process = world.start(faults.clone());
        let volume = process.create(NAME, 1).served().volume.unwrap();
        let failure = Error::new(kind, "mgr command `fs subvolume getpath`", "");
        faults.always(
            |call| call.what.contains("fs subvolume"),
            Fault::Fail(failure),
        );
        process.create(NAME, 1).refused();
        faults.clear();
        assert_eq!(process.create(NAME, 1).served().volume.unwrap(), volume);
        process.kill();
    }
}

/// What is noted beside an expansion that is refused is not what anybody is told.
#[test]
fn a_refused_expansion_changes_nothing() {
    for errno in [1, 22, 5] {
        let (world, id, before) = with_volume();
        let faults = Faults::new();
        refuse(&faults, "fs subvolume resize", errno);
        let process = world.start(faults);
        process.expand(&id, 3).refused();
        assert_eq!(world.leftovers(), before, "errno {errno}");
        let again = process.create(NAME, 1).served().volume.unwrap();
        assert_eq!(again.capacity_bytes, 1 << 30, "errno {errno}");
        process.kill();
    }
}

/// Ceph still tells of a subvolume of which only snapshots are left: it is no volume.
#[test]
fn what_is_left_of_a_removed_volume_is_none() {
    for grown in [false, true] {
        let (world, id, _) = with_volume();
        world.memory.know_quiesce();
        let process = world.start(Faults::new());
        if grown {
            // So that its size is asked for.
            process.expand(&id, 2).served();
        }
        let snapshot = process.snapshot("snapshot-1", &id).served().snapshot_id;
        world.retain_snapshots(&id);
        let gone = Code::NotFound;
        assert_eq!(process.group("group-1", &[&id]).refused().code(), gone);
        assert_eq!(process.snapshot("snapshot-2", &id).refused().code(), gone);
        assert_eq!(process.expand(&id, 3).refused().code(), gone);
        assert_eq!(process.validate(&id).refused().code(), gone);

        // Its name gets a new one, beside the snapshot.
        let size = if grown { 2 } else { 1 };
        let again = process.create(NAME, size).served().volume.unwrap();
        let (_, state) = world.memory.subvolumes().swap_remove(0);
        assert_eq!(again.volume_context["subvolumePath"], state.path);
        assert!(state.path.starts_with("/volumes/csi/csi-vol-"));
        assert_eq!(state.quota, Some(size.cast_unsigned() << 30));
        process.delete_snapshot(&snapshot).served();
        process.delete(&again.volume_id).served();
        assert_eq!(world.leftovers(), Vec::<String>::new(), "grown: {grown}");
        process.kill();
    }
}

/// An administrator has given the volume more by hand than is on record: it stays so, and the answer tells.
#[test]
fn an_expansion_takes_nothing_away() {
    let (world, id, _) = with_volume();
    let (at, _) = world.memory.subvolumes().swap_remove(0);
    let process = world.start(Faults::new());
    let by_hand = |size: &str| {
        let arguments = BTreeMap::from([
            ("vol_name", &*at.fs),
            ("sub_name", &*at.name),
            ("group_name", &*at.group),
            ("new_size", size),
        ]);
        let command = Command::new("fs subvolume resize", &arguments).unwrap();
        let cx = Context::with_timeout(Duration::from_secs(10));
        block_on(world.memory.client().mgr_command(&cx, &command)).unwrap();
    };
    by_hand("5368709120");
    let answer = process.expand(&id, 3).served();
    assert_eq!(answer.capacity_bytes, 5 << 30);
    assert_eq!(world.memory.subvolumes()[0].1.quota, Some(5 << 30));
    let answer = process.expand(&id, 7).served();
    assert_eq!(answer.capacity_bytes, 7 << 30);
    assert_eq!(world.memory.subvolumes()[0].1.quota, Some(7 << 30));
    by_hand("inf");
    let answer = process.expand(&id, 9).served();
    assert_eq!(answer.capacity_bytes, 9 << 30);
    assert_eq!(world.memory.subvolumes()[0].1.quota, None);
    process.kill();
}

/// The manager is asked for the path while the record is read, by the name that the request leads to. Where the
/// record has another, that one counts.
#[test]
fn a_repeat_tells_the_path_of_the_subvolume_on_record() {
    let world = World::new();
    let process = world.start(Faults::new());
    let volume = process.create(NAME, 1).served().volume.unwrap();
    let asked = || {
        let faults = &process.faults;
        faults.count(|call| call.what.contains("fs subvolume getpath"))
    };
    let before = asked();
    assert_eq!(process.create(NAME, 1).served().volume.unwrap(), volume);
    assert_eq!(asked() - before, 1);
    let mut request = support::create_request(NAME, 1);
    let prefix = ("volumeNamePrefix".to_owned(), "csi-".to_owned());
    request.parameters.extend([prefix]);
    let again = process.make(request).served().volume.unwrap();
    assert_eq!(again.volume_id, volume.volume_id);
    for key in ["subvolumeName", "subvolumePath"] {
        assert_eq!(again.volume_context[key], volume.volume_context[key]);
    }
    assert_eq!(asked() - before, 3);
    process.kill();
}

/// config.json names another group between a call that was cut short and its repeat.
#[test]
fn a_volume_goes_to_the_group_that_its_record_names() {
    let world = World::new();
    world.memory.create_group("cephfs", "apps");
    let faults = Faults::new();
    faults.once(
        |call| call.what.contains("fs subvolume create"),
        Fault::TimeOut,
    );
    let process = world.start(faults);
    process.create(NAME, 1).refused();
    let config = r#"[{"clusterID": "c1", "monitors": ["127.0.0.1:6789"],
                      "cephFS": {"subvolumeGroup": "apps"}}]"#;
    std::fs::write(world.config_file(), config).unwrap();
    let volume = process.create(NAME, 1).served().volume.unwrap();
    assert_eq!(world.memory.subvolumes()[0].0.group, "apps");

    // And back: the record knows better than the file.
    std::fs::write(world.config_file(), config.replace("apps", "csi")).unwrap();
    process.expand(&volume.volume_id, 2).served();
    process.delete(&volume.volume_id).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

/// A world with a volume, and what there is with it.
fn with_volume() -> (World, String, Vec<String>) {
    let world = World::new();
    let process = world.start(Faults::new());
    let volume = process.create(NAME, 1).served().volume.unwrap().volume_id;
    process.kill();
    let before = world.leftovers();
    (world, volume, before)
}

/// Whether Ceph refuses the snapshot, or to tell of it: no snapshot, no record, no name is left.
#[test]
fn a_refused_snapshot_leaves_nothing() {
    for command in ["fs subvolume snapshot create", "fs subvolume snapshot info"] {
        for errno in [1, 22, 28, 5] {
            let (world, volume, before) = with_volume();
            let faults = Faults::new();
            refuse(&faults, command, errno);
            let process = world.start(faults);
            process.snapshot("snapshot-1", &volume).refused();
            assert_eq!(world.leftovers(), before, "{command}, errno {errno}");
            let snapshots = &world.memory.subvolumes()[0].1.snapshots;
            assert!(snapshots.is_empty(), "{command}, errno {errno}");
            process.kill();
        }
    }
}

/// Without an answer the name is kept for the repeat, which gets the one snapshot there is.
#[test]
fn a_snapshot_without_answer_is_found_by_its_repeat() {
    for command in ["fs subvolume snapshot create", "fs subvolume snapshot info"] {
        let (world, volume, before) = with_volume();
        let faults = Faults::new();
        faults.once(move |call| call.what.contains(command), Fault::LoseAnswer);
        let process = world.start(faults);
        let refused = process.snapshot("snapshot-1", &volume).refused();
        assert_eq!(refused.code(), Code::DeadlineExceeded, "{command}");
        let made = process.snapshot("snapshot-1", &volume).served();
        assert_eq!(world.memory.subvolumes()[0].1.snapshots.len(), 1);
        process.delete_snapshot(&made.snapshot_id).served();
        assert_eq!(world.leftovers(), before, "{command}");
        process.kill();
    }
}

/// The creation time is what was answered first, whatever Ceph says later, and the size what the volume
/// had then.
#[test]
fn what_was_answered_once_is_answered_again() {
    let (world, volume, _) = with_volume();
    let process = world.start(Faults::new());
    let made = process.snapshot("snapshot-1", &volume).served();
    process.expand(&volume, 3).served();
    process.delete(&volume).served();
    assert_eq!(process.snapshot("snapshot-1", &volume).served(), made);
    let seen = process.get_snapshot(&made.snapshot_id).served().snapshot;
    assert_eq!((seen, made.size_bytes), (Some(made.clone()), 1 << 30));
    process.delete_snapshot(&made.snapshot_id).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    let gone = process.get_snapshot(&made.snapshot_id).refused();
    assert_eq!(gone.code(), Code::NotFound);
    process.kill();
}
