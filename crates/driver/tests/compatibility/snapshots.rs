//! Snapshots that ceph-csi made, wholly or by half, and ours in its eyes.

use std::sync::Arc;
use std::time::Duration;

use ceph::fault::Faults;
use ceph::mgr::MgrVolumes;
use ceph::{Context, Snapshot, Snapshots as _, Subvolume};

use crate::support::{World, block_on};
use crate::{ID, UUID, original, set};

const NAME: &str = "snapshot-7d0c2f7a-5f5e-4f0e-9d3c-3a1b8c6e2f10";
const SNAP_UUID: &str = "9b1d7c52-30cf-4d3b-8a44-1f5b6c7d8e9f";
const SNAP_ID: &str = "0001-0002-c1-0000000000000001-9b1d7c52-30cf-4d3b-8a44-1f5b6c7d8e9f";

fn source() -> String {
    format!("csi-vol-{UUID}")
}

/// Takes a snapshot of [`source`] as ceph-csi would.
fn take(world: &World, name: &str) {
    let at = Snapshot {
        of: Subvolume {
            fs: "cephfs".to_owned(),
            group: "csi".to_owned(),
            name: source(),
        },
        name: name.to_owned(),
    };
    let cx = Context::with_timeout(Duration::from_secs(10));
    let snapshots = MgrVolumes::new(Arc::clone(&world.memory.client()));
    block_on(async { snapshots.create(&cx, &at).await.unwrap() });
}

fn directory(world: &World) {
    let key = format!("csi.snap.{NAME}");
    set(world, "csi.snaps.default", &[(&key, SNAP_UUID)]);
}

/// A record as ceph-csi writes it, the owner under the empty key.
fn record(world: &World, name: &str) {
    let keys = [
        ("csi.snapname", NAME),
        ("csi.imagename", name),
        ("csi.source", &*source()),
        ("", "shop"),
    ];
    set(world, &format!("csi.snap.{SNAP_UUID}"), &keys);
}

#[test]
fn what_is_stored_and_answered() {
    let world = World::new();
    original(&world, &source());
    let process = world.start(Faults::new());
    let before = world.leftovers();
    let made = process.snapshot(NAME, ID).served();
    let uuid = made
        .snapshot_id
        .strip_prefix("0001-0002-c1-0000000000000001-");
    let uuid = uuid.unwrap();
    assert_eq!(made.source_volume_id, ID);
    assert_eq!((made.size_bytes, made.ready_to_use), (1 << 30, true));

    let subvolumes = world.memory.subvolumes();
    let (name, state) = subvolumes[0].1.snapshots.first_key_value().unwrap();
    assert_eq!(*name, format!("csi-snap-{uuid}"));
    let told = made.creation_time.unwrap();
    let nanoseconds = state.created_at.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    let microseconds = nanoseconds.timestamp().as_microsecond();
    assert_eq!(
        told.seconds * 1_000_000 + i64::from(told.nanos / 1000),
        microseconds
    );
    let metadata = [
        ("csi.ceph.com/cluster/name", "kubernetes"),
        ("csi.storage.k8s.io/volumesnapshot/name", "nightly"),
        ("csi.storage.k8s.io/volumesnapshot/namespace", "shop"),
        ("csi.storage.k8s.io/volumesnapshotcontent/name", NAME),
    ];
    let stored = state.metadata.iter();
    let stored: Vec<_> = stored.map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(stored, metadata);

    let mut theirs = world.leftovers();
    theirs.retain(|left| left.contains(" key csi.snap") || left.contains("csi.snap."));
    theirs.retain(|left| !left.contains("spirula."));
    let expected = [
        format!("csi.snap.{uuid} key csi.imagename"),
        format!("csi.snap.{uuid} key csi.snapname"),
        format!("csi.snap.{uuid} key csi.source"),
        format!("csi.snap.{uuid} key csi.volume.owner"),
        format!("object csi.snap.{uuid}"),
        format!("csi.snaps.default key csi.snap.{NAME}"),
    ];
    assert_eq!(theirs, expected);
    process.delete_snapshot(&made.snapshot_id).served();
    assert_eq!(world.leftovers(), before);
    process.kill();
}

#[test]
fn a_snapshot_of_the_original_lives_on() {
    for name in [format!("csi-snap-{SNAP_UUID}"), format!("k8s-{SNAP_UUID}")] {
        let world = World::new();
        original(&world, &source());
        let before = world.leftovers();
        directory(&world);
        record(&world, &name);
        take(&world, &name);
        let process = world.start(Faults::new());
        let seen = process.get_snapshot(SNAP_ID).served().snapshot.unwrap();
        assert_eq!((&*seen.snapshot_id, &*seen.source_volume_id), (SNAP_ID, ID));
        // The original answered and died before the sidecar heard it.
        assert_eq!(process.snapshot(NAME, ID).served(), seen);
        process.delete_snapshot(SNAP_ID).served();
        assert_eq!(world.leftovers(), before);
        assert!(world.memory.subvolumes()[0].1.snapshots.is_empty());
        process.kill();
    }
}

/// An object without keys.
fn begun(world: &World) {
    set(world, &format!("csi.snap.{SNAP_UUID}"), &[]);
}

/// In each of these states the original's process can have died.
#[test]
fn what_the_original_left_by_half_is_taken_up_or_deleted() {
    let named = |world: &World| {
        begun(world);
        directory(world);
    };
    let reserved = |world: &World| {
        directory(world);
        record(world, &format!("csi-snap-{SNAP_UUID}"));
    };
    let unkeyed = |world: &World| {
        let name = format!("csi-snap-{SNAP_UUID}");
        record(world, &name);
        take(world, &name);
    };
    // Each with whether the name leads to it, so that a repeat gets its id.
    let states = [
        (
            "an object that nothing leads to",
            begun as fn(&World),
            false,
        ),
        ("an object without keys", named, true),
        ("a key without object", directory, true),
        ("a record without snapshot", reserved, true),
        ("a snapshot whose key is gone", unkeyed, false),
    ];
    for (state, make, leads) in states {
        for repeat in [true, false] {
            let world = World::new();
            original(&world, &source());
            let before = world.leftovers();
            make(&world);
            let process = world.start(Faults::new());
            if repeat {
                let made = process.snapshot(NAME, ID).served();
                assert_eq!(made.snapshot_id == SNAP_ID, leads, "{state}");
                process.delete_snapshot(&made.snapshot_id).served();
            }
            process.delete_snapshot(SNAP_ID).served();
            assert_eq!(world.leftovers(), before, "{state}, repeat {repeat}");
            let subvolumes = world.memory.subvolumes();
            assert!(subvolumes[0].1.snapshots.is_empty(), "{state}");
            process.kill();
        }
    }
}

#[test]
fn snapshots_of_encrypted_volumes_are_left_alone() {
    let world = World::new();
    original(&world, &source());
    directory(&world);
    let name = format!("csi-snap-{SNAP_UUID}");
    record(&world, &name);
    let kms = [("csi.volume.encryptKMS", "vault")];
    set(&world, &format!("csi.snap.{SNAP_UUID}"), &kms);
    take(&world, &name);
    let before = world.leftovers();
    let process = world.start(Faults::new());
    let refused = process.delete_snapshot(SNAP_ID).refused();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
    assert_eq!(world.leftovers(), before);
    process.kill();
}
