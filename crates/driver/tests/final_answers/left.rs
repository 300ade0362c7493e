//! While there is something of what was asked for, or it goes on, no answer is final, whatever fails: the sidecar asks
//! again with the same name, also when the PVC is deleted meanwhile, and finds it.

use ceph::fault::{Fault, Faults};
use ceph::memory::Cloner;
use ceph::{Error, ErrorKind};
use spirula::journal::Source;
use support::{End, Process, World};
use tonic::Code;

use crate::{NAME, refuse, support, with_volume};

/// What Ceph refuses for good, and what tells of a defect of it.
const ERRNOS: [i32; 3] = [1, 22, 5];

fn lose(faults: &Faults, command: &'static str) {
    faults.once(move |call| call.what.contains(command), Fault::LoseAnswer);
}

/// The request is to be asked again, and the message tells why.
#[track_caller]
fn expect_again<T: std::fmt::Debug>(end: End<T>, errno: i32) {
    let status = end.refused();
    assert_eq!(status.code(), Code::Aborted, "{status:?}");
    for words in [
        &*format!("(errno {errno})"),
        "asking again with the same name",
    ] {
        assert!(status.message().contains(words), "{status:?}");
    }
    if errno == 1 {
        let cure = "ceph auth caps client.k8s";
        assert!(status.message().contains(cure), "{status:?}");
    }
}

fn delete_all(world: &World, process: Process, volume: &str) {
    process.delete(volume).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

/// The first call made it, and its answer was lost; the second one is refused when it looks.
#[test]
fn a_volume_that_an_earlier_call_made() {
    for errno in ERRNOS {
        let world = World::new();
        let process = world.start(Faults::new());
        lose(&process.faults, "fs subvolume create");
        process.create(NAME, 1).refused();
        refuse(&process.faults, "fs subvolume getpath", errno);
        expect_again(process.create(NAME, 1), errno);
        process.faults.clear();
        let volume = process.create(NAME, 1).served().volume.unwrap();
        assert_eq!(world.memory.subvolumes().len(), 1);
        delete_all(&world, process, &volume.volume_id);
    }
}

#[test]
fn a_snapshot_that_an_earlier_call_took() {
    for errno in ERRNOS {
        let (world, volume, before) = with_volume();
        let process = world.start(Faults::new());
        lose(&process.faults, "fs subvolume snapshot create");
        process.snapshot("snapshot-1", &volume).refused();
        refuse(&process.faults, "fs subvolume snapshot info", errno);
        expect_again(process.snapshot("snapshot-1", &volume), errno);
        process.faults.clear();
        let made = process.snapshot("snapshot-1", &volume).served();
        assert_eq!(world.memory.subvolumes()[0].1.snapshots.len(), 1);
        process.delete_snapshot(&made.snapshot_id).served();
        assert_eq!(world.leftovers(), before);
        delete_all(&world, process, &volume);
    }
}

/// What was made can neither be used nor removed.
#[test]
fn what_cannot_be_undone() {
    let (world, volume, before) = with_volume();
    world.memory.know_quiesce();
    let process = world.start(Faults::new());
    for errno in ERRNOS {
        refuse(&process.faults, "fs subvolume getpath", errno);
        refuse(&process.faults, "fs subvolume rm", errno);
        expect_again(process.create("pvc-2", 1), errno);
        refuse(&process.faults, "fs subvolume snapshot info", errno);
        refuse(&process.faults, "fs subvolume snapshot rm", errno);
        expect_again(process.snapshot("snapshot-1", &volume), errno);
        expect_again(process.group("group-1", &[&volume]), errno);
        // The repeat begins with removing what there is.
        expect_again(process.group("group-1", &[&volume]), errno);
        process.faults.clear();
        let second = process.create("pvc-2", 1).served().volume.unwrap();
        process.delete(&second.volume_id).served();
        let snapshot = process.snapshot("snapshot-1", &volume).served();
        process.delete_snapshot(&snapshot.snapshot_id).served();
        let group = process.group("group-1", &[&volume]).served();
        process.delete_group(&group.group_snapshot_id, &[]).served();
        assert_eq!(world.leftovers(), before, "errno {errno}");
    }
    delete_all(&world, process, &volume);
}

/// The name cannot be given back: it stays reserved, although Ceph made nothing.
#[test]
fn a_name_that_cannot_be_given_back() {
    let (world, volume, before) = with_volume();
    let process = world.start(Faults::new());
    for (command, record) in [
        ("fs subvolume create", "csi.volume."),
        ("fs subvolume snapshot create", "csi.snap."),
    ] {
        refuse(&process.faults, command, 1);
        let error = Error::answered("write", 5, "");
        let remove = move |call: &ceph::fault::Call| {
            call.what.starts_with("write")
                && call.what.contains(record)
                && call.what.contains("remove")
        };
        process.faults.always(remove, Fault::Fail(error));
        if record == "csi.volume." {
            expect_again(process.create("pvc-2", 1), 1);
        } else {
            expect_again(process.snapshot("snapshot-1", &volume), 1);
        }
        assert_ne!(world.leftovers(), before, "{command}");
        process.faults.clear();
        refuse(&process.faults, command, 1);
        let status = if record == "csi.volume." {
            process.create("pvc-2", 1).refused()
        } else {
            process.snapshot("snapshot-1", &volume).refused()
        };
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
        assert_eq!(world.leftovers(), before, "{command}");
        process.faults.clear();
    }
    delete_all(&world, process, &volume);
}

/// The clone goes on, whatever the driver hears of it.
#[test]
fn a_copy_that_goes_on() {
    let (world, volume, before) = with_volume();
    let process = world.start(Faults::new());
    let source = Source::Volume(volume.clone());
    for command in [
        "fs clone status",
        "fs subvolume info",
        "fs subvolume resize",
        "fs subvolume snapshot rm",
    ] {
        for errno in ERRNOS {
            world.memory.set_cloner(Cloner {
                steps: 20,
                ..Cloner::default()
            });
            process.copy_begun("pvc-copy", 2, &source);
            world.memory.set_cloner(Cloner::default());
            refuse(&process.faults, command, errno);
            expect_again(process.copy("pvc-copy", 2, &source), errno);
            process.faults.clear();
            let status = |call: &ceph::fault::Call| call.what.contains("fs clone status");
            let error = Error::new(ErrorKind::BadAnswer, "mgr command `fs clone status`", "{");
            process.faults.once(status, Fault::Fail(error));
            let status = process.copy("pvc-copy", 2, &source).refused();
            assert_eq!(status.code(), Code::Aborted, "{status:?}");
            let copy = process.copy("pvc-copy", 2, &source).served().volume;
            assert_eq!(
                world.memory.subvolumes().len(),
                2,
                "{command}, errno {errno}"
            );
            process.delete(&copy.unwrap().volume_id).served();
            assert_eq!(world.leftovers(), before, "{command}, errno {errno}");
        }
    }
    delete_all(&world, process, &volume);
}

/// What there is of a copy that failed cannot be removed.
#[test]
fn a_failed_copy_that_cannot_be_removed() {
    let (world, volume, before) = with_volume();
    let process = world.start(Faults::new());
    let source = Source::Volume(volume.clone());
    refuse(&process.faults, "fs subvolume snapshot clone", 1);
    refuse(&process.faults, "fs subvolume snapshot rm", 5);
    expect_again(process.copy("pvc-copy", 1, &source), 5);
    process.faults.clear();
    refuse(&process.faults, "fs subvolume snapshot clone", 1);
    let status = process.copy("pvc-copy", 1, &source).refused();
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert_eq!(world.leftovers(), before);
    assert_eq!(world.memory.subvolumes()[0].1.snapshots.len(), 0);
    process.faults.clear();
    delete_all(&world, process, &volume);
}
