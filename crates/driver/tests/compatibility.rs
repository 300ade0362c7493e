//! Drop-in: what this driver stores and answers is what ceph-csi stores and answers, and what ceph-csi
//! left behind, even half done, is served. The expected forms are written out by hand from its format.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "compatibility/snapshots.rs"]
mod snapshots;
#[allow(dead_code, reason = "each test uses its part of the support")]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ceph::fault::Faults;
use ceph::mgr::MgrVolumes;
use ceph::subvolume::CreateOptions;
use ceph::{Context, Object, Subvolume, Subvolumes as _, WriteOp, WriteStep};
use csi_proto::v1::controller_server::Controller as _;
use support::{World, block_on, create_request};
use tonic::Request;

const NAME: &str = "pvc-2a7c9a4e-1111-4222-8333-444455556666";
const UUID: &str = "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
const ID: &str = "0001-0002-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";

/// Writes an omap as ceph-csi would.
fn set(world: &World, object: &str, pairs: &[(&str, &str)]) {
    let pool = world.metadata_pool;
    let object = Object {
        pool,
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
    block_on(async {
        world
            .memory
            .client()
            .write(&cx, &object, write)
            .await
            .unwrap();
    });
}

/// Makes a subvolume as ceph-csi would.
fn subvolume(world: &World, name: &str, gib: u64) {
    let at = Subvolume {
        fs: "cephfs".to_owned(),
        group: "csi".to_owned(),
        name: name.to_owned(),
    };
    let options = CreateOptions {
        size: Some(gib << 30),
        pool: None,
    };
    let cx = Context::with_timeout(Duration::from_secs(10));
    let subvolumes = MgrVolumes::new(Arc::clone(&world.memory.client()));
    block_on(async {
        subvolumes.create(&cx, &at, &options).await.unwrap();
    });
}

fn directory_key() -> String {
    format!("csi.volume.{NAME}")
}

/// A complete volume of ceph-csi's.
fn original(world: &World, name: &str) {
    set(world, "csi.volumes.default", &[(&directory_key(), UUID)]);
    let record = [
        ("csi.volname", NAME),
        ("csi.imagename", name),
        ("csi.volume.owner", "shop"),
    ];
    set(world, &format!("csi.volume.{UUID}"), &record);
    subvolume(world, name, 1);
}

#[test]
fn the_answer_and_what_is_stored() {
    let world = World::new();
    let process = world.start(Faults::new());
    let mut request = create_request(NAME, 1);
    let more = [
        ("mounter", "fuse"),
        ("fuseMountOptions", "debug"),
        ("volumeNamePrefix", "k8s-"),
        ("unknown", "kept"),
    ];
    request
        .parameters
        .extend(more.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let made = process
        .call(|service| async move { service.create_volume(Request::new(request)).await })
        .served();
    let volume = made.volume.unwrap();
    let uuid = volume
        .volume_id
        .strip_prefix("0001-0002-c1-0000000000000001-")
        .unwrap();
    assert_eq!(volume.capacity_bytes, 1 << 30);
    assert_eq!(volume.content_source, None);
    assert_eq!(volume.accessible_topology, []);

    let subvolumes = world.memory.subvolumes();
    assert_eq!(subvolumes[0].0.name, format!("k8s-{uuid}"));
    let context = [
        ("clusterID", "c1".to_owned()),
        ("fsName", "cephfs".to_owned()),
        ("mounter", "fuse".to_owned()),
        ("fuseMountOptions", "debug".to_owned()),
        ("volumeNamePrefix", "k8s-".to_owned()),
        ("unknown", "kept".to_owned()),
        ("subvolumeName", format!("k8s-{uuid}")),
        ("subvolumePath", subvolumes[0].1.path.clone()),
    ];
    let context: BTreeMap<_, _> = context
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    assert_eq!(volume.volume_context, context);

    let metadata = [
        ("csi.storage.k8s.io/pvc/name", "data"),
        ("csi.storage.k8s.io/pvc/namespace", "shop"),
        ("csi.storage.k8s.io/pv/name", NAME),
        ("csi.ceph.com/cluster/name", "kubernetes"),
    ];
    let metadata: BTreeMap<_, _> = metadata
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    assert_eq!(world.only_metadata(), metadata);

    let theirs = |left: &String| left.contains(" key csi.");
    let stored: Vec<_> = world.leftovers().into_iter().filter(theirs).collect();
    let expected = [
        format!("csi.volume.{uuid} key csi.imagename"),
        format!("csi.volume.{uuid} key csi.volname"),
        format!("csi.volume.{uuid} key csi.volume.owner"),
        format!("csi.volumes.default key csi.volume.{NAME}"),
    ];
    assert_eq!(stored, expected);
    process.kill();
}

#[test]
fn a_volume_of_the_original_lives_on() {
    for name in [format!("csi-vol-{UUID}"), format!("other-prefix-{UUID}")] {
        let world = World::new();
        original(&world, &name);
        let before = world.leftovers();
        let process = world.start(Faults::new());
        assert!(process.validate(ID).served().confirmed.is_some());
        assert_eq!(process.expand(ID, 4).served().capacity_bytes, 4 << 30);
        assert_eq!(world.memory.subvolumes()[0].1.quota, Some(4 << 30));
        assert_eq!(
            world.leftovers(),
            before,
            "its record stays as ceph-csi wrote it"
        );
        process.delete(ID).served();
        assert_eq!(world.leftovers(), Vec::<String>::new());
        process.kill();
    }
}

/// ceph-csi answered and died before the sidecar heard it.
#[test]
fn a_creation_of_the_original_is_repeated() {
    let world = World::new();
    original(&world, &format!("csi-vol-{UUID}"));
    let process = world.start(Faults::new());
    let volume = process.create(NAME, 1).served().volume.unwrap();
    assert_eq!(volume.volume_id, ID);
    assert_eq!(
        volume.volume_context["subvolumeName"],
        format!("csi-vol-{UUID}")
    );
    assert_eq!(
        process.create(NAME, 2).refused().code(),
        tonic::Code::AlreadyExists
    );
    process.delete(ID).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

/// ceph-csi writes the record before the directory key.
#[test]
fn a_record_of_the_original_without_a_key_is_deleted() {
    let world = World::new();
    let record = [("csi.volname", NAME), ("csi.imagename", "x-1")];
    set(&world, &format!("csi.volume.{UUID}"), &record);
    subvolume(&world, "x-1", 1);
    let process = world.start(Faults::new());
    process.delete(ID).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

/// ceph-csi removes the record before the directory key.
#[test]
fn a_key_of_the_original_without_a_record_is_taken_up_or_deleted() {
    let world = World::new();
    set(&world, "csi.volumes.default", &[(&directory_key(), UUID)]);
    let process = world.start(Faults::new());
    let volume = process.create(NAME, 1).served().volume.unwrap();
    assert_eq!(volume.volume_id, ID);
    process.delete(ID).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());

    set(&world, "csi.volumes.default", &[(&directory_key(), UUID)]);
    process.delete(ID).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

#[test]
fn a_subvolume_without_any_journal_is_deleted_by_its_id() {
    let world = World::new();
    subvolume(&world, &format!("csi-vol-{UUID}"), 1);
    let process = world.start(Faults::new());
    process.delete(ID).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}

/// What this release does not serve is refused, and neither deleted nor grown as if it were plain.
#[test]
fn encrypted_volumes_are_left_alone() {
    let world = World::new();
    original(&world, &format!("csi-vol-{UUID}"));
    let extra = [("csi.volume.encryptKMS", "vault")];
    set(&world, &format!("csi.volume.{UUID}"), &extra);
    let before = world.leftovers();
    let process = world.start(Faults::new());
    let refused = process.delete(ID).refused();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
    let refused = process.expand(ID, 4).refused();
    assert_eq!(refused.code(), tonic::Code::Unimplemented);
    assert_eq!(world.leftovers(), before);
    process.kill();
}
