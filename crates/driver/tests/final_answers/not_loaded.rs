//! A manager that has just become active, and has not loaded its modules yet, says nothing of what there is: nobody
//! may take its refusal as final, and nothing is given back.

use ceph::Error;
use ceph::fault::{Fault, Faults};
use ceph::memory::Cloner;
use spirula::journal::Source;
use support::{Process, World};
use tonic::{Code, Status};

use crate::{NAME, support, with_volume};

/// The manager refuses these `commands`, as Ceph 16 words it.
fn restart(faults: &Faults, commands: &[&'static str]) {
    for &command in commands {
        let words = format!(
            "Warning: due to ceph-mgr restart, some PG states may not be up to date\nModule 'volumes' is not \
             enabled/loaded (required by command '{command}'): use `ceph mgr module enable volumes` to enable it"
        );
        let refusal = Error::answered(format!("mgr command `{command}`"), 95, words);
        let chosen = format!("`{command}`");
        faults.always(
            move |call| call.what.contains(&chosen),
            Fault::Fail(refusal),
        );
    }
}

/// The manager could not import the module: then it knows none of its commands. Those for metadata are left alone, as
/// what follows an answer is waited for here.
fn break_module(faults: &Faults) {
    let words = "No handler found for 'fs subvolume create'";
    let refusal = Error::answered("mgr command `fs subvolume create`", 22, words);
    let chosen = |what: &str| what.contains("mgr command") && !what.contains("metadata");
    faults.always(move |call| chosen(&call.what), Fault::Fail(refusal));
}

/// What an administrator has to know who has disabled the module is in the message.
fn expect_outage(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(
        status
            .message()
            .contains("manager not ready for it (errno 95)")
            && status
                .message()
                .contains("use `ceph mgr module enable volumes`"),
        "{status:?}"
    );
}

fn deleted(world: &World, process: Process, volume: &str) {
    process.delete(volume).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

#[test]
fn a_creation_keeps_its_reservation() {
    let world = World::new();
    let process = world.start(Faults::new());
    restart(
        &process.faults,
        &[
            "fs subvolume create",
            "fs subvolume rm",
            "fs subvolume getpath",
        ],
    );
    expect_outage(&process.create(NAME, 1).refused());
    let reserved = world.leftovers();
    assert!(!reserved.is_empty());
    // The repeat asks for the path of what may have been made.
    expect_outage(&process.create(NAME, 1).refused());
    assert_eq!(world.leftovers(), reserved);
    process.faults.clear();
    let volume = process.create(NAME, 1).served().volume.unwrap().volume_id;
    deleted(&world, process, &volume);
}

#[test]
fn a_manager_that_could_not_load_the_module_is_no_old_release() {
    let world = World::new();
    let process = world.start(Faults::new());
    let expect_broken = |status: Status| {
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        let told = "has not loaded its module `volumes`, `ceph health detail` may tell why";
        assert!(status.message().contains(told), "{status:?}");
    };
    break_module(&process.faults);
    expect_broken(process.create(NAME, 1).refused());
    let reserved = world.leftovers();
    assert!(!reserved.is_empty());
    expect_broken(process.create(NAME, 1).refused());
    assert_eq!(world.leftovers(), reserved);
    process.faults.clear();
    let volume = process.create(NAME, 1).served().volume.unwrap().volume_id;
    deleted(&world, process, &volume);

    let (world, volume, _) = with_volume();
    let process = world.start(Faults::new());
    break_module(&process.faults);
    expect_broken(process.snapshot("snapshot-1", &volume).refused());
    expect_broken(process.delete(&volume).refused());
    process.faults.clear();
    let snapshot = process.snapshot("snapshot-1", &volume).served().snapshot_id;
    process.delete_snapshot(&snapshot).served();
    deleted(&world, process, &volume);
}

/// The subvolume is made, and then the manager restarts.
#[test]
fn a_creation_cut_in_half_is_found_by_its_repeat() {
    let world = World::new();
    let process = world.start(Faults::new());
    restart(&process.faults, &["fs subvolume getpath"]);
    expect_outage(&process.create(NAME, 1).refused());
    assert_eq!(world.memory.subvolumes().len(), 1);
    process.faults.clear();
    let volume = process.create(NAME, 1).served().volume.unwrap().volume_id;
    assert_eq!(world.memory.subvolumes().len(), 1);
    deleted(&world, process, &volume);
}

#[test]
fn a_copy_goes_on_when_the_manager_is_back() {
    let (world, volume, before) = with_volume();
    let process = world.start(Faults::new());
    let source = Source::Volume(volume.clone());
    world.memory.set_cloner(Cloner {
        steps: 20,
        ..Cloner::default()
    });
    process.copy_begun("pvc-copy", 1, &source);
    for commands in ["fs clone status", "fs subvolume info"] {
        restart(&process.faults, &[commands]);
        expect_outage(&process.copy("pvc-copy", 1, &source).refused());
        assert_eq!(world.memory.subvolumes().len(), 2, "{commands}");
        process.faults.clear();
        world.memory.set_cloner(Cloner::default());
    }
    let copy = process.copy("pvc-copy", 1, &source).served();
    process.delete(&copy.volume.unwrap().volume_id).served();
    assert_eq!(world.leftovers(), before);
    deleted(&world, process, &volume);
}

#[test]
fn snapshots_and_deletions_are_asked_for_again() {
    let (world, volume, before) = with_volume();
    let process = world.start(Faults::new());
    for commands in [
        "fs subvolume info",
        "fs subvolume snapshot create",
        "fs subvolume snapshot info",
    ] {
        restart(&process.faults, &[commands]);
        expect_outage(&process.snapshot("snapshot-1", &volume).refused());
        assert_ne!(world.leftovers(), before, "{commands}: the name is kept");
        process.faults.clear();
    }
    let snapshot = process.snapshot("snapshot-1", &volume).served().snapshot_id;
    restart(
        &process.faults,
        &["fs subvolume rm", "fs subvolume snapshot rm"],
    );
    expect_outage(&process.delete_snapshot(&snapshot).refused());
    expect_outage(&process.delete(&volume).refused());
    process.faults.clear();
    process.delete_snapshot(&snapshot).served();
    assert_eq!(world.leftovers(), before);
    deleted(&world, process, &volume);
}
