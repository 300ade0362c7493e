//! The same for group snapshots: one group of one moment, whatever dies, nothing after its deletion, and no
//! volume whose writes stay held back once the request is repeated.

use std::sync::atomic::{AtomicUsize, Ordering};

use ceph::fault::Faults;
use csi_proto::v1::VolumeGroupSnapshot;

use crate::at_every_step;
use crate::support::{End, Process, World};

const GROUP: &str = "groupsnapshot-2a7c9a4e-1111-4222-8333-444455556666";
const VOLUMES: [&str; 2] = ["pvc-of-a-group-1", "pvc-of-a-group-2"];

/// The ids of two volumes, with a space between them.
fn volumes(world: &World) -> String {
    world.memory.know_quiesce();
    let process = world.start(Faults::new());
    let made = VOLUMES.map(|name| process.create(name, 1).served().volume.unwrap().volume_id);
    process.kill();
    made.join(" ")
}

/// The same, and after another space the id of their group snapshot.
fn group(world: &World) -> String {
    let volumes = volumes(world);
    let process = world.start(Faults::new());
    let group = make(&process, &volumes).served();
    process.kill();
    format!("{volumes} {}", group.group_snapshot_id)
}

fn make(process: &Process, ids: &str) -> End<VolumeGroupSnapshot> {
    let ids: Vec<_> = ids.split(' ').take(2).collect();
    process.group(GROUP, &ids)
}

fn delete(process: &Process, ids: &str) -> bool {
    let id = ids.split(' ').nth(2).unwrap();
    process.delete_group(id, &[]).is_killed()
}

fn delete_volumes(process: &Process, ids: &str) {
    for id in ids.split(' ').take(2) {
        process.delete(id).served();
    }
}

/// How many snapshots each subvolume has.
fn snapshots(world: &World) -> Vec<usize> {
    let subvolumes = world.memory.subvolumes();
    let count = subvolumes.iter().map(|(_, state)| state.snapshots.len());
    count.collect()
}

/// The same name gives one group with a snapshot of each volume; it is the same whenever asked, can be
/// deleted, and is gone then.
fn make_again_and_delete(world: &World, ids: &str) {
    let process = world.start(Faults::new());
    let made = make(&process, ids).served();
    assert!(world.memory.quiet_sets().is_empty());
    let known = ids.split(' ').nth(2);
    assert!(known.is_none_or(|known| known == made.group_snapshot_id));
    let mut volumes: Vec<_> = ids.split(' ').take(2).collect();
    volumes.sort_unstable();
    let of = made.snapshots.iter().map(|one| &*one.source_volume_id);
    assert_eq!(of.collect::<Vec<_>>(), volumes);
    assert!(made.ready_to_use && made.creation_time.is_some());
    let again = make(&process, ids).served();
    let id = &made.group_snapshot_id;
    let seen = process.get_group(id).served().group_snapshot;
    assert_eq!((&again, seen.as_ref()), (&made, Some(&made)));
    assert_eq!(snapshots(world), [1, 1]);
    let left = world.leftovers();
    let pending = left.iter().filter(|left| left.contains("pending"));
    assert_eq!(pending.count(), 0, "{left:?}");
    process.delete_group(id, &[]).served();
    assert_eq!(snapshots(world), [0, 0]);
    delete_volumes(&process, ids);
    process.kill();
}

#[test]
fn create_group_snapshot() {
    static HELD_BACK: AtomicUsize = AtomicUsize::new(0);
    let pairs = at_every_step(
        "CreateVolumeGroupSnapshot",
        volumes,
        |process, ids| make(process, ids).is_killed(),
        |world, ids| {
            // Nobody lives who could release it: the metadata server would, after some seconds.
            HELD_BACK.fetch_add(world.memory.quiet_sets().len(), Ordering::Relaxed);
            make_again_and_delete(world, ids);
        },
    );
    assert!(pairs >= 50, "{pairs}");
    let held_back = HELD_BACK.load(Ordering::Relaxed);
    assert!(
        held_back >= 6,
        "{held_back} kills while writes were held back"
    );
}

#[test]
fn repeated_create_group_snapshot() {
    at_every_step(
        "CreateVolumeGroupSnapshot, repeated",
        group,
        |process, ids| make(process, ids).is_killed(),
        make_again_and_delete,
    );
}

/// The volumes are deleted before the repeat: what was taken goes, or is the group.
#[test]
fn create_group_snapshot_then_delete_the_volumes() {
    at_every_step(
        "CreateVolumeGroupSnapshot, then DeleteVolume",
        volumes,
        |process, ids| make(process, ids).is_killed(),
        |world, ids| {
            let process = world.start(Faults::new());
            delete_volumes(&process, ids);
            match make(&process, ids) {
                End::Answered(Ok(group)) => {
                    let id = &group.group_snapshot_id;
                    process.delete_group(id, &[]).served();
                }
                other => assert_eq!(other.refused().code(), tonic::Code::NotFound),
            }
            assert!(world.memory.quiet_sets().is_empty());
            process.kill();
        },
    );
}

/// The repeat of a creation that was cut short is killed as well.
#[test]
fn create_group_snapshot_that_was_cut_short() {
    for cut in [20, 26, 32] {
        let pairs = at_every_step(
            "CreateVolumeGroupSnapshot, cut short and repeated",
            match cut {
                20 => |world| cut_short(world, 20),
                26 => |world| cut_short(world, 26),
                _ => |world| cut_short(world, 32),
            },
            |process, ids| make(process, ids).is_killed(),
            make_again_and_delete,
        );
        assert!(pairs >= 30, "{pairs}");
    }
}

/// Two volumes, of which a creation killed after `step` has left a group.
fn cut_short(world: &World, step: u64) -> String {
    let volumes = volumes(world);
    let faults = Faults::new();
    faults.at(step, ceph::fault::Fault::KillAfter);
    let process = world.start(faults);
    assert!(make(&process, &volumes).is_killed());
    process.kill();
    volumes
}

#[test]
fn delete_group_snapshot() {
    let pairs = at_every_step("DeleteVolumeGroupSnapshot", group, delete, |world, ids| {
        let process = world.start(Faults::new());
        assert!(!delete(&process, ids));
        assert_eq!(snapshots(world), [0, 0]);
        delete_volumes(&process, ids);
        process.kill();
    });
    assert!(pairs >= 30, "{pairs}");
}

/// A deletion is killed, and somebody asks for the name again instead of repeating the deletion.
#[test]
fn delete_group_snapshot_then_create_again() {
    at_every_step(
        "DeleteVolumeGroupSnapshot, then CreateVolumeGroupSnapshot",
        group,
        delete,
        |world, ids| {
            let process = world.start(Faults::new());
            let old = ids.split(' ').nth(2).unwrap();
            let made = make(&process, ids).served();
            let id = &made.group_snapshot_id;
            process.delete_group(old, &[]).served();
            if id == old {
                assert_eq!(snapshots(world), [0, 0], "the deletion had not begun");
            } else {
                let seen = process.get_group(id).served().group_snapshot;
                assert_eq!(seen, Some(made.clone()), "another group of the name");
                assert_eq!(snapshots(world), [1, 1]);
                process.delete_group(id, &[]).served();
            }
            delete_volumes(&process, ids);
            process.kill();
        },
    );
}

/// The volumes went first, so that their last snapshots take the rest of them along.
#[test]
fn delete_the_group_snapshot_of_deleted_volumes() {
    at_every_step(
        "DeleteVolumeGroupSnapshot, of deleted volumes",
        |world| {
            let ids = group(world);
            let process = world.start(Faults::new());
            delete_volumes(&process, &ids);
            process.kill();
            assert_eq!(world.memory.subvolumes().len(), 2, "they are retained");
            ids
        },
        delete,
        |world, ids| {
            let process = world.start(Faults::new());
            assert!(!delete(&process, ids));
            delete_volumes(&process, ids);
            process.kill();
        },
    );
}
