//! GetCapacity.

use ceph::fault::{Fault, Faults};
use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, BlockVolume, access_mode::Mode};
use csi_proto::v1::{GetCapacityRequest, VolumeCapability};
use tonic::{Code, Request};

use crate::lab::lab;
use crate::support::World;

#[test]
fn the_room_in_the_pool_that_the_parameters_lead_to() {
    let (world, process) = lab();
    world.memory.create_filesystem("other");
    world.memory.set_room("cephfs-data", 5 << 30);
    world.memory.set_room("other-data", 7 << 30);
    let available = |parameters: &[(&str, &str)]| {
        process.capacity(parameters).served().available_capacity >> 30
    };
    assert_eq!(available(&[("clusterID", "c1"), ("fsName", "cephfs")]), 5);
    assert_eq!(available(&[("clusterID", "c1"), ("fsName", "other")]), 7);
    assert_eq!(
        available(&[("clusterID", "c1"), ("pool", "cephfs-data")]),
        5
    );
    assert_eq!(available(&[("clusterID", "c1")]), 7);
    assert_eq!(available(&[]), 7);
    world.memory.set_room("other-data", 0);
    assert_eq!(available(&[("fsName", "other")]), 0);
    process.kill();
}

#[test]
fn a_pool_that_is_not_counted_yet_is_not_full() {
    let (world, process) = lab();
    world.memory.forget_room("cephfs-data");
    let refusal = process.capacity(&[("fsName", "cephfs")]).refused();
    assert_eq!(refusal.code(), Code::Aborted, "{refusal}");
    assert!(
        refusal.message().contains("no figures of the pool yet"),
        "{refusal}"
    );
    process.kill();
}

#[test]
fn what_is_not_there_has_no_capacity_but_an_error() {
    let (_world, process) = lab();
    let cases = [
        (
            &[("clusterID", "c2")][..],
            "clusterID `c2` is not in config.json; it has: c1",
        ),
        (
            &[("fsName", "nofs")],
            "cluster `c1`: `parameters.fsName`: file system `nofs`: not found: this user sees: cephfs",
        ),
        (
            &[("pool", "rbd")],
            "cluster `c1`: `parameters.pool`: `rbd` is no data pool; there are: cephfs-data",
        ),
        (
            &[("pool", "")],
            "`parameters.pool`: cannot be empty; give it a value or leave it out",
        ),
    ];
    for (parameters, message) in cases {
        let refusal = process.capacity(parameters).refused();
        assert_eq!(
            (refusal.code(), refusal.message()),
            (Code::InvalidArgument, message)
        );
    }
    process.kill();
}

#[test]
fn there_is_no_room_for_block_volumes() {
    let (_world, process) = lab();
    let mode = Mode::SingleNodeWriter.into();
    let block = VolumeCapability {
        access_mode: Some(AccessMode { mode }),
        access_type: Some(AccessType::Block(BlockVolume {})),
    };
    let request = GetCapacityRequest {
        volume_capabilities: vec![block],
        ..Default::default()
    };
    let answer =
        process.call(|service| async move { service.get_capacity(Request::new(request)).await });
    assert_eq!(answer.served().available_capacity, 0);
    process.kill();
}

#[test]
fn a_cluster_that_is_away_has_no_capacity_but_an_error() {
    let world = World::new();
    world.give_credentials("c1");
    let faults = Faults::new();
    let away = ceph::Error::new(
        ceph::ErrorKind::Unreachable,
        "connect",
        "no monitor answers",
    );
    faults.always(|_| true, Fault::Fail(away));
    let process = world.start(faults);
    let refusal = process.capacity(&[]).refused();
    assert_eq!(refusal.code(), Code::Unavailable, "{refusal}");
    process.kill();
}
