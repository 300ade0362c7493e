//! The same for volumes that are copies: one volume with the data of its source, whatever dies, nothing
//! left of its making, and nothing at all after the deletion of both.

use ceph::fault::Faults;
use ceph::memory::Cloner;
use spirula::journal::Source;

use crate::support::{Process, World};
use crate::{at_every_step, volume};

const COPY: &str = "pvc-copy";
const SNAPSHOT: &str = "snapshot-1";
/// What the source holds.
const BYTES: u64 = 7 << 20;

/// A volume with data; its id.
fn filled(world: &World) -> String {
    let id = volume(world);
    let (at, _) = world.memory.subvolumes().swap_remove(0);
    world.memory.fill(&at, BYTES);
    id
}

/// The id of the volume, and after a space that of its snapshot.
fn snapshot(world: &World) -> String {
    let volume = filled(world);
    let process = world.start(Faults::new());
    let snapshot = process.snapshot(SNAPSHOT, &volume).served();
    process.kill();
    format!("{volume} {}", snapshot.snapshot_id)
}

fn of(ids: &str) -> Source {
    match ids.split_once(' ') {
        Some((_, snapshot)) => Source::Snapshot(snapshot.to_owned()),
        None => Source::Volume(ids.to_owned()),
    }
}

fn copy(process: &Process, ids: &str) -> bool {
    process.copy(COPY, 2, &of(ids)).is_killed()
}

/// Asked again the copy is there once, with data, size and metadata, and its source as it was.
fn copy_again_and_delete(world: &World, ids: &str) {
    let process = world.start(Faults::new());
    let source = of(ids);
    let made = process.copy(COPY, 2, &source).served().volume.unwrap();
    assert_eq!(made.capacity_bytes, 2 << 30);
    let again = process.copy(COPY, 2, &source).served().volume.unwrap();
    assert_eq!(again, made);
    let subvolumes = world.memory.subvolumes();
    assert_eq!(subvolumes.len(), 2, "{subvolumes:?}");
    for (at, state) in subvolumes {
        let is_copy = made.volume_context["subvolumeName"] == at.name;
        let snapshots = usize::from(!is_copy && matches!(source, Source::Snapshot(_)));
        assert_eq!(state.snapshots.len(), snapshots, "{at:?}");
        assert_eq!((state.used, state.metadata.len()), (BYTES, 4), "{at:?}");
        let quota = if is_copy { 2 << 30 } else { 1 << 30 };
        assert_eq!(state.quota, Some(quota));
    }
    process.delete(&made.volume_id).served();
    if let Some((_, snapshot)) = ids.split_once(' ') {
        process.delete_snapshot(snapshot).served();
    }
    process.delete(ids.split(' ').next().unwrap()).served();
    process.kill();
}

#[test]
fn create_volume_from_volume() {
    let name = "CreateVolume from a volume";
    let pairs = at_every_step(name, filled, copy, copy_again_and_delete);
    assert!(pairs >= 30, "{pairs}");
}

#[test]
fn create_volume_from_snapshot() {
    let name = "CreateVolume from a snapshot";
    let pairs = at_every_step(name, snapshot, copy, copy_again_and_delete);
    assert!(pairs >= 24, "{pairs}");
}

/// The id of a volume, and after a space that of an unfinished copy of it.
fn unfinished(world: &World) -> String {
    let volume = filled(world);
    world.memory.set_cloner(Cloner {
        steps: 1_000_000,
        ..Cloner::default()
    });
    let process = world.start(Faults::new());
    let source = Source::Volume(volume.clone());
    let status = process.copy_begun(COPY, 2, &source);
    assert_eq!(status.code(), tonic::Code::Aborted, "{status:?}");
    process.kill();
    let mut subvolumes = world.memory.subvolumes().into_iter();
    let copy = subvolumes.find(|(_, state)| state.origin.is_some());
    let name = copy.unwrap().0.name;
    let (shape, _) = volume.split_at(volume.len() - 36);
    format!("{volume} {shape}{}", name.strip_prefix("csi-vol-").unwrap())
}

#[test]
fn delete_volume_of_an_unfinished_copy() {
    let pairs = at_every_step(
        "DeleteVolume of an unfinished copy",
        unfinished,
        |process, ids| {
            let (_, copy) = ids.split_once(' ').unwrap();
            process.delete(copy).is_killed()
        },
        |world, ids| {
            let (source, copy) = ids.split_once(' ').unwrap();
            let process = world.start(Faults::new());
            process.delete(copy).served();
            let subvolumes = world.memory.subvolumes();
            assert_eq!(subvolumes.len(), 1, "{subvolumes:?}");
            assert!(subvolumes[0].1.snapshots.is_empty(), "{subvolumes:?}");
            process.delete(source).served();
            process.kill();
        },
    );
    assert!(pairs >= 12, "{pairs}");
}
