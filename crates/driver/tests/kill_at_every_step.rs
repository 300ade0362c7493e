//! For each RPC of the controller and each step of it: the process dies right before the step takes
//! effect, or right after it and before the answer; a new process repeats the request. The volume is
//! there once, with its metadata, and after its deletion nothing is left.
//!
//! A step is any call to Ceph, those of the metadata that follows a volume included.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it did"
)]

#[path = "kill_at_every_step/copies.rs"]
mod copies;
#[path = "kill_at_every_step/groups.rs"]
mod groups;
#[path = "kill_at_every_step/shallow.rs"]
mod shallow;
#[path = "kill_at_every_step/snapshots.rs"]
mod snapshots;
#[allow(dead_code, reason = "each test uses its part of the support")]
mod support;

use ceph::fault::{Fault, Faults};
use support::{Process, World};

const NAME: &str = "pvc-2a7c9a4e-1111-4222-8333-444455556666";

/// How a process dies at a step.
#[derive(Clone, Copy, Debug)]
enum Crash {
    EffectLost,
    AnswerLost,
}

impl Crash {
    fn fault(self) -> Fault {
        match self {
            Self::EffectLost => Fault::KillBefore,
            Self::AnswerLost => Fault::KillAfter,
        }
    }
}

/// An RPC, run until it is answered or the process is dead; tells whether it died.
type Rpc = fn(&Process, &str) -> bool;

/// Kills `rpc` at every step in both ways, and each time hands the world to `check`. Returns how many
/// (step, crash) pairs there were.
fn at_every_step(
    name: &str,
    prepare: fn(&World) -> String,
    rpc: Rpc,
    check: fn(&World, &str),
) -> usize {
    let mut pairs = 0;
    for crash in [Crash::EffectLost, Crash::AnswerLost] {
        for step in 1.. {
            let world = World::new();
            let volume = prepare(&world);
            let faults = Faults::new();
            faults.at(step, crash.fault());
            let process = world.start(faults.clone());
            let killed = rpc(&process, &volume);
            process.kill();
            if !killed {
                assert!(step > 1, "{name} has no step at all");
                break;
            }
            pairs += 1;
            check(&world, &volume);
            let left = world.leftovers();
            let log = faults.log();
            assert!(
                left.is_empty(),
                "{name} killed at {step} ({crash:?}): {left:?}\n{log:#?}"
            );
        }
    }
    println!("{name}: {pairs} pairs of step and crash");
    pairs
}

fn volume(world: &World) -> String {
    let process = world.start(Faults::new());
    let id = process.create(NAME, 1).served().volume.unwrap().volume_id;
    process.kill();
    id
}

/// The same name gives one volume, which has its metadata, can be deleted, and is gone then.
fn create_again_and_delete(world: &World, known_id: &str) {
    let process = world.start(Faults::new());
    let volume = process.create(NAME, 1).served().volume.unwrap();
    assert!(known_id.is_empty() || known_id == volume.volume_id);
    let again = process.create(NAME, 1).served().volume.unwrap();
    assert_eq!(again, volume);
    let metadata = world.only_metadata();
    assert_eq!(metadata["csi.storage.k8s.io/pvc/name"], "data");
    assert_eq!(metadata["csi.ceph.com/cluster/name"], "kubernetes");
    assert_eq!(metadata.len(), 4);
    let pending = world
        .leftovers()
        .into_iter()
        .filter(|left| left.contains("pending"));
    assert_eq!(pending.count(), 0);
    process.delete(&volume.volume_id).served();
    process.kill();
}

#[test]
fn create_volume() {
    let pairs = at_every_step(
        "CreateVolume",
        |_| String::new(),
        |process, _| process.create(NAME, 1).is_killed(),
        create_again_and_delete,
    );
    assert!(pairs >= 20, "{pairs}");
}

/// The repeat of a finished creation, killed as well.
#[test]
fn repeated_create_volume() {
    at_every_step(
        "CreateVolume, repeated",
        volume,
        |process, _| process.create(NAME, 1).is_killed(),
        create_again_and_delete,
    );
}

#[test]
fn delete_volume() {
    let pairs = at_every_step(
        "DeleteVolume",
        volume,
        |process, id| process.delete(id).is_killed(),
        |world, id| {
            let process = world.start(Faults::new());
            process.delete(id).served();
            process.kill();
        },
    );
    assert!(pairs >= 8, "{pairs}");
}

/// Nobody repeats a deletion that was answered: the next process removes what is left, whatever it is asked.
#[test]
fn delete_volume_once() {
    at_every_step(
        "DeleteVolume, not repeated",
        volume,
        |process, id| process.delete(id).is_killed(),
        |world, id| {
            let left = world.leftovers();
            let unanswered = |left: &String| left.contains("subvolume") || left.contains(NAME);
            let process = world.start(Faults::new());
            if left.iter().any(unanswered) {
                process.delete(id).served();
            } else {
                let code = process.expand(id, 2).refused().code();
                assert_eq!(code, tonic::Code::NotFound);
            }
            process.kill();
        },
    );
}

/// A deletion is killed, and somebody asks for the name again instead of repeating the deletion.
#[test]
fn delete_volume_then_create_again() {
    at_every_step(
        "DeleteVolume, then CreateVolume",
        volume,
        |process, id| process.delete(id).is_killed(),
        |world, old_id| {
            let process = world.start(Faults::new());
            let volume = process.create(NAME, 1).served().volume.unwrap();
            // Who asked for the deletion repeats it some day; another volume of the name is not touched.
            process.delete(old_id).served();
            process.kill();
            if volume.volume_id != old_id {
                create_again_and_delete(world, &volume.volume_id);
            }
        },
    );
}

#[test]
fn expand_volume() {
    let pairs = at_every_step(
        "ControllerExpandVolume",
        volume,
        |process, id| process.expand(id, 5).is_killed(),
        |world, id| {
            let process = world.start(Faults::new());
            assert_eq!(process.expand(id, 5).served().capacity_bytes, 5 << 30);
            assert_eq!(world.memory.subvolumes()[0].1.quota, Some(5 << 30));
            // Late and smaller: nothing shrinks.
            assert_eq!(process.expand(id, 3).served().capacity_bytes, 5 << 30);
            assert_eq!(world.memory.subvolumes()[0].1.quota, Some(5 << 30));
            process.delete(id).served();
            process.kill();
        },
    );
    assert!(pairs >= 6, "{pairs}");
}

/// The creation is repeated instead: it tells how large the volume is, not how large it was to be.
#[test]
fn expand_volume_then_create_again() {
    at_every_step(
        "ControllerExpandVolume, then CreateVolume",
        volume,
        |process, id| process.expand(id, 5).is_killed(),
        |world, id| {
            let quota = world.memory.subvolumes()[0].1.quota.unwrap();
            let process = world.start(Faults::new());
            let again = process.create(NAME, 1).served().volume.unwrap();
            assert_eq!(again.capacity_bytes, quota.cast_signed());
            process.delete(id).served();
            process.kill();
        },
    );
}

#[test]
fn validate_volume_capabilities() {
    at_every_step(
        "ValidateVolumeCapabilities",
        volume,
        |process, id| process.validate(id).is_killed(),
        |world, id| {
            let process = world.start(Faults::new());
            assert!(process.validate(id).served().confirmed.is_some());
            process.delete(id).served();
            process.kill();
        },
    );
}
