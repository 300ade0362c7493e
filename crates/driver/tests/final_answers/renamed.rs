//! A file system gets another name, or changes names with another one, while the driver knows it by the old one: what
//! the manager does not find by that is not gone.

use ceph::fault::Faults;
use ceph::memory::Cloner;
use spirula::journal::Source;
use support::{End, Process, World};
use tonic::Code;

use crate::{NAME, support};

/// What happens to the file system `cephfs`.
#[derive(Clone, Copy, Debug)]
enum Names {
    Renamed,
    Swapped,
}

const BOTH: [Names; 2] = [Names::Renamed, Names::Swapped];

/// A world with a second file system and a volume, what there is with it, and a process that knows the names.
fn world() -> (World, Process, String, Vec<String>) {
    let world = World::new();
    world.memory.create_filesystem("other");
    world.memory.create_group("other", "csi");
    let process = world.start(Faults::new());
    let volume = process.create(NAME, 1).served().volume.unwrap().volume_id;
    let before = world.leftovers();
    (world, process, volume, before)
}

impl Names {
    fn change(self, world: &World) {
        let memory = &world.memory;
        memory.rename_filesystem("cephfs", "third");
        if matches!(self, Self::Swapped) {
            memory.rename_filesystem("other", "cephfs");
            memory.rename_filesystem("third", "other");
        }
    }
}

/// The first answer is one after which everybody asks again, and the second is right.
fn asked_twice<T: std::fmt::Debug>(what: &str, request: impl Fn() -> End<T>) -> T {
    let status = request().refused();
    assert_eq!(status.code(), Code::Aborted, "{what}: {status:?}");
    assert!(
        status
            .message()
            .contains("file system not found by this name"),
        "{what}: {status:?}"
    );
    request().served()
}

#[test]
fn a_deleted_volume_is_gone() {
    for names in BOTH {
        let (world, process, volume, _) = world();
        names.change(&world);
        asked_twice("deletion", || process.delete(&volume));
        assert_eq!(world.leftovers(), Vec::<String>::new(), "{names:?}");
        process.kill();
    }
}

#[test]
fn a_deleted_snapshot_is_gone() {
    for names in BOTH {
        let (world, process, volume, before) = world();
        let snapshot = process.snapshot("snapshot-1", &volume).served().snapshot_id;
        names.change(&world);
        asked_twice("deletion", || process.delete_snapshot(&snapshot));
        assert_eq!(world.leftovers(), before, "{names:?}");
        assert_eq!(world.memory.subvolumes()[0].1.snapshots.len(), 0);
        process.delete(&volume).served();
        assert_eq!(world.leftovers(), Vec::<String>::new(), "{names:?}");
        process.kill();
    }
}

/// To force a removal is no error where the manager finds nothing.
#[test]
fn a_deleted_copy_that_was_not_complete_is_gone() {
    for (names, of_snapshot) in BOTH
        .into_iter()
        .flat_map(|names| [(names, true), (names, false)])
    {
        let (world, process, volume, before) = world();
        let snapshot = process.snapshot("snapshot-1", &volume).served().snapshot_id;
        world.memory.set_cloner(Cloner {
            steps: 1000,
            ..Cloner::default()
        });
        let source = if of_snapshot {
            Source::Snapshot(snapshot.clone())
        } else {
            Source::Volume(volume.clone())
        };
        process.copy_begun("pvc-copy", 1, &source);
        let subvolumes = world.memory.subvolumes();
        let copy = subvolumes.iter().find(|(_, state)| state.origin.is_some());
        let uuid = copy.unwrap().0.name.strip_prefix("csi-vol-").unwrap();
        let (shape, _) = volume.split_at(volume.len() - 36);
        names.change(&world);
        asked_twice("deletion", || process.delete(&format!("{shape}{uuid}")));
        assert_eq!(world.memory.subvolumes().len(), 1, "{names:?}: {source:?}");
        process.delete_snapshot(&snapshot).served();
        assert_eq!(world.leftovers(), before, "{names:?}: {source:?}");
        process.kill();
    }
}

#[test]
fn what_needs_the_volume_finds_it() {
    for names in BOTH {
        let (world, process, volume, _) = world();
        names.change(&world);
        let grown = asked_twice("expansion", || process.expand(&volume, 2));
        assert_eq!(grown.capacity_bytes, 2 << 30);
        process.kill();

        let (world, process, volume, _) = self::world();
        names.change(&world);
        asked_twice("validation", || process.validate(&volume));
        process.kill();
    }
}

#[test]
fn a_snapshot_is_taken_once() {
    for names in BOTH {
        let (world, process, volume, before) = world();
        names.change(&world);
        let made = asked_twice("snapshot", || process.snapshot("snapshot-1", &volume));
        assert_eq!(process.snapshot("snapshot-1", &volume).served(), made);
        process.delete_snapshot(&made.snapshot_id).served();
        assert_eq!(world.leftovers(), before, "{names:?}");
        process.kill();
    }
}

/// The record of a volume that exists is not given back.
#[test]
fn a_repeated_creation_keeps_the_volume() {
    for names in BOTH {
        let (world, process, volume, before) = world();
        names.change(&world);
        let status = process.create(NAME, 1).refused();
        assert_eq!(status.code(), Code::Aborted, "{names:?}: {status:?}");
        assert_eq!(world.leftovers(), before, "{names:?}");
        process.delete(&volume).served();
        assert_eq!(world.leftovers(), Vec::<String>::new(), "{names:?}");
        process.kill();
    }
}

/// The StorageClass names a file system that has another name by now: that is told, and nothing is left.
#[test]
fn a_creation_by_the_old_name_leaves_nothing() {
    let (world, process, volume, before) = world();
    Names::Renamed.change(&world);
    let status = process.create("pvc-new", 1).refused();
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
    assert_eq!(world.leftovers(), before);
    let status = process.create("pvc-new", 1).refused();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains("third"), "{status:?}");
    process.delete(&volume).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

/// The subvolume and its record are in one file system, so that who has the id finds both.
#[test]
fn a_creation_by_a_name_that_another_has_by_now_is_whole() {
    let (world, process, volume, before) = world();
    Names::Swapped.change(&world);
    let made = asked_twice("creation", || process.create("pvc-new", 1));
    let made = made.volume.unwrap().volume_id;
    process.kill();
    let process = world.start(Faults::new());
    process.delete(&made).served();
    assert_eq!(world.leftovers(), before);
    process.delete(&volume).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

/// Where the source is not any more, it is told so by the repeat, and nothing is left.
#[test]
fn a_copy_by_a_name_that_another_has_by_now_leaves_nothing() {
    for of_snapshot in [true, false] {
        let (world, process, volume, _) = world();
        let snapshot = process.snapshot("snapshot-1", &volume).served().snapshot_id;
        let before = world.leftovers();
        let source = if of_snapshot {
            Source::Snapshot(snapshot)
        } else {
            Source::Volume(volume)
        };
        Names::Swapped.change(&world);
        for code in [Code::Aborted, Code::InvalidArgument] {
            let status = process.copy("pvc-copy", 1, &source).refused();
            assert_eq!(status.code(), code, "{source:?}: {status:?}");
            assert_eq!(world.leftovers(), before, "{source:?}");
        }
        process.kill();
    }
}

/// Capabilities name file systems. To a user with those for the old name the one with the new name looks as if it were
/// gone, which proves nothing.
#[test]
fn what_the_user_does_not_see_is_not_gone() {
    let world = World::new();
    let process = world.start(Faults::new());
    let volume = process.create(NAME, 1).served().volume.unwrap().volume_id;
    world.memory.remove_filesystem("cephfs");
    let status = process.delete(&volume).refused();
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
    let status = process.delete(&volume).refused();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert!(
        status.message().contains("the mon capability `allow r`"),
        "{status:?}"
    );
    process.kill();

    // Where it sees others, it is.
    world.memory.create_filesystem("first");
    world.memory.create_filesystem("second");
    let (shape, uuid) = volume.split_at(volume.len() - 36);
    let third = format!("{}3-{uuid}", &shape[..shape.len() - 2]);
    let process = world.start(Faults::new());
    process.delete(&third).served();
    process.kill();
}
