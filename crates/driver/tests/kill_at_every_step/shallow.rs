//! The same for volumes that show a snapshot: one volume and one reference, whatever dies, and nothing after
//! the deletion of the snapshot, the volume and their source.

use ceph::fault::Faults;

use crate::support::{Process, World};
use crate::{at_every_step, volume};

const SHOWN: &str = "pvc-shown";
const SNAPSHOT: &str = "snapshot-1";

/// Ids of a volume and its snapshot, with a space between them.
fn snapshot(world: &World) -> String {
    let volume = volume(world);
    let process = world.start(Faults::new());
    let snapshot = process.snapshot(SNAPSHOT, &volume).served();
    process.kill();
    format!("{volume} {}", snapshot.snapshot_id)
}

/// And that of a volume that shows it.
fn shown(world: &World) -> String {
    let ids = snapshot(world);
    let process = world.start(Faults::new());
    let made = process.show(SHOWN, 1, part(&ids, 1)).served();
    process.kill();
    format!("{ids} {}", made.volume.unwrap().volume_id)
}

fn part(ids: &str, number: usize) -> &str {
    ids.split(' ').nth(number).unwrap_or_default()
}

fn show(process: &Process, ids: &str) -> bool {
    process.show(SHOWN, 1, part(ids, 1)).is_killed()
}

/// How many snapshots and references there are: of a volume and its snapshot, two.
fn snapshots_and_references(world: &World) -> (usize, usize) {
    let objects = world.memory.objects().into_iter();
    let mut references = objects.filter(|(at, _)| at.name.starts_with("rt-"));
    let references = references.next().map_or(0, |(_, state)| {
        assert_eq!(usize::from(state.data[3]), state.omap.len());
        state.omap.len()
    });
    (world.memory.subvolumes()[0].1.snapshots.len(), references)
}

fn show_again_and_delete(world: &World, ids: &str) {
    let process = world.start(Faults::new());
    let made = process.show(SHOWN, 1, part(ids, 1)).served();
    assert_eq!(process.show(SHOWN, 1, part(ids, 1)).served(), made);
    let id = made.volume.unwrap().volume_id;
    let known = part(ids, 2);
    assert!(known.is_empty() || known == id);
    assert_eq!(world.memory.subvolumes().len(), 1);
    assert_eq!(snapshots_and_references(world), (1, 2));
    process.kill();
    delete(world, &format!("{} {} {id}", part(ids, 0), part(ids, 1)));
}

/// The snapshot before the volume, and last the source.
fn delete(world: &World, ids: &str) {
    let process = world.start(Faults::new());
    process.delete_snapshot(part(ids, 1)).served();
    process.delete(part(ids, 2)).served();
    assert_eq!(snapshots_and_references(world), (0, 0));
    process.delete(part(ids, 0)).served();
    process.kill();
}

#[test]
fn create_volume_that_shows_a_snapshot() {
    let name = "CreateVolume, shallow";
    let pairs = at_every_step(name, snapshot, show, show_again_and_delete);
    assert!(pairs >= 24, "{pairs}");
}

#[test]
fn repeated_create_volume_that_shows_a_snapshot() {
    let name = "CreateVolume, shallow, repeated";
    at_every_step(name, shown, show, show_again_and_delete);
}

/// The creation is killed, and its repeat, which finds the snapshot deleted, as well.
#[test]
fn create_volume_of_a_snapshot_that_goes() {
    let mut dead = 0;
    for first in (1..).step_by(2) {
        let world = World::new();
        let ids = snapshot(&world);
        if !killed_at(&world, first, &ids) {
            break;
        }
        dead += 1;
        for second in 1.. {
            let world = World::new();
            let ids = snapshot(&world);
            assert!(killed_at(&world, first, &ids));
            let process = world.start(Faults::new());
            process.delete_snapshot(part(&ids, 1)).served();
            process.kill();
            let again = killed_at(&world, second, &ids);
            let process = world.start(Faults::new());
            let made = match process.show(SHOWN, 1, part(&ids, 1)) {
                crate::support::End::Answered(Ok(answer)) => answer.volume.unwrap().volume_id,
                other => {
                    assert_eq!(other.refused().code(), tonic::Code::NotFound);
                    String::new()
                }
            };
            process.kill();
            if made.is_empty() {
                assert_eq!(
                    snapshots_and_references(&world),
                    (0, 0),
                    "{first}, {second}"
                );
                let process = world.start(Faults::new());
                process.delete(part(&ids, 0)).served();
                process.kill();
            } else {
                delete(&world, &format!("{ids} {made}"));
            }
            assert_eq!(world.leftovers(), [""; 0], "{first}, {second}");
            if !again {
                break;
            }
        }
    }
    println!("CreateVolume, shallow, of a snapshot that goes: {dead} steps");
    assert!(dead >= 6, "{dead}");
}

/// Whether the creation came as far as this step, right after which it is killed.
fn killed_at(world: &World, step: u64, ids: &str) -> bool {
    let faults = Faults::new();
    faults.at(step, ceph::fault::Fault::KillAfter);
    let process = world.start(faults);
    let killed = show(&process, ids);
    process.kill();
    killed
}

#[test]
fn delete_snapshot_that_is_shown() {
    let pairs = at_every_step(
        "DeleteSnapshot, shown",
        shown,
        |process, ids| process.delete_snapshot(part(ids, 1)).is_killed(),
        delete,
    );
    assert!(pairs >= 8, "{pairs}");
}

#[test]
fn delete_volume_that_shows_a_deleted_snapshot() {
    let pairs = at_every_step(
        "DeleteVolume, of a deleted snapshot",
        |world| {
            let ids = shown(world);
            let process = world.start(Faults::new());
            process.delete_snapshot(part(&ids, 1)).served();
            process.kill();
            ids
        },
        |process, ids| process.delete(part(ids, 2)).is_killed(),
        delete,
    );
    assert!(pairs >= 12, "{pairs}");
}
