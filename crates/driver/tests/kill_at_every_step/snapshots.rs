//! The same for snapshots: one snapshot with its metadata, whatever dies, and nothing after its deletion.

use ceph::fault::Faults;

use crate::support::{World, wait_until};
use crate::{at_every_step, volume};

const SNAPSHOT: &str = "snapshot-2a7c9a4e-1111-4222-8333-444455556666";

/// The id of the volume, and after a space that of its snapshot.
fn snapshot(world: &World) -> String {
    let volume = volume(world);
    let process = world.start(Faults::new());
    let snapshot = process.snapshot(SNAPSHOT, &volume).served();
    process.kill();
    format!("{volume} {}", snapshot.snapshot_id)
}

fn both(ids: &str) -> (&str, &str) {
    ids.split_once(' ').unwrap_or((ids, ""))
}

/// How many snapshots the only volume has, with the metadata of one.
fn snapshots(world: &World) -> (usize, usize) {
    let subvolumes = world.memory.subvolumes();
    let snapshots = &subvolumes[0].1.snapshots;
    let metadata = snapshots.values().next();
    (
        snapshots.len(),
        metadata.map_or(0, |snapshot| snapshot.metadata.len()),
    )
}

/// The same name gives one snapshot, which has its metadata, is the same whenever asked, can be deleted,
/// and is gone then, and the volume with it.
fn snapshot_again_and_delete(world: &World, ids: &str) {
    let (volume, known) = both(ids);
    let process = world.start(Faults::new());
    let made = process.snapshot(SNAPSHOT, volume).served();
    assert!(known.is_empty() || known == made.snapshot_id);
    assert_eq!((made.size_bytes, made.ready_to_use), (1 << 30, true));
    assert_eq!(made.source_volume_id, volume);
    let again = process.snapshot(SNAPSHOT, volume).served();
    let seen = process.get_snapshot(&made.snapshot_id).served().snapshot;
    assert_eq!((&again, seen.as_ref()), (&made, Some(&made)));
    assert_eq!(snapshots(world), (1, 4));
    let left = world.leftovers();
    assert!(
        !left.iter().any(|left| left.contains("pending")),
        "{left:?}"
    );
    process.delete_snapshot(&made.snapshot_id).served();
    assert_eq!(snapshots(world), (0, 0));
    process.delete(volume).served();
    process.kill();
}

#[test]
fn create_snapshot() {
    let pairs = at_every_step(
        "CreateSnapshot",
        volume,
        |process, volume| process.snapshot(SNAPSHOT, volume).is_killed(),
        snapshot_again_and_delete,
    );
    assert!(pairs >= 24, "{pairs}");
}

/// The volume grows before anybody asks again: a snapshot that was there tells of the volume that it was taken of.
#[test]
fn create_snapshot_then_expand_the_volume() {
    at_every_step(
        "CreateSnapshot, then ControllerExpandVolume",
        volume,
        |process, volume| process.snapshot(SNAPSHOT, volume).is_killed(),
        |world, volume| {
            let gib = if snapshots(world).0 == 1 { 1 } else { 5 };
            let process = world.start(Faults::new());
            process.expand(volume, 5).served();
            let made = process.snapshot(SNAPSHOT, volume).served();
            assert_eq!(made.size_bytes, gib << 30);
            assert_eq!(process.snapshot(SNAPSHOT, volume).served(), made);
            process.delete_snapshot(&made.snapshot_id).served();
            process.delete(volume).served();
            process.kill();
        },
    );
}

#[test]
fn repeated_create_snapshot() {
    at_every_step(
        "CreateSnapshot, repeated",
        snapshot,
        |process, ids| process.snapshot(SNAPSHOT, both(ids).0).is_killed(),
        snapshot_again_and_delete,
    );
}

/// The volume is deleted while nobody asks for the snapshot any more: a deletion by whoever knows the id
/// is not possible, but a repeat finds that there is nothing to snapshot, and leaves nothing.
#[test]
fn create_snapshot_then_delete_the_volume() {
    at_every_step(
        "CreateSnapshot, then DeleteVolume",
        volume,
        |process, volume| process.snapshot(SNAPSHOT, volume).is_killed(),
        |world, volume| {
            let process = world.start(Faults::new());
            process.delete(volume).served();
            match process.snapshot(SNAPSHOT, volume) {
                // It had been taken, and was retained.
                crate::support::End::Answered(Ok(snapshot)) => {
                    process.delete_snapshot(&snapshot.snapshot_id).served();
                }
                other => assert_eq!(other.refused().code(), tonic::Code::NotFound),
            }
            process.kill();
        },
    );
}

#[test]
fn delete_snapshot() {
    let pairs = at_every_step(
        "DeleteSnapshot",
        snapshot,
        |process, ids| process.delete_snapshot(both(ids).1).is_killed(),
        |world, ids| {
            let (volume, snapshot) = both(ids);
            let process = world.start(Faults::new());
            process.delete_snapshot(snapshot).served();
            assert_eq!(snapshots(world), (0, 0));
            process.delete(volume).served();
            process.kill();
        },
    );
    assert!(pairs >= 10, "{pairs}");
}

/// Nobody repeats a deletion that was answered: the next process removes what is left, whatever it is asked.
#[test]
fn delete_snapshot_once() {
    at_every_step(
        "DeleteSnapshot, not repeated",
        snapshot,
        |process, ids| process.delete_snapshot(both(ids).1).is_killed(),
        |world, ids| {
            let (volume, snapshot) = both(ids);
            let process = world.start(Faults::new());
            if snapshots(world).0 == 1 {
                process.delete_snapshot(snapshot).served();
            }
            process.expand(volume, 2).served();
            wait_until("nothing is left of the snapshot", || {
                let left = world.leftovers();
                !left.iter().any(|left| left.contains("snap"))
            });
            process.delete(volume).served();
            process.kill();
        },
    );
}

/// A deletion is killed, and somebody asks for the name again instead of repeating the deletion.
#[test]
fn delete_snapshot_then_create_again() {
    at_every_step(
        "DeleteSnapshot, then CreateSnapshot",
        snapshot,
        |process, ids| process.delete_snapshot(both(ids).1).is_killed(),
        |world, ids| {
            let (volume, old) = both(ids);
            snapshot_again_and_delete(world, volume);
            let process = world.start(Faults::new());
            process.delete_snapshot(old).served();
            process.kill();
        },
    );
}

/// The volume went first, so that the last snapshot takes the rest of it along.
#[test]
fn delete_the_last_snapshot_of_a_deleted_volume() {
    at_every_step(
        "DeleteSnapshot, of a deleted volume",
        |world| {
            let ids = snapshot(world);
            let process = world.start(Faults::new());
            process.delete(both(&ids).0).served();
            process.kill();
            assert_eq!(world.memory.subvolumes().len(), 1, "it is retained");
            ids
        },
        |process, ids| process.delete_snapshot(both(ids).1).is_killed(),
        |world, ids| {
            let (volume, snapshot) = both(ids);
            let process = world.start(Faults::new());
            process.delete_snapshot(snapshot).served();
            process.delete(volume).served();
            process.kill();
        },
    );
}
