//! Volumes that show a snapshot: what ceph-csi stores of them, byte for byte, is taken over; and a
//! process that dies at any step leaves nothing behind, and takes nothing away that is still needed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it did"
)]

#[path = "shallow/creation.rs"]
mod creation;
#[path = "shallow/rivals.rs"]
mod rivals;
#[allow(dead_code, reason = "each test uses its part of the support")]
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use ceph::fault::{Fault, Faults};
use ceph::mgr::MgrVolumes;
use ceph::subvolume::{CreateOptions, Removal};
use ceph::{Context, Object, Snapshot, Snapshots, Subvolume, Subvolumes};
use ceph::{WriteOp, WriteStep};
use csi_proto::v1 as csi;
use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::volume_capability::access_mode::Mode;
use support::{End, Process, World, block_on, mount_capability, secrets};
use tonic::{Code, Request};

const VOLUME_UUID: &str = "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
const VOLUME: &str = "0001-0002-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
const SUBVOLUME: &str = "csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
const SNAPSHOT_UUID: &str = "8a1f0f3e-0000-4000-8000-000000000001";
const SNAPSHOT: &str = "0001-0002-c1-0000000000000001-8a1f0f3e-0000-4000-8000-000000000001";
const PARENT: &str = "csi-vol-00000000-0000-4000-8000-00000000000f";

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(10))
}

fn write(world: &World, object: &str, steps: Vec<WriteStep>) {
    let object = Object {
        pool: world.metadata_pool,
        namespace: "csi".to_owned(),
        name: object.to_owned(),
    };
    let client = world.memory.client();
    block_on(client.write(&cx(), &object, WriteOp { steps })).unwrap();
}

fn omap(pairs: &[(&str, &[u8])]) -> WriteStep {
    let owned = pairs.iter().map(|(k, v)| ((*k).to_owned(), v.to_vec()));
    WriteStep::OmapSet(owned.collect())
}

fn subvolumes(world: &World) -> Box<dyn Subvolumes> {
    Box::new(MgrVolumes::new(world.memory.client()))
}

fn snapshots(world: &World) -> Box<dyn Snapshots> {
    Box::new(MgrVolumes::new(world.memory.client()))
}

fn snapshot() -> Snapshot {
    Snapshot {
        of: Subvolume {
            fs: "cephfs".to_owned(),
            group: "csi".to_owned(),
            name: PARENT.to_owned(),
        },
        name: format!("csi-snap-{SNAPSHOT_UUID}"),
    }
}

/// What ceph-csi leaves of a volume that shows a snapshot: `references` are keys and values of the object
/// with the references, `count` is its data.
fn original(world: &World, references: &[(&str, u8)], count: u8) {
    let (subvolumes, snapshots) = (subvolumes(world), snapshots(world));
    block_on(async {
        let options = CreateOptions::default();
        subvolumes
            .create(&cx(), &snapshot().of, &options)
            .await
            .unwrap();
        snapshots.create(&cx(), &snapshot()).await.unwrap();
    });
    let text = |pairs: &[(&str, &str)]| {
        let bytes: Vec<_> = pairs.iter().map(|(k, v)| (*k, v.as_bytes())).collect();
        vec![omap(&bytes)]
    };
    let key = [("csi.snap.snapshot-1", SNAPSHOT_UUID)];
    write(world, "csi.snaps.default", text(&key));
    let record = [
        ("csi.snapname", "snapshot-1"),
        ("csi.imagename", &*snapshot().name),
        ("csi.source", PARENT),
    ];
    write(world, &format!("csi.snap.{SNAPSHOT_UUID}"), text(&record));
    let key = [("csi.volume.pvc-1", VOLUME_UUID)];
    write(world, "csi.volumes.default", text(&key));
    let record = [
        ("csi.volname", "pvc-1"),
        ("csi.imagename", SUBVOLUME),
        ("csi.volume.backingsnapshotid", SNAPSHOT),
    ];
    write(world, &format!("csi.volume.{VOLUME_UUID}"), text(&record));
    if count > 0 {
        let references: BTreeMap<_, _> = references
            .iter()
            .map(|&(key, byte)| (key.to_owned(), vec![byte]))
            .collect();
        let version = WriteStep::SetXattr {
            name: "csi.ceph.com/rt-version".to_owned(),
            value: vec![0, 0, 0, 1],
        };
        let steps = vec![
            WriteStep::CreateExclusive,
            version,
            WriteStep::OmapSet(references),
            WriteStep::WriteFull(vec![0, 0, 0, count]),
        ];
        write(world, &format!("rt-backingsnapshot-{SNAPSHOT}"), steps);
    }
}

/// A volume of a snapshot that is there, and of one that was deleted.
fn shown(world: &World) {
    original(world, &[(SNAPSHOT, 1), (SUBVOLUME, 1)], 2);
}

fn masked(world: &World) {
    original(world, &[(SNAPSHOT, 2), (SUBVOLUME, 1)], 1);
}

fn has_snapshot(world: &World) -> bool {
    block_on(snapshots(world).info(&cx(), &snapshot())).is_ok()
}

fn remove_parent(world: &World) {
    let removal = Removal::RetainSnapshots;
    block_on(subvolumes(world).remove(&cx(), &snapshot().of, removal)).unwrap();
}

fn validate(process: &Process, mode: Mode) -> csi::ValidateVolumeCapabilitiesResponse {
    let request = csi::ValidateVolumeCapabilitiesRequest {
        volume_id: VOLUME.to_owned(),
        volume_capabilities: vec![mount_capability(mode)],
        secrets: secrets(),
        ..Default::default()
    };
    let call = |service: spirula::controller::Service| async move {
        let request = Request::new(request);
        service.validate_volume_capabilities(request).await
    };
    process.call(call).served()
}

#[test]
fn a_volume_of_the_original_is_validated_and_not_grown() {
    let world = World::new();
    shown(&world);
    let before = world.leftovers();
    let process = world.start(Faults::new());
    let readers = validate(&process, Mode::MultiNodeReaderOnly);
    assert!(readers.confirmed.is_some(), "{}", readers.message);
    let writers = validate(&process, Mode::SingleNodeWriter);
    assert!(writers.confirmed.is_none());
    assert!(
        writers.message.contains("ReadOnlyMany"),
        "{}",
        writers.message
    );
    let refused = process.expand(VOLUME, 4).refused();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert_eq!(world.leftovers(), before);
    process.kill();
}

/// The snapshot holds itself until it is deleted.
#[test]
fn a_deleted_volume_leaves_its_snapshot() {
    let world = World::new();
    shown(&world);
    let process = world.start(Faults::new());
    for _ in 0..2 {
        process.delete(VOLUME).served();
        assert!(has_snapshot(&world));
    }
    let object = format!("rt-backingsnapshot-{SNAPSHOT}");
    let objects = world.memory.objects();
    let (_, state) = objects.iter().find(|(at, _)| at.name == object).unwrap();
    assert_eq!(state.data, [0, 0, 0, 1]);
    assert_eq!(state.omap, [(SNAPSHOT.to_owned(), vec![1])].into());
    let left = world.leftovers();
    assert!(
        !left.iter().any(|left| left.contains(VOLUME_UUID)),
        "{left:?}"
    );
    process.kill();
}

/// The last volume of a deleted snapshot takes the snapshot with it, with what Ceph retained of a
/// parent that was removed.
#[test]
fn with_the_last_volume_a_deleted_snapshot_goes() {
    let world = World::new();
    masked(&world);
    remove_parent(&world);
    let process = world.start(Faults::new());
    for _ in 0..2 {
        process.delete(VOLUME).served();
        assert_eq!(world.leftovers(), Vec::<String>::new());
    }
    process.kill();
}

#[test]
fn with_a_volume_that_is_not_the_last_it_stays() {
    let world = World::new();
    let other = "csi-vol-bbbbbbbb-0000-4000-8000-00000000000b";
    original(&world, &[(SNAPSHOT, 2), (SUBVOLUME, 1), (other, 1)], 2);
    let process = world.start(Faults::new());
    for _ in 0..2 {
        process.delete(VOLUME).served();
        assert!(has_snapshot(&world));
    }
    process.kill();
}

/// The volume's creation was cut short before it held the snapshot, of which nobody asked to be rid.
#[test]
fn a_snapshot_that_nobody_holds_and_nobody_deleted_stays() {
    let world = World::new();
    original(&world, &[], 0);
    let process = world.start(Faults::new());
    process.delete(VOLUME).served();
    assert!(has_snapshot(&world));
    process.kill();
}

#[test]
fn a_deletion_is_killed_at_every_step() {
    for (prepare, keeps) in [(shown as fn(&World), true), (masked, false)] {
        let mut pairs = 0;
        for fault in [Fault::KillBefore, Fault::KillAfter] {
            for step in 1.. {
                let world = World::new();
                prepare(&world);
                if !keeps {
                    remove_parent(&world);
                }
                let faults = Faults::new();
                faults.at(step, fault.clone());
                let process = world.start(faults.clone());
                let killed = process.delete(VOLUME).is_killed();
                process.kill();
                if !killed {
                    break;
                }
                pairs += 1;
                let process = world.start(Faults::new());
                process.delete(VOLUME).served();
                process.kill();
                let at = format!("killed at {step} ({fault:?}): {:#?}", faults.log());
                assert_eq!(has_snapshot(&world), keeps, "{at}");
                let left = world.leftovers();
                let ours = left.iter().filter(|left| left.contains(VOLUME_UUID));
                assert_eq!(ours.count(), 0, "{at}: {left:?}");
                assert!(keeps || left.is_empty(), "{at}: {left:?}");
            }
        }
        println!("DeleteVolume, shallow, snapshot kept: {keeps}: {pairs} pairs of step and crash");
        assert!(pairs >= 8, "{pairs}");
    }
}

/// A deleted snapshot is gone for all but those who show it, and its name is free.
#[test]
fn a_snapshot_that_is_shown_goes_with_the_last_volume() {
    let world = World::new();
    shown(&world);
    let process = world.start(Faults::new());
    assert!(process.get_snapshot(SNAPSHOT).served().snapshot.is_some());
    for _ in 0..2 {
        process.delete_snapshot(SNAPSHOT).served();
        assert!(has_snapshot(&world));
        let left = world.leftovers();
        let names = left.iter().filter(|left| left.contains("csi.snaps."));
        assert_eq!(names.count(), 0, "{left:?}");
        assert_eq!(
            process.get_snapshot(SNAPSHOT).refused().code(),
            Code::NotFound
        );
    }
    let readers = validate(&process, Mode::MultiNodeReaderOnly);
    assert!(readers.confirmed.is_some(), "{}", readers.message);
    remove_parent(&world);
    for _ in 0..2 {
        process.delete(VOLUME).served();
        assert_eq!(world.leftovers(), Vec::<String>::new());
    }
    process.delete_snapshot(SNAPSHOT).served();
    process.kill();
}

#[test]
fn a_snapshot_that_was_shown_goes_at_once() {
    let world = World::new();
    shown(&world);
    remove_parent(&world);
    let process = world.start(Faults::new());
    process.delete(VOLUME).served();
    for _ in 0..2 {
        process.delete_snapshot(SNAPSHOT).served();
        assert_eq!(world.leftovers(), Vec::<String>::new());
    }
    process.kill();
}

/// Whether the process was killed; if not, the request was served.
fn died<T: std::fmt::Debug>(end: End<T>) -> bool {
    let killed = end.is_killed();
    if !killed {
        end.served();
    }
    killed
}

/// Both deletions (0: of the volume, 1: of the snapshot), in both orders, each killed at every step and repeated.
#[test]
fn deletions_of_a_volume_and_its_snapshot_are_killed_at_every_step() {
    let rpcs: [fn(&Process) -> bool; 2] = [
        |process| died(process.delete(VOLUME)),
        |process| died(process.delete_snapshot(SNAPSHOT)),
    ];
    let mut pairs = 0;
    for (first, second) in [(0, 1), (1, 0)] {
        for killed in [first, second] {
            for fault in [Fault::KillBefore, Fault::KillAfter] {
                for step in 1.. {
                    let world = World::new();
                    shown(&world);
                    remove_parent(&world);
                    let mut killed_there = false;
                    let mut at = String::new();
                    for rpc in [first, second] {
                        if rpc == killed {
                            let faults = Faults::new();
                            faults.at(step, fault.clone());
                            let process = world.start(faults.clone());
                            killed_there = rpcs[rpc](&process);
                            process.kill();
                            at = format!("{rpc} {step} {fault:?}: {:#?}", faults.log());
                        }
                        // While the volume is there, so is what it shows.
                        let process = world.start(Faults::new());
                        let volume_is_there = rpc == 1 && first == 1;
                        assert!(!volume_is_there || has_snapshot(&world), "{at}");
                        assert!(!rpcs[rpc](&process));
                        assert!(!volume_is_there || has_snapshot(&world), "{at}");
                        process.kill();
                    }
                    assert_eq!(world.leftovers(), Vec::<String>::new(), "{at}");
                    if !killed_there {
                        break;
                    }
                    pairs += 1;
                }
            }
        }
    }
    println!("DeleteVolume and DeleteSnapshot, shallow: {pairs} pairs of step and crash");
    assert!(pairs >= 40, "{pairs}");
}
