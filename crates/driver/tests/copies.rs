//! Volumes made of snapshots and of other volumes, on the cluster in memory: how they are waited for,
//! what becomes of failures, and what cannot be asked for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "each test uses its part of the support")]
mod support;

use std::time::Duration;

use ceph::fault::{Fault, Faults};
use ceph::memory::{Cloner, Stage, SubvolumeState};
use ceph::mgr::MgrVolumes;
use ceph::{Clones as _, Context, Object, Subvolume, WriteOp, WriteStep};
use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::volume_capability::access_mode::Mode;
use spirula::journal::Source;
use support::{Process, World, block_on, copy_request, mount_capability};
use tonic::{Code, Request};

const BYTES: u64 = 7 << 20;

/// A world with a volume of 1 GiB that has data, a process, and the volume as a source.
fn world() -> (World, Process, Source) {
    let world = World::new();
    let process = world.start(Faults::new());
    let volume = process.create("pvc-source", 1).served().volume.unwrap();
    let (at, _) = world.memory.subvolumes().swap_remove(0);
    world.memory.fill(&at, BYTES);
    (world, process, Source::Volume(volume.volume_id))
}

fn steps(steps: u32) -> Cloner {
    Cloner {
        steps,
        ..Cloner::default()
    }
}

fn copies(world: &World) -> Vec<(Subvolume, SubvolumeState)> {
    let mut subvolumes = world.memory.subvolumes();
    subvolumes.retain(|(_, state)| state.origin.is_some());
    subvolumes
}

/// Deletes `ids` and the source: nothing is left.
fn delete_all(world: &World, process: Process, source: &Source, ids: &[String]) {
    for id in ids {
        process.delete(id).served();
    }
    let Source::Volume(id) = source else {
        unreachable!("a volume is the source here")
    };
    process.delete(id).served();
    assert_eq!(world.leftovers(), [""; 0]);
    process.kill();
}

/// What still goes on is ABORTED and tells how far it is; the repeat goes on waiting for the same clone.
#[test]
fn a_copy_that_takes_long_is_aborted_near_the_deadline() {
    let (world, process, source) = world();
    world.memory.set_cloner(steps(40));
    let status = process.copy_begun("pvc-2", 1, &source);
    assert_eq!(status.code(), Code::Aborted);
    let message = status.message();
    let Source::Volume(id) = &source else {
        unreachable!()
    };
    let start =
        format!("volume `pvc-2` is being made of volume `{id}`: the clone is in progress after ");
    assert!(message.starts_with(&start), "{message}");
    assert!(message.ends_with("; that goes on, and asking again with the same name waits for it"));
    let begun = copies(&world).swap_remove(0).0;
    let made = process.copy("pvc-2", 1, &source).served().volume.unwrap();
    let copies = copies(&world);
    assert_eq!(copies.len(), 1);
    assert_eq!(
        (&copies[0].0, &copies[0].1.stage),
        (&begun, &Stage::Complete)
    );
    delete_all(&world, process, &source, &[made.volume_id]);
}

/// The answer names the source; a larger size is given, one that is not asked for is that of the source.
#[test]
fn a_copy_has_the_data_of_its_source_and_the_size_asked_for() {
    let (world, process, source) = world();
    let mut ids = Vec::new();
    for (name, gib, expected) in [("a", 1, 1), ("b", 5, 5), ("c", 0, 1)] {
        let mut request = copy_request(name, gib, &source);
        if gib == 0 {
            request.capacity_range = None;
        }
        let sent = request.volume_content_source.clone();
        let answer = process
            .call(|service| async move { service.create_volume(Request::new(request)).await });
        let volume = answer.served().volume.unwrap();
        assert_eq!(volume.content_source, sent);
        assert_eq!(volume.capacity_bytes, expected << 30, "{name}");
        ids.push(volume.volume_id);
    }
    for (at, state) in world.memory.subvolumes() {
        assert_eq!((state.used, state.snapshots.len()), (BYTES, 0), "{at:?}");
    }
    delete_all(&world, process, &source, &ids);
}

/// A repeat answers the same, even if the source is gone by then; another source is another volume.
#[test]
fn a_repeat_needs_no_source_and_takes_no_other() {
    let (world, process, source) = world();
    let other = process.create("pvc-other", 1).served().volume.unwrap();
    let made = process.copy("pvc-2", 1, &source).served();
    for different in [
        process.copy("pvc-2", 1, &Source::Volume(other.volume_id.clone())),
        process.create("pvc-2", 1),
        process.copy("pvc-other", 1, &source),
        process.copy("pvc-2", 3, &source),
    ] {
        assert_eq!(different.refused().code(), Code::AlreadyExists);
    }
    let Source::Volume(id) = &source else {
        unreachable!()
    };
    process.delete(id).served();
    assert_eq!(process.copy("pvc-2", 1, &source).served(), made);
    let id = made.volume.unwrap().volume_id;
    delete_all(&world, process, &source, &[id, other.volume_id]);
}

/// A clone that fails is removed and made again; one that fails always leaves nothing.
#[test]
fn failed_and_canceled_clones_are_made_again() {
    let (world, process, source) = world();
    let failing = |failures| Cloner {
        failures,
        ..Cloner::default()
    };
    world.memory.set_cloner(failing(1));
    let made = process.copy("pvc-2", 1, &source).served().volume.unwrap();
    process.delete(&made.volume_id).served();

    world.memory.set_cloner(failing(2));
    let status = process.copy("pvc-2", 1, &source).refused();
    assert_eq!(status.code(), Code::Internal);
    let message = status.message();
    assert!(
        message.contains("Ceph gave the copy up: error in write (errno 5)"),
        "{message}"
    );
    let subvolumes = world.memory.subvolumes();
    assert_eq!((subvolumes.len(), subvolumes[0].1.snapshots.len()), (1, 0));

    world.memory.set_cloner(steps(1_000_000));
    process.copy_begun("pvc-2", 1, &source);
    let (at, _) = copies(&world).swap_remove(0);
    let clones = MgrVolumes::new(world.memory.client());
    block_on(clones.cancel(&Context::with_timeout(Duration::from_secs(10)), &at)).unwrap();
    world.memory.set_cloner(Cloner::default());
    let made = process.copy("pvc-2", 1, &source).served().volume.unwrap();
    assert_eq!(copies(&world)[0].0, at);
    delete_all(&world, process, &source, &[made.volume_id]);
}

/// ceph-csi takes an error of `clone status` for a missing clone, and reserves the name a second time.
#[test]
fn an_error_of_the_clones_status_makes_no_second_volume() {
    let (world, process, source) = world();
    for kind in [ceph::ErrorKind::Other, ceph::ErrorKind::TimedOut] {
        let error = ceph::Error::new(kind, "fs clone status", "out of order");
        let status = |call: &ceph::fault::Call| call.what.contains("fs clone status");
        process.faults.once(status, Fault::Fail(error));
        process.copy("pvc-2", 1, &source).refused();
        assert_eq!(copies(&world).len(), 1);
    }
    let made = process.copy("pvc-2", 1, &source).served().volume.unwrap();
    assert_eq!(copies(&world).len(), 1);
    delete_all(&world, process, &source, &[made.volume_id]);
}

/// Where Ceph refuses clones beyond its threads they wait here, and all get made.
#[test]
fn clones_that_ceph_has_no_thread_for_wait_in_line() {
    let (world, process, source) = world();
    world.memory.set_cloner(Cloner {
        threads: 1,
        refuses: true,
        ..Cloner::default()
    });
    let made = process.each(["a", "b", "c", "d"].map(|name| copy_request(name, 1, &source)));
    let ids: Vec<_> = made
        .into_iter()
        .map(|answer| answer.unwrap().volume.unwrap().volume_id)
        .collect();
    assert_eq!(copies(&world).len(), 4);

    // While there is none, the answer says so.
    world.memory.set_cloner(Cloner {
        threads: 0,
        refuses: true,
        ..Cloner::default()
    });
    let status = process.copy_begun("e", 1, &source);
    assert_eq!(status.code(), Code::Aborted);
    assert!(
        status.message().contains("it waits for its turn after"),
        "{status:?}"
    );
    world.memory.set_cloner(Cloner::default());
    let last = process.copy("e", 1, &source).served().volume.unwrap();
    delete_all(
        &world,
        process,
        &source,
        &[&ids[..], &[last.volume_id]].concat(),
    );
}

/// config.json names another group when the copy is complete than when it was begun: it stays where it is, and its
/// deletion finds it there.
#[test]
fn a_copy_stays_in_the_group_that_it_was_begun_in() {
    let (world, process, source) = world();
    world.memory.create_group("cephfs", "apps");
    let config = std::fs::read_to_string(world.config_file()).unwrap();
    let entry = r#""cephFS": {"subvolumeGroup": "apps"}, "clusterID""#;
    let with_apps = config.replace(r#""clusterID""#, entry);
    for (begun, complete, group) in [(&with_apps, &config, "apps"), (&config, &with_apps, "csi")] {
        std::fs::write(world.config_file(), begun).unwrap();
        world.memory.set_cloner(steps(40));
        process.copy_begun("pvc-2", 1, &source);
        std::fs::write(world.config_file(), complete).unwrap();
        world.memory.set_cloner(Cloner::default());
        let made = process.copy("pvc-2", 1, &source).served().volume.unwrap();
        assert_eq!(copies(&world)[0].0.group, group);
        process.delete(&made.volume_id).served();
        assert_eq!(copies(&world), [], "of {group}");
    }
    delete_all(&world, process, &source, &[]);
}

/// A source with as many snapshots as Ceph allows cannot be copied, and nothing is left of the attempt.
#[test]
fn no_snapshot_for_the_copy() {
    let (world, process, source) = world();
    world.memory.set_snapshot_limit(0);
    let status = process.copy("pvc-2", 1, &source).refused();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(world.memory.subvolumes().len(), 1);
    delete_all(&world, process, &source, &[]);
}

/// A pool that Ceph does not take is refused, and nothing is left of the attempt.
#[test]
fn no_such_pool() {
    let (world, process, source) = world();
    let mut request = copy_request("pvc-2", 1, &source);
    let pool = ("pool".to_owned(), "fast".to_owned());
    request.parameters.extend([pool]);
    let answers = process.each([request]);
    let status = answers[0].as_ref().unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let start = "`parameters.pool`: Ceph does not take `fast`: invalid pool layout";
    assert!(status.message().starts_with(start), "{status:?}");
    let subvolumes = world.memory.subvolumes();
    assert_eq!((subvolumes.len(), subvolumes[0].1.snapshots.len()), (1, 0));
    delete_all(&world, process, &source, &[]);
}

/// A copy can be for readers only: it has content.
#[test]
fn a_copy_for_readers() {
    let (world, process, source) = world();
    let mut request = copy_request("pvc-2", 1, &source);
    request.volume_capabilities = vec![mount_capability(Mode::MultiNodeReaderOnly)];
    let mut answers = process.each([request]);
    let made = answers.remove(0).unwrap().volume.unwrap();
    delete_all(&world, process, &source, &[made.volume_id]);
}

/// A source that is deleted while it is copied lives on in its snapshot, and goes with it.
#[test]
fn a_source_deleted_meanwhile() {
    let (world, process, source) = world();
    world.memory.set_cloner(steps(30));
    process.copy_begun("pvc-2", 1, &source);
    let Source::Volume(id) = &source else {
        unreachable!()
    };
    process.delete(id).served();
    assert_eq!(world.memory.subvolumes().len(), 2);
    let made = process.copy("pvc-2", 1, &source).served().volume.unwrap();
    let subvolumes = world.memory.subvolumes();
    assert_eq!((subvolumes.len(), subvolumes[0].1.used), (1, BYTES));
    delete_all(&world, process, &source, &[made.volume_id]);
}

/// A volume that shows a snapshot has no subvolume: its copy is one of the snapshot.
#[test]
fn a_copy_of_a_volume_that_shows_a_snapshot() {
    let (world, process, source) = world();
    let Source::Volume(id) = &source else {
        unreachable!()
    };
    let snapshot = process.snapshot("snapshot-1", id).served().snapshot_id;
    let uuid = "11111111-2222-4333-8444-555555555555";
    let shown = Object {
        pool: world.metadata_pool,
        namespace: "csi".to_owned(),
        name: format!("csi.volume.{uuid}"),
    };
    let keys = [
        ("csi.volname", "pvc-shown"),
        ("csi.imagename", &format!("csi-vol-{uuid}")),
        ("csi.volume.backingsnapshotid", &snapshot),
    ];
    let keys = keys.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
    let write = |step| {
        let op = WriteOp::new().then(step);
        let cx = Context::with_timeout(Duration::from_secs(10));
        block_on(world.memory.client().write(&cx, &shown, op)).unwrap();
    };
    write(WriteStep::OmapSet(keys.into()));
    let (shape, _) = id.split_at(id.len() - 36);
    let of_shown = Source::Volume(format!("{shape}{uuid}"));
    let made = process.copy("pvc-2", 1, &of_shown).served().volume.unwrap();
    assert_eq!(copies(&world)[0].1.used, BYTES);
    write(WriteStep::Remove);
    process.delete_snapshot(&snapshot).served();
    delete_all(&world, process, &source, &[made.volume_id]);
}

/// A copy that ceph-csi began and did not finish, whose record does not say what it is.
#[test]
fn an_unfinished_copy_of_ceph_csi_is_finished_or_deleted() {
    for finished in [true, false] {
        let (world, process, source) = world();
        world.memory.set_cloner(steps(30));
        process.copy_begun("pvc-2", 1, &source);
        let (at, _) = copies(&world).swap_remove(0);
        world.forget_notes();
        let Source::Volume(id) = &source else {
            unreachable!()
        };
        let (shape, _) = id.split_at(id.len() - 36);
        let id = format!("{shape}{}", at.name.strip_prefix("csi-vol-").unwrap());
        if finished {
            let made = process.copy("pvc-2", 1, &source).served().volume.unwrap();
            assert_eq!(made.volume_id, id);
        }
        delete_all(&world, process, &source, &[id]);
    }
}
