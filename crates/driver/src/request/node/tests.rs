use std::collections::BTreeMap;

use csi_proto::v1::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};

use super::*;
use crate::error::Error;
use crate::mount::{MounterKind, Snapshot, SnapshotName};

const ID: &str = "0001-0003-lab-0000000000000001-a0a0a0a0-b1b1-c2c2-d3d3-e4e4e4e4e4e4";
const KEY: &str = "AQAA7wNrwnFsKxAA9yLs/wca7PSw4UUYf1UIgA==";

fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn request<const N: usize>(id: &str, context: [(&str, &str); N]) -> v1::NodeStageVolumeRequest {
    v1::NodeStageVolumeRequest {
        volume_id: id.to_owned(),
        staging_target_path: "/stage/globalmount/".to_owned(),
        volume_capability: Some(v1::VolumeCapability {
            access_mode: Some(AccessMode {
                mode: Mode::MultiNodeMultiWriter.into(),
            }),
            access_type: Some(AccessType::Mount(MountVolume::default())),
        }),
        secrets: map([("userID", "client.node"), ("userKey", KEY)]),
        volume_context: map(context),
        ..v1::NodeStageVolumeRequest::default()
    }
}

fn source<const N: usize>(id: &str, context: [(&str, &str); N]) -> Result<Source, Error> {
    StageVolume::parse(&request(id, context)).map(|parsed| parsed.source)
}

fn place<const N: usize>(context: [(&str, &str); N]) -> Option<Place> {
    match source(ID, context).unwrap() {
        Source::Dynamic { place, .. } => place,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_dynamic_volume_is_where_its_own_subvolume_is() {
    let root = "/volumes/csi/csi-vol-1/u";
    let context = [
        ("fsName", "fs"),
        ("subvolumeName", "csi-vol-1"),
        ("subvolumePath", root),
    ];
    let expected = Place {
        fs_name: Some("fs".to_owned()),
        root: root.to_owned(),
        snapshot: None,
    };
    assert_eq!(place(context), Some(expected));
}

#[test]
fn a_context_that_leaves_doubts_leads_to_the_journal() {
    let fs = ("fsName", "fs");
    let name = ("subvolumeName", "csi-vol-1");
    let path = ("subvolumePath", "/volumes/csi/csi-vol-1/u");
    let parents = ("subvolumePath", "/volumes/csi/csi-vol-parent/");
    assert_eq!(place([fs]), None);
    assert_eq!(place([fs, path]), None);
    assert_eq!(place([name, path]), None);
    assert_eq!(place([fs, name, parents]), None);
    assert_eq!(place([fs, ("subvolumeName", ""), path]), None);
    assert_eq!(place([fs, name, path, ("encrypted", "false")]), None);
}

#[test]
fn a_volume_that_shows_a_snapshot_says_which() {
    let context = [
        ("fsName", "fs"),
        ("subvolumeName", "csi-vol-1"),
        ("subvolumePath", "/volumes/csi/csi-vol-parent/"),
        ("backingSnapshotID", "0001-x"),
        ("backingSnapshotName", "csi-snap-1"),
    ];
    let expected = Place {
        fs_name: Some("fs".to_owned()),
        root: "/volumes/csi/csi-vol-parent/".to_owned(),
        snapshot: SnapshotName::new("csi-snap-1").map(Snapshot::OfSubvolume),
    };
    assert_eq!(place(context), Some(expected));

    // What a volume of this driver would not say leads to the journal.
    let [fs, name, parents, id, snapshot] = context;
    let own = ("subvolumePath", "/volumes/csi/csi-vol-1/u");
    assert_eq!(place([fs, name, parents, id]), None);
    assert_eq!(place([fs, name, own, id]), None);
    assert_eq!(place([fs, name, own, snapshot]), None);
    for odd in ["", "..", "a/b"] {
        assert_eq!(place([fs, name, parents, (snapshot.0, odd)]), None);
    }
}

#[test]
fn static_volumes_can_show_a_snapshot() {
    let id = ("backingSnapshotID", "snap-1");
    let statics = [("staticVolume", "true"), ("clusterID", "lab")];
    let old = [("monitors", "192.0.2.1"), ("provisionVolume", "false")];
    for [a, b] in [statics, old] {
        let parsed = source("my-handle", [a, b, ("rootPath", "/s"), id]).unwrap();
        let (Source::Static { place, .. } | Source::Monitors { place, .. }) = parsed else {
            panic!("{parsed:?}");
        };
        let expected = Snapshot::Containing("snap-1".to_owned());
        assert_eq!(place.snapshot, Some(expected));
        let empty = source("my-handle", [a, b, ("rootPath", "/s"), (id.0, "")]);
        assert!(empty.is_err(), "{empty:?}");
    }
}

#[test]
fn static_volumes_of_both_kinds_are_read() {
    let modern = [
        ("staticVolume", "true"),
        ("clusterID", "lab"),
        ("rootPath", "/shared"),
        ("fsName", "fs"),
    ];
    let expected = Source::Static {
        cluster_id: "lab".to_owned(),
        place: Place {
            fs_name: Some("fs".to_owned()),
            root: "/shared".to_owned(),
            snapshot: None,
        },
    };
    assert_eq!(source("my-handle", modern).unwrap(), expected);

    let old = [
        ("monitors", "192.0.2.1"),
        ("provisionVolume", "false"),
        ("rootPath", "/shared"),
    ];
    let expected = |monitors: &str, root: &str| Source::Monitors {
        monitors: monitors.to_owned(),
        place: Place {
            fs_name: None,
            root: root.to_owned(),
            snapshot: None,
        },
    };
    assert_eq!(
        source("my-handle", old).unwrap(),
        expected("192.0.2.1", "/shared")
    );
    let made = [
        ("monitors", "192.0.2.1"),
        ("provisionVolume", "true"),
        ("pool", "data"),
    ];
    assert_eq!(
        source("vol", made).unwrap(),
        expected("192.0.2.1", "/csi-volumes/vol")
    );

    let mut with_secret = request("my-handle", old);
    with_secret
        .secrets
        .insert("monitors".to_owned(), "192.0.2.9".to_owned());
    let parsed = StageVolume::parse(&with_secret).unwrap();
    assert_eq!(parsed.source, expected("192.0.2.9", "/shared"));
}

#[test]
fn volumes_that_would_be_mounted_wrongly_are_refused() {
    let statics = [
        ("staticVolume", "true"),
        ("clusterID", "lab"),
        ("rootPath", "/s"),
    ];
    for id in [ID, "my-handle"] {
        let [a, b, c] = statics;
        let parsed = source(id, [a, b, c, ("encrypted", "true")]);
        assert!(matches!(parsed, Err(Error::Unserved { .. })), "{parsed:?}");
    }
    let [a, b, c] = statics;
    let mut request = request("my-handle", [a, b, c, ("encrypted", "false")]);
    StageVolume::parse(&request).unwrap();
    request
        .secrets
        .insert("encryptionPassphrase".to_owned(), "x".to_owned());
    let parsed = StageVolume::parse(&request);
    assert!(matches!(parsed, Err(Error::Unserved { .. })), "{parsed:?}");
}

#[test]
fn the_rest_of_a_stage_request_is_read() {
    let options = [
        ("mounter", "kernel"),
        ("fuseMountOptions", "a"),
        ("kernelMountOptions", "b"),
    ];
    let parsed = StageVolume::parse(&request(ID, options)).unwrap();
    assert_eq!(parsed.staging, Path::new("/stage/globalmount"));
    assert_eq!(parsed.credentials.id, "node");
    let expected = ClientOptions {
        mounter: MounterKind::Kernel,
        fuse: "a".to_owned(),
        kernel: "b".to_owned(),
    };
    assert_eq!(parsed.client, expected);
    let parsed = StageVolume::parse(&request(ID, [])).unwrap();
    assert_eq!(parsed.client.mounter, MounterKind::Any);
}

type Change = fn(&mut v1::NodeStageVolumeRequest);

/// How a good request is spoilt, and what the error names.
const SPOILT: [(Change, &str); 18] = [
    (|r| r.volume_id.clear(), "volume_id"),
    (|r| r.volume_id = "x".repeat(129), "volume_id"),
    (|r| r.volume_id = "handle".to_owned(), "staticVolume"),
    (|r| r.staging_target_path.clear(), "staging_target_path"),
    (
        |r| r.staging_target_path = "stage".to_owned(),
        "is not absolute",
    ),
    (
        |r| r.staging_target_path = "/a/../b".to_owned(),
        "contains `..`",
    ),
    (|r| r.staging_target_path = "/a\0b".to_owned(), "zero byte"),
    (|r| r.volume_capability = None, "volume_capability"),
    (|r| spoil(r, |c| c.access_type = None), "access_type"),
    (
        |r| {
            let block = Some(AccessType::Block(BlockVolume {}));
            r.volume_capability.as_mut().unwrap().access_type = block;
        },
        "block",
    ),
    (|r| spoil(r, |c| c.access_mode = None), "access_mode"),
    (|r| r.secrets.clear(), "secret is empty"),
    (|r| drop(r.secrets.remove("userKey")), "'userKey'"),
    (
        |r| drop(r.volume_context.insert("mounter".into(), "nfs".into())),
        "mounter `nfs`",
    ),
    (
        |r| drop(r.volume_context.insert("mounter".into(), String::new())),
        "cannot be empty",
    ),
    (
        |r| drop(r.volume_context.insert("encrypted".into(), "yes".into())),
        "`yes`",
    ),
    (
        |r| {
            r.volume_id = "handle".to_owned();
            r.volume_context = map([("staticVolume", "true"), ("rootPath", "/")]);
        },
        "clusterID",
    ),
    (
        |r| {
            r.volume_id = "handle".to_owned();
            r.volume_context = map([("monitors", "m"), ("provisionVolume", "perhaps")]);
        },
        "`perhaps`",
    ),
];

fn spoil(request: &mut v1::NodeStageVolumeRequest, change: fn(&mut v1::VolumeCapability)) {
    change(request.volume_capability.as_mut().unwrap());
}

#[test]
fn malformed_stage_requests_are_refused_by_field() {
    for (change, text) in SPOILT {
        let mut request = request(ID, []);
        change(&mut request);
        let status = crate::status::of(&StageVolume::parse(&request).unwrap_err());
        assert_eq!(
            status.code(),
            tonic::Code::InvalidArgument,
            "{}",
            status.message()
        );
        assert!(
            status.message().contains(text),
            "`{text}`: {}",
            status.message()
        );
        assert!(!status.message().contains(KEY));
    }
}

#[test]
fn malformed_requests_of_the_other_rpcs_are_refused_by_field() {
    let publish = v1::NodePublishVolumeRequest {
        volume_id: "v".to_owned(),
        target_path: "/t".to_owned(),
        volume_capability: request(ID, []).volume_capability,
        ..v1::NodePublishVolumeRequest::default()
    };
    assert_eq!(PublishVolume::parse(&publish).unwrap().staging, None);
    let missing = |field| Some(super::Error::Missing(field));
    let without_id = v1::NodePublishVolumeRequest {
        volume_id: String::new(),
        ..publish.clone()
    };
    assert_eq!(
        PublishVolume::parse(&without_id).err(),
        missing("volume_id")
    );
    let without_target = v1::NodePublishVolumeRequest {
        target_path: String::new(),
        ..publish
    };
    assert_eq!(
        PublishVolume::parse(&without_target).err(),
        missing("target_path")
    );
    assert_eq!(
        UnpublishVolume::parse(&v1::NodeUnpublishVolumeRequest::default()).err(),
        missing("volume_id")
    );
    assert_eq!(
        UnstageVolume::parse(&v1::NodeUnstageVolumeRequest::default()).err(),
        missing("volume_id")
    );
    assert_eq!(
        VolumeStats::parse(&v1::NodeGetVolumeStatsRequest::default()).err(),
        missing("volume_id")
    );
    assert_eq!(
        VolumeHealth::parse(&v1::NodeGetVolumeHealthRequest::default()).err(),
        missing("volume_id")
    );
    let stats = v1::NodeGetVolumeStatsRequest {
        volume_id: "v".to_owned(),
        ..v1::NodeGetVolumeStatsRequest::default()
    };
    assert_eq!(VolumeStats::parse(&stats).err(), missing("volume_path"));
}
