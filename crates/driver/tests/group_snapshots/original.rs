//! Group snapshots that ceph-csi made, wholly or by half, and ours in its eyes. The expected forms are
//! written out by hand from its format.

use std::sync::Arc;
use std::time::Duration;

use ceph::fault::Faults;
use ceph::mgr::MgrVolumes;
use ceph::{Context, Object, Snapshot, Snapshots as _, Subvolume, WriteOp, WriteStep};

use crate::support::{World, block_on};
use crate::{GROUP, make, nothing_left, snapshots, world};

const UUID: &str = "2f6b3c58-11d0-4b8e-8c38-93a1a2b7d9c4";
const ID: &str = "0001-0002-c1-0000000000000001-2f6b3c58-11d0-4b8e-8c38-93a1a2b7d9c4";
const SNAPS: [&str; 2] = [
    "9b1d7c52-30cf-4d3b-8a44-1f5b6c7d8e9f",
    "c6a3d1f0-4a57-4f6e-9a0b-52a7c8e1b3d4",
];

fn set(world: &World, object: &str, pairs: &[(&str, &str)]) {
    let object = Object {
        pool: world.metadata_pool,
        namespace: "csi".to_owned(),
        name: object.to_owned(),
    };
    let omap = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
    let write = WriteOp::new()
        .then(WriteStep::Create)
        .then(WriteStep::OmapSet(omap.collect()));
    let cx = Context::with_timeout(Duration::from_secs(10));
    let client = world.memory.client();
    block_on(async { client.write(&cx, &object, write).await.unwrap() });
}

fn snapshot_id(number: usize) -> String {
    format!("0001-0002-c1-0000000000000001-{}", SNAPS[number])
}

/// The group's name is reserved.
fn reserved(world: &World) {
    let key = format!("csi.volume.group.{GROUP}");
    set(world, "csi.groups.default", &[(&key, UUID)]);
    let name = format!("csi-vol-group-{UUID}");
    let keys = [
        ("csi.volname", GROUP),
        ("csi.groupname", &name),
        ("csi.creationtime", "2026-11-27T12:00:00.5Z"),
    ];
    set(world, &format!("csi.volume.group.{UUID}"), &keys);
}

/// The snapshot of a volume is reserved, and taken if `taken`.
fn member(world: &World, number: usize, volume: &str, taken: bool) {
    let (uuid, of) = (SNAPS[number], &volume[volume.len() - 36..]);
    let (name, source) = (format!("csi-snap-{uuid}"), format!("csi-vol-{of}"));
    let request_name = format!("csi-vol-group-{UUID}-{volume}");
    let key = format!("csi.snap.{request_name}");
    set(world, "csi.snaps.default", &[(&key, uuid)]);
    let keys = [
        ("csi.snapname", &*request_name),
        ("csi.imagename", &name),
        ("csi.source", &source),
        ("", "shop"),
    ];
    set(world, &format!("csi.snap.{uuid}"), &keys);
    if !taken {
        return;
    }
    let at = Snapshot {
        of: Subvolume {
            fs: "cephfs".to_owned(),
            group: "csi".to_owned(),
            name: source,
        },
        name,
    };
    let cx = Context::with_timeout(Duration::from_secs(10));
    let volumes = MgrVolumes::new(Arc::clone(&world.memory.client()));
    block_on(async { volumes.create(&cx, &at).await.unwrap() });
}

/// The group's record names the snapshot.
fn mapped(world: &World, number: usize, volume: &str) {
    let key = [(volume, &*snapshot_id(number))];
    set(world, &format!("csi.volume.group.{UUID}"), &key);
}

/// With nothing in it that the original would take for something else.
#[test]
fn what_is_stored() {
    let (world, ids, before) = world();
    let process = world.start(Faults::new());
    let made = make(&process, &ids).served();
    let uuid = made
        .group_snapshot_id
        .strip_prefix("0001-0002-c1-0000000000000001-")
        .unwrap();
    let left = world.leftovers();
    let of_groups: Vec<_> = left.iter().filter(|left| left.contains("group")).collect();
    let mut expected = vec![
        format!("csi.groups.default key csi.volume.group.{GROUP}"),
        format!(
            "csi.snaps.default key csi.snap.csi-vol-group-{uuid}-{}",
            ids[0]
        ),
        format!(
            "csi.snaps.default key csi.snap.csi-vol-group-{uuid}-{}",
            ids[1]
        ),
        format!("csi.volume.group.{uuid} key {}", ids[0]),
        format!("csi.volume.group.{uuid} key {}", ids[1]),
    ];
    for key in ["csi.creationtime", "csi.groupname", "csi.volname"] {
        expected.push(format!("csi.volume.group.{uuid} key {key}"));
    }
    expected.push(format!("object csi.volume.group.{uuid}"));
    assert_eq!(of_groups, expected.iter().collect::<Vec<_>>());

    // The original deletes the members by their ids, and then the record and its key.
    for snapshot in &made.snapshots {
        process.delete_snapshot(&snapshot.snapshot_id).served();
    }
    process.delete_group(&made.group_snapshot_id, &[]).served();
    nothing_left(&world, &before, "after the deletion");
    process.kill();
}

#[test]
fn a_group_of_the_original_lives_on() {
    let (world, ids, before) = world();
    reserved(&world);
    for (number, id) in ids.iter().enumerate() {
        member(&world, number, id, true);
        mapped(&world, number, id);
    }
    let process = world.start(Faults::new());
    let seen = process.get_group(ID).served().group_snapshot.unwrap();
    assert_eq!((&*seen.group_snapshot_id, seen.ready_to_use), (ID, true));
    let found = seen.snapshots.iter().map(|one| one.snapshot_id.clone());
    let found: Vec<_> = found.collect();
    assert_eq!(found, [snapshot_id(0), snapshot_id(1)]);
    let created = seen.creation_time.unwrap();
    assert_eq!(
        (created.seconds, created.nanos),
        (1_795_780_800, 500_000_000)
    );
    assert_eq!(make(&process, &ids).served(), seen);
    process.delete_group(ID, &[]).served();
    nothing_left(&world, &before, "after the deletion");
    process.kill();
}

/// In each of these states the original's process can have died, and was never answered.
#[test]
fn what_the_original_left_by_half_is_made_anew_or_deleted() {
    type State = fn(&World, &[String; 2]);
    let states: [(&str, State); 6] = [
        ("a key without record", |world, _| {
            let key = format!("csi.volume.group.{GROUP}");
            set(world, "csi.groups.default", &[(&key, UUID)]);
        }),
        ("a record without members", |world, _| reserved(world)),
        ("a reserved snapshot", |world, ids| {
            reserved(world);
            member(world, 0, &ids[0], false);
        }),
        ("a snapshot that the record lacks", |world, ids| {
            reserved(world);
            member(world, 0, &ids[0], true);
        }),
        ("one member of two", |world, ids| {
            reserved(world);
            member(world, 0, &ids[0], true);
            mapped(world, 0, &ids[0]);
        }),
        ("one member and another snapshot", |world, ids| {
            reserved(world);
            member(world, 0, &ids[0], true);
            mapped(world, 0, &ids[0]);
            member(world, 1, &ids[1], true);
        }),
    ];
    for (state, leave) in states {
        for repeat in [true, false] {
            let (world, ids, before) = world();
            leave(&world, &ids);
            let process = world.start(Faults::new());
            if repeat {
                let made = make(&process, &ids).served();
                assert_eq!(made.group_snapshot_id, ID, "{state}");
                for snapshot in &made.snapshots {
                    let old = SNAPS
                        .iter()
                        .any(|uuid| snapshot.snapshot_id.ends_with(uuid));
                    assert!(!old, "{state}: it may be of another moment");
                }
                assert_eq!(snapshots(&world), 2, "{state}");
            }
            process.delete_group(ID, &[]).served();
            nothing_left(&world, &before, &format!("{state}, repeat {repeat}"));
            process.kill();
        }
    }
}
