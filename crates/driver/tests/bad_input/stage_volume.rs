//! NodeStageVolume.

use std::collections::BTreeMap;

use csi_proto::v1::NodeStageVolumeRequest;
use csi_proto::v1::node_server::Node as _;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, BlockVolume};
use spirula::mount::memory::Health;
use tonic::Code::{
    AlreadyExists, DeadlineExceeded, FailedPrecondition, InvalidArgument, NotFound, Ok as Served,
    Unimplemented,
};
use tonic::{Request, Status};

use crate::ids;
use crate::lab::{Lab, STAGING};
use crate::support::{mount_capability, secrets};
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    dynamic(report);
    dynamic_by_journal(report);
    undecodable(report);
    r#static(report);
}

fn dynamic(report: &mut Report) {
    let good = |_: &Lab| request();
    report.check("NodeStageVolume, fields", lab, good, send, FIELDS);
    report.secrets("NodeStageVolume", lab, good, send);
    report.check("NodeStageVolume, context", lab, good, send, CONTEXT);
    let broken = || Lab::with_config("[{");
    report.check("NodeStageVolume, config", broken, good, send, CONFIG);
    report.check("NodeStageVolume, again", staged, good, send, AGAIN);
    let foreign = || {
        let lab = Lab::new();
        lab.mounts.mount_foreign(STAGING);
        lab
    };
    report.check("NodeStageVolume, foreign", foreign, good, send, FOREIGN);
    let hanging = || {
        let lab = staged();
        lab.mounts.set_health(STAGING, Health::Hanging);
        lab
    };
    report.check("NodeStageVolume, hanging", hanging, good, send, HANGING);
}

/// Volumes whose context does not tell where they are.
fn dynamic_by_journal(report: &mut Report) {
    let unplaced = |_: &Lab| {
        let mut request = request();
        request.volume_context.remove("subvolumePath");
        request
    };
    report.check(
        "NodeStageVolume, by journal",
        Lab::new,
        unplaced,
        send,
        BY_JOURNAL,
    );
    let snapshot = || Lab::with_stored(ids::SNAPSHOT_BACKED);
    report.check(
        "NodeStageVolume, shallow",
        snapshot,
        unplaced,
        send,
        SNAPSHOT_BACKED,
    );
    let backed_by = |id| Lab::with_stored(&[("csi.volume.backingsnapshotid", id)]);
    for (name, id, cases) in [
        ("gone", ids::STORED, SNAPSHOT_GONE),
        ("elsewhere", ids::OTHER_FILE_SYSTEM, SNAPSHOT_ELSEWHERE),
    ] {
        let name = format!("NodeStageVolume, shallow, {name}");
        report.check(&name, || backed_by(id), unplaced, send, cases);
    }
    let encrypted = || Lab::with_stored(ids::ENCRYPTED);
    report.check(
        "NodeStageVolume, encrypted",
        encrypted,
        unplaced,
        send,
        ENCRYPTED,
    );
    let regrouped = || {
        let lab = Lab::with_stored(&[]);
        lab.write_config(ids::OTHER_GROUP);
        lab
    };
    report.check(
        "NodeStageVolume, other group",
        regrouped,
        unplaced,
        send,
        OTHER_GROUP,
    );
}

fn undecodable(report: &mut Report) {
    for (name, id, why) in ids::UNDECODABLE {
        let lab = Lab::new();
        let name = format!("NodeStageVolume, {name}");
        let message = format!(
            "`volume_id`: volume id `{id}` {why}; a static volume has `staticVolume: \"true\"`, \
             `clusterID` and `rootPath` in its volume attributes"
        )
        .replace(ids::UUID, "<uuid>");
        let mut request = request();
        request.volume_id = (*id).to_owned();
        report.one(&name, &lab, InvalidArgument, &message, || {
            send(&lab, request)
        });
    }
}

fn r#static(report: &mut Report) {
    let good = |_: &Lab| {
        context([
            ("staticVolume", "true"),
            ("clusterID", "c1"),
            ("fsName", "cephfs"),
            ("rootPath", "/data"),
        ])
    };
    report.check("NodeStageVolume, static", lab, good, send, STATIC);
    let monitors = |_: &Lab| {
        context([
            ("monitors", "127.0.0.1:6789"),
            ("provisionVolume", "false"),
            ("rootPath", "/data"),
        ])
    };
    report.check(
        "NodeStageVolume, monitors",
        Lab::new,
        monitors,
        send,
        MONITORS,
    );
}

fn send(lab: &Lab, request: NodeStageVolumeRequest) -> Result<String, Status> {
    let answer = lab.run(lab.node.node_stage_volume(Request::new(request)));
    answer.map(|_| String::new())
}

/// Stages the dynamic volume [`ids::STORED`], whose context tells where it is.
pub(crate) fn request() -> NodeStageVolumeRequest {
    let mut request = context([
        ("clusterID", "c1"),
        ("fsName", "cephfs"),
        (
            "subvolumeName",
            "csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        ),
        (
            "subvolumePath",
            "/volumes/csi/csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e/data",
        ),
    ]);
    request.volume_id = ids::STORED.to_owned();
    request
}

/// A static volume with this context.
fn context<const N: usize>(context: [(&str, &str); N]) -> NodeStageVolumeRequest {
    let context = context.map(|(key, value)| (key.to_owned(), value.to_owned()));
    NodeStageVolumeRequest {
        volume_id: "my-static-volume".to_owned(),
        staging_target_path: STAGING.to_owned(),
        volume_capability: Some(mount_capability(Mode::MultiNodeMultiWriter)),
        secrets: secrets(),
        volume_context: BTreeMap::from(context),
        ..NodeStageVolumeRequest::default()
    }
}

fn set(request: &mut NodeStageVolumeRequest, key: &str, value: &str) {
    request
        .volume_context
        .insert(key.to_owned(), value.to_owned());
}

fn remove(request: &mut NodeStageVolumeRequest, key: &str) {
    request.volume_context.remove(key).unwrap();
}

/// A node with a file and a cluster without monitors.
fn lab() -> Lab {
    let lab = Lab::with_config(
        r#"[{"clusterID": "c1", "monitors": ["127.0.0.1:6789"]}, {"clusterID": "no-monitors"}]"#,
    );
    lab.mounts.add_file("/plugins/hash/file");
    lab
}

/// With the volume staged.
pub(crate) fn staged() -> Lab {
    let lab = Lab::new();
    send(&lab, request()).unwrap();
    lab
}

const FIELDS: &[Case<NodeStageVolumeRequest>] = &[
    case(
        "no id",
        |r| r.volume_id.clear(),
        InvalidArgument,
        "`volume_id` is missing in the request",
    ),
    case(
        "long id",
        |r| r.volume_id = "v".repeat(129),
        InvalidArgument,
        "`volume_id`: has 129 bytes, a volume id has at most 128",
    ),
    case(
        "unknown cluster",
        |r| r.volume_id = ids::OTHER_CLUSTER.to_owned(),
        FailedPrecondition,
        "volume `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it has: \
         c1, no-monitors",
    ),
    case(
        "no capability",
        |r| r.volume_capability = None,
        InvalidArgument,
        "`volume_capability` is missing in the request",
    ),
    case(
        "no access type",
        |r| r.volume_capability.as_mut().unwrap().access_type = None,
        InvalidArgument,
        "`volume_capability.access_type` is missing in the request",
    ),
    case(
        "no access mode",
        |r| r.volume_capability.as_mut().unwrap().access_mode = None,
        InvalidArgument,
        "`volume_capability.access_mode` is missing in the request",
    ),
    case(
        "unknown access mode",
        |r| {
            let capability = r.volume_capability.as_mut().unwrap();
            capability.access_mode = Some(AccessMode { mode: 99 });
        },
        InvalidArgument,
        "`volume_capability.access_mode`: 99 is no access mode of CSI 1.13",
    ),
    case(
        "block",
        |r| {
            let capability = r.volume_capability.as_mut().unwrap();
            capability.access_type = Some(AccessType::Block(BlockVolume {}));
        },
        InvalidArgument,
        "`volume_capability.block`: CephFS has no block volumes; use volumeMode: Filesystem",
    ),
    case(
        "no staging path",
        |r| r.staging_target_path.clear(),
        InvalidArgument,
        "`staging_target_path` is missing in the request",
    ),
    case(
        "relative staging path",
        |r| r.staging_target_path = "plugins/hash/globalmount".to_owned(),
        InvalidArgument,
        "`staging_target_path`: `plugins/hash/globalmount` is not absolute",
    ),
    case(
        "staging path that climbs",
        |r| r.staging_target_path = "/plugins/hash/../../etc".to_owned(),
        InvalidArgument,
        "`staging_target_path`: `/plugins/hash/../../etc` contains `..`",
    ),
    case(
        "staging path with a zero byte",
        |r| r.staging_target_path = "/plugins\0/hash".to_owned(),
        InvalidArgument,
        "`staging_target_path`: contains a zero byte",
    ),
    case(
        "staging path that is not there",
        |r| r.staging_target_path = "/plugins/hash/other".to_owned(),
        InvalidArgument,
        "`staging_target_path`: `/plugins/hash/other` is not a directory",
    ),
    case(
        "staging path in a directory that is not there",
        |r| r.staging_target_path = "/plugins/other/globalmount".to_owned(),
        InvalidArgument,
        "`staging_target_path`: `/plugins/other/globalmount` is not a directory",
    ),
    case(
        "staging path that is a file",
        |r| r.staging_target_path = "/plugins/hash/file".to_owned(),
        InvalidArgument,
        "`staging_target_path`: `/plugins/hash/file` is not a directory",
    ),
];

const CONTEXT: &[Case<NodeStageVolumeRequest>] = &[
    case(
        "encrypted: true",
        |r| set(r, "encrypted", "true"),
        Unimplemented,
        "an encrypted volume is not served by this release of spirula: use ceph-csi for this volume",
    ),
    case(
        "encrypted: yes",
        |r| set(r, "encrypted", "yes"),
        InvalidArgument,
        "`volume_context.encrypted`: `yes` is neither `true` nor `false`",
    ),
    case(
        "backingSnapshotID of a volume that shows none",
        |r| set(r, "backingSnapshotID", "snap-1"),
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: its subvolume is gone",
    ),
    case(
        "a snapshot for writers",
        |r| {
            set(r, "subvolumePath", "/volumes/csi/parent/");
            set(r, "backingSnapshotName", "csi-snap-1");
        },
        InvalidArgument,
        "`volume_capability.access_mode`: the volume shows the snapshot `csi-snap-1`, which nobody can \
         write to; use ReadOnlyMany",
    ),
    case(
        "a snapshot that is not there",
        |r| {
            set(r, "subvolumePath", "/volumes/csi/parent/");
            set(r, "backingSnapshotName", "csi-snap-1");
            r.volume_capability = Some(mount_capability(Mode::MultiNodeReaderOnly));
        },
        NotFound,
        "there is no snapshot `csi-snap-1` in the directory that the volume shows it of",
    ),
    case(
        "unknown mounter",
        |r| set(r, "mounter", "nfs"),
        InvalidArgument,
        "`volume_context.mounter`: mounter `nfs` is unknown; it can be `kernel` or `fuse`",
    ),
    case(
        "empty mounter",
        |r| set(r, "mounter", ""),
        InvalidArgument,
        "`volume_context.mounter`: parameter 'mounter' cannot be empty",
    ),
    case(
        "empty fuseMountOptions",
        |r| set(r, "fuseMountOptions", ""),
        InvalidArgument,
        "`volume_context.fuseMountOptions`: parameter 'fuseMountOptions' cannot be empty",
    ),
    case(
        "empty kernelMountOptions",
        |r| set(r, "kernelMountOptions", ""),
        InvalidArgument,
        "`volume_context.kernelMountOptions`: parameter 'kernelMountOptions' cannot be empty",
    ),
    case(
        "empty fsName",
        |r| set(r, "fsName", ""),
        InvalidArgument,
        "`volume_context.fsName`: parameter 'fsName' cannot be empty",
    ),
];

const CONFIG: &[Case<NodeStageVolumeRequest>] = &[case(
    "broken config.json",
    |_| {},
    FailedPrecondition,
    "volume `0001-0002-c1-0000000000000001-<uuid>`: config file `<dir>/config.json`: cannot be used: not \
     valid JSON at line 1, column 2: EOF while parsing an object",
)];

const AGAIN: &[Case<NodeStageVolumeRequest>] = &[
    case("the same", |_| {}, Served, ""),
    case(
        "another volume at the same path",
        |r| {
            set(
                r,
                "subvolumePath",
                "/volumes/csi/csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e/other",
            )
        },
        FailedPrecondition,
        "`/plugins/hash/globalmount` has directory `/volumes/csi/csi-vol-<uuid>/data` instead of \
         `/volumes/csi/csi-vol-<uuid>/other` mounted on it, not this volume; nothing was changed: \
         unmount it if it does not belong there",
    ),
    case(
        "the same path of another file system",
        |r| set(r, "fsName", "archive"),
        FailedPrecondition,
        "`/plugins/hash/globalmount` has file system `cephfs` instead of `archive` mounted on it, not \
         this volume; nothing was changed: unmount it if it does not belong there",
    ),
    case(
        "for readers",
        |r| r.volume_capability = Some(mount_capability(Mode::MultiNodeReaderOnly)),
        AlreadyExists,
        "the volume is mounted at `/plugins/hash/globalmount` already, writable, and is now wanted \
         read-only",
    ),
];

const FOREIGN: &[Case<NodeStageVolumeRequest>] = &[case(
    "another file system at the staging path",
    |_| {},
    FailedPrecondition,
    "`/plugins/hash/globalmount` has tmpfs (`memory`) mounted on it, not this volume; nothing was \
     changed: unmount it if it does not belong there",
)];

const HANGING: &[Case<NodeStageVolumeRequest>] = &[case(
    "a mount that does not answer",
    |_| {},
    DeadlineExceeded,
    "stat `/plugins/hash/globalmount` has not returned for 1.0 s: the file system there may be waiting \
     for a Ceph cluster that does not answer",
)];

const BY_JOURNAL: &[Case<NodeStageVolumeRequest>] = &[
    case(
        "unknown file system",
        |r| r.volume_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000063-<uuid>` does not exist: its file system is gone",
    ),
    case(
        "unknown uuid",
        |_| {},
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: its subvolume is gone",
    ),
    case(
        "a path that is another volume's",
        |r| set(r, "subvolumePath", "/volumes/csi/other/data"),
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: its subvolume is gone",
    ),
];

const SNAPSHOT_BACKED: &[Case<NodeStageVolumeRequest>] = &[case(
    "the snapshot's id is none",
    |_| {},
    NotFound,
    "snapshot `snap-1` does not exist: snapshot id `snap-1` has 6 bytes, a dynamic one has at least 64",
)];

const SNAPSHOT_GONE: &[Case<NodeStageVolumeRequest>] = &[case(
    "the snapshot has no record",
    |_| {},
    NotFound,
    "snapshot `0001-0002-c1-0000000000000001-<uuid>` does not exist: the journal has no record of it",
)];

const SNAPSHOT_ELSEWHERE: &[Case<NodeStageVolumeRequest>] = &[case(
    "the snapshot is in another file system",
    |_| {},
    NotFound,
    "snapshot `0001-0002-c1-0000000000000063-<uuid>` does not exist: it is in another file system than \
     the volume that shows it",
)];

const ENCRYPTED: &[Case<NodeStageVolumeRequest>] = &[
    case(
        "an encrypted volume",
        |_| {},
        Unimplemented,
        "an encrypted volume (KMS `vault`) is not served by this release of spirula: use ceph-csi for \
         this volume",
    ),
    case(
        "an encrypted volume whose context denies it",
        |r| {
            let path = "/volumes/csi/csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e/data";
            set(r, "subvolumePath", path);
            set(r, "encrypted", "false");
        },
        Unimplemented,
        "an encrypted volume (KMS `vault`) is not served by this release of spirula: use ceph-csi for \
         this volume",
    ),
];

const OTHER_GROUP: &[Case<NodeStageVolumeRequest>] = &[case(
    "config.json names another group",
    |_| {},
    FailedPrecondition,
    "mgr command `fs subvolume getpath`: subvolume group not found (errno 2): subvolume group 'other' \
     does not exist; the volume was made in a group that is gone, or cephFS.subvolumeGroup in \
     config.json no longer names the group it was made in",
)];

const STATIC: &[Case<NodeStageVolumeRequest>] = &[
    case(
        "staticVolume: maybe",
        |r| set(r, "staticVolume", "maybe"),
        InvalidArgument,
        "`volume_context.staticVolume`: `maybe` is neither `true` nor `false`",
    ),
    case(
        "staticVolume: false",
        |r| set(r, "staticVolume", "false"),
        InvalidArgument,
        "`volume_id`: volume id `my-static-volume` has 16 bytes, a dynamic one has at least 64; a static \
         volume has `staticVolume: \"true\"`, `clusterID` and `rootPath` in its volume attributes",
    ),
    case(
        "no context at all",
        |r| r.volume_context.clear(),
        InvalidArgument,
        "`volume_id`: volume id `my-static-volume` has 16 bytes, a dynamic one has at least 64; a static \
         volume has `staticVolume: \"true\"`, `clusterID` and `rootPath` in its volume attributes",
    ),
    case(
        "no clusterID",
        |r| remove(r, "clusterID"),
        InvalidArgument,
        "`volume_context.clusterID`: missing required field clusterID",
    ),
    case(
        "empty clusterID",
        |r| set(r, "clusterID", ""),
        InvalidArgument,
        "`volume_context.clusterID`: parameter 'clusterID' cannot be empty",
    ),
    case(
        "unknown clusterID",
        |r| set(r, "clusterID", "c2"),
        InvalidArgument,
        "clusterID `c2` is not in config.json; it has: c1, no-monitors",
    ),
    case(
        "cluster without monitors",
        |r| set(r, "clusterID", "no-monitors"),
        FailedPrecondition,
        "clusterID `no-monitors` has no monitors in config.json; list at least one in `monitors`",
    ),
    case(
        "no rootPath",
        |r| remove(r, "rootPath"),
        InvalidArgument,
        "`volume_context.rootPath`: missing required field rootPath",
    ),
    case(
        "empty rootPath",
        |r| set(r, "rootPath", ""),
        InvalidArgument,
        "`volume_context.rootPath`: parameter 'rootPath' cannot be empty",
    ),
    case(
        "empty fsName",
        |r| set(r, "fsName", ""),
        InvalidArgument,
        "`volume_context.fsName`: parameter 'fsName' cannot be empty",
    ),
    case(
        "encrypted",
        |r| set(r, "encrypted", "true"),
        Unimplemented,
        "an encrypted volume is not served by this release of spirula: use ceph-csi for this volume",
    ),
    case(
        "not encrypted, and yet with a passphrase",
        |r| {
            set(r, "encrypted", "false");
            r.secrets
                .insert("encryptionPassphrase".to_owned(), "p".to_owned());
        },
        Unimplemented,
        "a static volume with `encrypted: \"false\"` and an `encryptionPassphrase`, which ceph-csi would \
         have encrypted, is not served by this release of spirula: use ceph-csi for this volume",
    ),
];

const MONITORS: &[Case<NodeStageVolumeRequest>] = &[
    case(
        "empty monitors",
        |r| set(r, "monitors", ""),
        InvalidArgument,
        "`volume_context.monitors`: parameter 'monitors' cannot be empty",
    ),
    case(
        "no provisionVolume",
        |r| remove(r, "provisionVolume"),
        InvalidArgument,
        "`volume_context.provisionVolume`: missing required field provisionVolume",
    ),
    case(
        "empty provisionVolume",
        |r| set(r, "provisionVolume", ""),
        InvalidArgument,
        "`volume_context.provisionVolume`: parameter 'provisionVolume' cannot be empty",
    ),
    case(
        "provisionVolume: maybe",
        |r| set(r, "provisionVolume", "maybe"),
        InvalidArgument,
        "`volume_context.provisionVolume`: `maybe` is neither `true` nor `false`",
    ),
    case(
        "no rootPath",
        |r| remove(r, "rootPath"),
        InvalidArgument,
        "`volume_context.rootPath`: missing required field rootPath",
    ),
];
