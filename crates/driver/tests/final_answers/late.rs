//! A driver that has lost its leadership goes on with a request on its way, when another one has served it and what
//! was made is deleted again: nothing is left that is nobody's.

use std::fmt::Debug;

use ceph::fault::Faults;
use spirula::journal::Source;
use support::{End, Process, World};

use crate::{support, with_volume};

const ABSENT: &str = "0001-0002-c1-0000000000000001-00000000-0000-4000-8000-000000000000";

/// Stops `request` of `process` at `step`, and lets it go on after `meanwhile`; `false` if that is not as many steps.
fn around<T: Send>(
    process: Process,
    step: u64,
    request: impl FnOnce(&Process) -> End<T> + Send,
    meanwhile: impl FnOnce(),
) -> (bool, End<T>) {
    // What a process does once.
    process.delete(ABSENT).served();
    let done = process.faults.log().len() as u64;
    process.stopped_at(done + step, request, meanwhile)
}

/// What was made, if it was.
fn made<T: Debug>(end: End<T>) -> Option<T> {
    match end {
        End::Answered(answer) => answer.ok(),
        End::Killed => unreachable!("nobody does"),
    }
}

/// Nothing is left but the volume, and that has no snapshot.
fn assert_as_before(world: &World, before: &[String], step: u64) {
    assert_eq!(world.leftovers(), before, "stopped at {step}");
    let snapshots = &world.memory.subvolumes()[0].1.snapshots;
    assert!(snapshots.is_empty(), "stopped at {step}: {snapshots:?}");
}

#[test]
fn a_copy_is_made_and_deleted_meanwhile() {
    let mut refused = 0;
    for step in 1.. {
        let (world, volume, before) = with_volume();
        let source = Source::Volume(volume);
        let process = world.start(Faults::new());
        let copy = |process: &Process| process.copy("pvc-copy", 1, &source);
        let (reached, late) = around(world.start(Faults::new()), step, copy, || {
            let copy = copy(&process).served().volume.unwrap();
            process.delete(&copy.volume_id).served();
        });
        match made(late) {
            // One of its own, or one that is gone by now.
            Some(copy) => {
                process.delete(&copy.volume.unwrap().volume_id).served();
            }
            None => refused += 1,
        }
        assert_as_before(&world, &before, step);
        process.kill();
        if !reached {
            break;
        }
    }
    assert!(refused > 6, "{refused}");
}

#[test]
fn a_snapshot_is_taken_and_deleted_meanwhile() {
    let mut refused = 0;
    for step in 1.. {
        let (world, volume, before) = with_volume();
        let process = world.start(Faults::new());
        let take = |process: &Process| process.snapshot("snapshot-1", &volume);
        let (reached, late) = around(world.start(Faults::new()), step, take, || {
            let snapshot = take(&process).served().snapshot_id;
            process.delete_snapshot(&snapshot).served();
        });
        match made(late) {
            Some(snapshot) => {
                process.delete_snapshot(&snapshot.snapshot_id).served();
            }
            None => refused += 1,
        }
        assert_as_before(&world, &before, step);
        process.kill();
        if !reached {
            break;
        }
    }
    assert!(refused > 2, "{refused}");
}
