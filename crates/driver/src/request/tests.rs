//! What good requests become. What bad ones are told is in `tests/bad_input.rs`.

use std::collections::BTreeMap;

use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, MountVolume};
use csi_proto::v1::{CapacityRange, VolumeCapability};

use super::*;
use crate::mount::Access;

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    let entries = entries.iter();
    let entries = entries.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    entries.collect()
}

fn capability(mode: Mode) -> VolumeCapability {
    let mount = MountVolume {
        mount_flags: vec!["noatime".to_owned()],
        ..MountVolume::default()
    };
    VolumeCapability {
        access_mode: Some(AccessMode { mode: mode.into() }),
        access_type: Some(AccessType::Mount(mount)),
    }
}

#[test]
fn access_modes_say_who_may_write() {
    for (mode, access) in [
        (Mode::SingleNodeWriter, Access::ReadWrite),
        (Mode::SingleNodeReaderOnly, Access::ReadOnly),
        (Mode::MultiNodeReaderOnly, Access::ReadOnly),
        (Mode::MultiNodeSingleWriter, Access::ReadWrite),
        (Mode::MultiNodeMultiWriter, Access::ReadWrite),
        (Mode::SingleNodeSingleWriter, Access::ReadWrite),
        (Mode::SingleNodeMultiWriter, Access::ReadWrite),
    ] {
        let parsed = Capability::parse(&capability(mode)).unwrap();
        assert_eq!(parsed.access, access, "{mode:?}");
        assert_eq!(parsed.mount_flags, ["noatime"]);
    }
}

#[test]
fn parameters_are_kept_for_the_node_and_the_sidecars_own_are_not() {
    let parsed = Parameters::parse(&map(&[
        ("clusterID", "c1"),
        ("fsName", "cephfs"),
        ("pool", "fast"),
        ("volumeNamePrefix", "shop-"),
        ("mounter", "fuse"),
        ("somethingNew", "1"),
        ("csi.storage.k8s.io/pvc/name", "data"),
        ("csi.storage.k8s.io/pvc/namespace", "shop"),
        ("csi.storage.k8s.io/pv/name", "pvc-1"),
        ("csi.storage.k8s.io/provisioner-secret-name", "secret"),
    ]));
    let expected = Parameters {
        cluster_id: "c1".to_owned(),
        fs_name: "cephfs".to_owned(),
        pool: Some("fast".to_owned()),
        name_prefix: Some("shop-".to_owned()),
        backing_snapshot: None,
        pvc_namespace: Some("shop".to_owned()),
        metadata: map(&[
            ("csi.storage.k8s.io/pvc/name", "data"),
            ("csi.storage.k8s.io/pvc/namespace", "shop"),
            ("csi.storage.k8s.io/pv/name", "pvc-1"),
        ]),
        context: map(&[
            ("clusterID", "c1"),
            ("fsName", "cephfs"),
            ("pool", "fast"),
            ("volumeNamePrefix", "shop-"),
            ("mounter", "fuse"),
            ("somethingNew", "1"),
        ]),
    };
    assert_eq!(parsed.unwrap(), expected);
}

#[test]
fn a_prefix_may_be_as_long_as_the_name_of_a_directory_allows() {
    let with = |prefix: &str| {
        let required = [("clusterID", "c1"), ("fsName", "cephfs")];
        Parameters::parse(&map(&[
            required[0],
            required[1],
            ("volumeNamePrefix", prefix),
        ]))
    };
    assert!(with(&"p".repeat(219)).is_ok());
    assert!(with(&"p".repeat(220)).is_err());
    assert!(with("shop.eu_1-").is_ok());
}

#[test]
fn no_range_is_no_quota_and_an_empty_one_is_the_smallest() {
    let mut request = csi_proto::v1::CreateVolumeRequest {
        name: "pvc-1".to_owned(),
        volume_capabilities: vec![capability(Mode::MultiNodeMultiWriter)],
        parameters: map(&[("clusterID", "c1"), ("fsName", "cephfs")]),
        secrets: map(&[
            ("userID", "client.k8s"),
            ("userKey", "AQAA7wNrwnFsKxAA9yLs/wca7PSw4UUYf1UIgA=="),
        ]),
        ..Default::default()
    };
    let parsed = CreateVolume::parse(&request).unwrap();
    assert_eq!((parsed.size, parsed.credentials.id.as_str()), (None, "k8s"));
    request.capacity_range = Some(CapacityRange::default());
    let parsed = CreateVolume::parse(&request).unwrap();
    assert_eq!(parsed.size.unwrap().quota(), 4 << 20);
}
