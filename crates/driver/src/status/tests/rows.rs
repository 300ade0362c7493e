//! The rows: an error, its code, and its whole message.

#![expect(clippy::too_many_lines, reason = "tables")]

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ceph::ErrorKind;
use tonic::Code;

use super::Row;
use crate::error::Error;
use crate::ids::{VolumeId, VolumeUuid};
use crate::journal::Source;
use crate::mount::{self, Cause, CommandError, Failure, NetNamespaceError, ParseError};
use crate::node::PathError;
use crate::{
    ceph_conf, config, credentials, journal, kubernetes, own_credentials, reftracker, request, size,
};

pub(super) fn requests() -> Vec<Row> {
    let uuid = VolumeUuid::random();
    vec![
        (
            request::Error::Missing("name").into(),
            Code::InvalidArgument,
            "`name` is missing in the request",
        ),
        (
            request::Error::invalid("name", "is odd; make it even").into(),
            Code::InvalidArgument,
            "`name`: is odd; make it even",
        ),
        (
            size::Error::Negative {
                field: "limit_bytes",
                bytes: -1,
            }
            .into(),
            Code::OutOfRange,
            "`capacity_range.limit_bytes` is -1, but a size cannot be negative",
        ),
        (
            VolumeId::new(
                "a-clusterID-of-65-bytes-is-one-byte-more-than-an-id-has-room-for.",
                1,
                uuid,
            )
            .unwrap_err()
            .into(),
            Code::InvalidArgument,
            "clusterID `a-clusterID-of-65-bytes-is-one-byte-more-than-an-id-has-room-for.` has 65 \
             bytes, a volume id has room for 64",
        ),
        (
            credentials::Error::Empty.into(),
            Code::InvalidArgument,
            "provided secret is empty; the StorageClass or PersistentVolume must name a Secret with \
             `userID` and `userKey`",
        ),
        (
            Error::Panicked("index out of bounds".to_owned()),
            Code::Internal,
            "the request made the driver panic, which is a defect of it: index out of bounds",
        ),
    ]
}

fn absent() -> config::Error {
    config::Error::Absent { path: "/c".into() }
}

fn unknown_cluster() -> config::Error {
    config::Error::UnknownCluster {
        id: "a".to_owned(),
        known: "b, c".to_owned(),
    }
}

pub(super) fn listings() -> Vec<Row> {
    let unusable = own_credentials::Error::Unusable {
        cluster: "a".to_owned(),
        origin: "the files in `/s/a`".to_owned(),
        source: credentials::Error::BadId {
            field: "userID",
            reason: "it is odd",
        },
    };
    let of_secret = |source| {
        let (cluster, secret) = ("a".to_owned(), "n/s".to_owned());
        Error::from(own_credentials::Error::Kubernetes {
            cluster,
            secret,
            source,
        })
    };
    let access = || kubernetes::Access::Pod {
        address: kubernetes::Address {
            host: "10.96.0.1".to_owned(),
            port: 443,
        },
        service_account: "/s".into(),
    };
    let away = ceph::Error::new(ErrorKind::Unreachable, "connect", "");
    vec![
        (
            Error::Token,
            Code::Aborted,
            "`starting_token` is none that this driver gave; list again from the start, without it",
        ),
        (
            unusable.into(),
            Code::FailedPrecondition,
            "credentials for cluster `a`, from the files in `/s/a`: field 'userID' in secrets is not a \
             cephx user name: it is odd",
        ),
        (
            of_secret(kubernetes::Error::Forbidden {
                access: access(),
                status: 403,
                verb: "get",
                kind: "Secret",
            }),
            Code::FailedPrecondition,
            "credentials for cluster `a`, from the Secret `n/s`: the pod's service account may not read it \
             (HTTP 403); give its role the verb `get` on this Secret",
        ),
        (
            of_secret(kubernetes::Error::Failed { status: 503 }),
            Code::Unavailable,
            "credentials for cluster `a`, from the Secret `n/s`: the Kubernetes API answered with HTTP 503",
        ),
        (
            of_secret(kubernetes::Error::TimedOut { access: access() }),
            Code::DeadlineExceeded,
            "credentials for cluster `a`, from the Secret `n/s`: the Kubernetes API at 10.96.0.1:443 did \
             not answer in time",
        ),
        (
            of_secret(kubernetes::Error::NoNamespace {
                name: "s".to_owned(),
            }),
            Code::FailedPrecondition,
            "credentials for cluster `a`, from the Secret `n/s`: `s` has no namespace; set `namespace` \
             beside `name` in config.json",
        ),
        (
            Error::Listing {
                cluster: "a".to_owned(),
                source: Box::new(away.into()),
            },
            Code::Unavailable,
            "cluster `a`: connect: cluster not reachable",
        ),
    ]
}

pub(super) fn configs() -> Vec<Row> {
    let of_volume = |source| Error::ConfigOf {
        noun: "volume",
        id: "v".to_owned(),
        source,
    };
    let syntax = config::ParseError::Syntax {
        line: 3,
        column: 7,
        reason: "trailing comma".to_owned(),
    };
    vec![
        (
            absent().into(),
            Code::FailedPrecondition,
            "config file `/c`: not found; mount the ConfigMap with key `config.json` there, or name \
             another file with --config-file",
        ),
        (
            config::Error::Unreadable {
                path: "/c".into(),
                source: io::ErrorKind::PermissionDenied.into(),
            }
            .into(),
            Code::FailedPrecondition,
            "config file `/c`: cannot be read: permission denied",
        ),
        (
            config::Error::Malformed {
                path: "/c".into(),
                source: syntax,
            }
            .into(),
            Code::FailedPrecondition,
            "config file `/c`: cannot be used: not valid JSON at line 3, column 7: trailing comma",
        ),
        (
            unknown_cluster().into(),
            Code::InvalidArgument,
            "clusterID `a` is not in config.json; it has: b, c",
        ),
        (
            config::Error::NoClusters { path: "/c".into() }.into(),
            Code::FailedPrecondition,
            "config file `/c`: it lists no clusters",
        ),
        (
            config::Error::NoMonitors { id: "a".to_owned() }.into(),
            Code::FailedPrecondition,
            "clusterID `a` has no monitors in config.json; list at least one in `monitors`",
        ),
        (
            of_volume(unknown_cluster()),
            Code::FailedPrecondition,
            "volume `v`: clusterID `a` is not in config.json; it has: b, c",
        ),
        (
            of_volume(absent()),
            Code::FailedPrecondition,
            "volume `v`: config file `/c`: not found; mount the ConfigMap with key `config.json` \
             there, or name another file with --config-file",
        ),
        (
            Error::NotReady(absent()),
            Code::FailedPrecondition,
            "not ready: config file `/c`: not found; mount the ConfigMap with key `config.json` there, \
             or name another file with --config-file",
        ),
    ]
}

pub(super) fn volumes() -> Vec<Row> {
    let no_file_system = ceph::Error::new(
        ErrorKind::NotFound,
        "file system `x`",
        "this user sees: cephfs",
    );
    let no_group = ceph::Error::answered(
        "mgr command `fs subvolume rm`",
        2,
        "subvolume group 'g' does not exist",
    );
    vec![
        (
            Error::UnknownFilesystem(no_file_system),
            Code::InvalidArgument,
            "`parameters.fsName`: file system `x`: not found: this user sees: cephfs",
        ),
        (
            Error::NoGroup {
                fs: "cephfs".to_owned(),
                group: "g".to_owned(),
            },
            Code::FailedPrecondition,
            "subvolume group `g` of file system `cephfs` does not exist; create it once with \
             `ceph fs subvolumegroup create cephfs g`, or set cephFS.subvolumeGroup in config.json",
        ),
        (
            Error::OtherGroup(no_group),
            Code::FailedPrecondition,
            "mgr command `fs subvolume rm`: subvolume group not found (errno 2): subvolume group 'g' \
             does not exist; the volume was made in a group that is gone, or cephFS.subvolumeGroup in \
             config.json no longer names the group it was made in",
        ),
        (
            Error::NotDynamic(VolumeId::decode("my-pv").unwrap_err()),
            Code::NotFound,
            "volume id `my-pv` has 5 bytes, a dynamic one has at least 64; only dynamic volumes have \
             this operation",
        ),
        (
            Error::NoVolume {
                id: "v".to_owned(),
                why: "its subvolume is gone".to_owned(),
            },
            Code::NotFound,
            "volume `v` does not exist: its subvolume is gone",
        ),
        (
            Error::NoSnapshot {
                id: "s".to_owned(),
                why: "the journal does not know it".to_owned(),
            },
            Code::NotFound,
            "snapshot `s` does not exist: the journal does not know it",
        ),
        (
            Error::NoGroupSnapshot {
                id: "g".to_owned(),
                why: "the journal does not know it".to_owned(),
            },
            Code::NotFound,
            "group snapshot `g` does not exist: the journal does not know it",
        ),
        (
            Error::OtherMembers {
                name: "n".to_owned(),
                id: "g".to_owned(),
                members: vec!["a".to_owned(), "b".to_owned()],
                asked: vec!["a".to_owned()],
            },
            Code::AlreadyExists,
            "group snapshot `n` exists already, with the id `g`, of the volumes `a`, `b` and not of `a`; \
             delete it or ask by another name",
        ),
        (
            Error::GroupIncomplete {
                id: "g".to_owned(),
                missing: vec!["s".to_owned()],
            },
            Code::FailedPrecondition,
            "group snapshot `g` is not complete any more, because these snapshots of it were deleted: \
             `s`; delete it and ask by another name",
        ),
        (
            Error::GroupInUse {
                id: "g".to_owned(),
                of: vec!["s (a, b)".to_owned(), "t (c)".to_owned()],
            },
            Code::FailedPrecondition,
            "group snapshot `g` cannot be deleted yet, because volumes are being made of s (a, b), t (c); \
             wait until they are complete, or delete them",
        ),
        (
            Error::NoQuiesce(ceph::Error::answered(
                "mgr command `fs quiesce`",
                22,
                "No handler found for 'fs quiesce'",
            )),
            Code::FailedPrecondition,
            "mgr command `fs quiesce`: not known to this Ceph release (errno 22): No handler found for \
             'fs quiesce'; a group snapshot needs the writes to all its volumes held back, which Ceph can \
             do since 19.2 (Squid): upgrade Ceph, or take a snapshot of each volume",
        ),
        (
            Error::Unfinished {
                name: "pvc-1".to_owned(),
                of: Source::Snapshot("s".to_owned()),
                state: "the clone is in progress (12%)".to_owned(),
                age: Duration::from_millis(55_300),
            },
            Code::Aborted,
            "volume `pvc-1` is being made of snapshot `s`: the clone is in progress (12%) after 55.3s; \
             that goes on, and asking again with the same name waits for it",
        ),
        (
            begun(ErrorKind::Other),
            Code::Aborted,
            "mgr command `x`: failed: words; something of volume `pvc-1` may exist, and asking again with the \
             same name goes on with it",
        ),
        (
            begun(ErrorKind::PermissionDenied),
            Code::Aborted,
            "mgr command `x`: permission denied: words; something of volume `pvc-1` may exist, and asking again \
             with the same name goes on with it",
        ),
        (
            begun(ErrorKind::TimedOut),
            Code::DeadlineExceeded,
            "mgr command `x`: no answer in time: words; something of volume `pvc-1` may exist, and asking again with \
             the same name goes on with it",
        ),
        (
            copy_failed(Some(5)),
            Code::Internal,
            "volume `pvc-1` could not be made of volume `v`: Ceph gave the copy up: words (errno 5); \
             what there was of it is removed, and asking again begins anew",
        ),
        (
            copy_failed(Some(28)),
            Code::ResourceExhausted,
            "volume `pvc-1` could not be made of volume `v`: Ceph gave the copy up: words (errno 28); \
             what there was of it is removed, and asking again begins anew",
        ),
        (
            copy_failed(None),
            Code::Internal,
            "volume `pvc-1` could not be made of volume `v`: Ceph gave the copy up: words; what there \
             was of it is removed, and asking again begins anew",
        ),
        (
            Error::SmallerThanSource {
                of: Source::Snapshot("s".to_owned()),
                source_bytes: 8,
                asked: 4,
            },
            Code::OutOfRange,
            "a volume made of snapshot `s` has to have at least its 8 bytes, and 4 are asked for; ask \
             for as much or more",
        ),
        (
            Error::Incompatible {
                name: "pvc-1".to_owned(),
                why: "has 7 bytes".to_owned(),
            },
            Code::AlreadyExists,
            "volume `pvc-1` exists already and has 7 bytes; delete it or ask by another name",
        ),
        (
            Error::OtherSource {
                name: "snapshot-1".to_owned(),
                source_name: "csi-vol-1".to_owned(),
                asked: "csi-vol-2".to_owned(),
            },
            Code::AlreadyExists,
            "snapshot `snapshot-1` exists already, of `csi-vol-1` and not of `csi-vol-2`; delete it or \
             ask by another name",
        ),
        (
            Error::SnapshotLimit {
                volume: "v".to_owned(),
                count: 100,
                source: ceph::Error::answered(
                    "mgr command `fs subvolume snapshot create`",
                    31,
                    "error in mkdir",
                ),
            },
            Code::ResourceExhausted,
            "mgr command `fs subvolume snapshot create`: too many snapshots (errno 31): error in mkdir; \
             the volume `v` has 100 snapshots and Ceph allows no more to a directory \
             (mds_max_snaps_per_dir); delete some of them",
        ),
        (
            Error::PendingClones {
                id: "s".to_owned(),
                clones: vec!["csi-vol-1".to_owned(), "csi-vol-2".to_owned()],
            },
            Code::FailedPrecondition,
            "snapshot `s` cannot be deleted yet, because volumes are being made of it (csi-vol-1, \
             csi-vol-2); wait until they are complete, or delete them",
        ),
        (
            Error::PendingClones {
                id: "s".to_owned(),
                clones: Vec::new(),
            },
            Code::FailedPrecondition,
            "snapshot `s` cannot be deleted yet, because volumes are being made of it; wait until they \
             are complete, or delete them",
        ),
        (
            Error::BeyondLimit { quota: 7 },
            Code::OutOfRange,
            "the volume has 7 bytes already, more than `capacity_range.limit_bytes` admits, and volumes \
             never shrink",
        ),
        (
            Error::Unserved {
                what: "an encrypted volume".to_owned(),
                cure: "use ceph-csi for this volume",
            },
            Code::Unimplemented,
            "an encrypted volume is not served by this release of spirula: use ceph-csi for this volume",
        ),
    ]
}

pub(super) fn cephs() -> Vec<Row> {
    let of = |kind| ceph::Error::new(kind, "mgr command `x`", "words");
    let caps = Error::Caps {
        source: of(ErrorKind::PermissionDenied),
        cure: "grant it".to_owned(),
    };
    let mut rows: Vec<Row> = [
        (
            ErrorKind::NotFound,
            Code::Internal,
            "mgr command `x`: not found: words",
        ),
        (
            ErrorKind::GroupNotFound,
            Code::FailedPrecondition,
            "mgr command `x`: subvolume group not found: words",
        ),
        (
            ErrorKind::FilesystemNotFound,
            Code::Aborted,
            "mgr command `x`: file system not found by this name: words",
        ),
        (
            ErrorKind::AlreadyExists,
            Code::Internal,
            "mgr command `x`: exists already: words",
        ),
        (
            ErrorKind::CompareFailed,
            Code::Aborted,
            "mgr command `x`: changed by somebody else: words",
        ),
        (
            ErrorKind::VersionChanged,
            Code::Aborted,
            "mgr command `x`: object out of date: words",
        ),
        (
            ErrorKind::Locked,
            Code::Aborted,
            "mgr command `x`: locked by somebody else: words",
        ),
        (
            ErrorKind::PermissionDenied,
            Code::PermissionDenied,
            "mgr command `x`: permission denied: words",
        ),
        (
            ErrorKind::TimedOut,
            Code::DeadlineExceeded,
            "mgr command `x`: no answer in time: words",
        ),
        (
            ErrorKind::Unreachable,
            Code::Unavailable,
            "mgr command `x`: cluster not reachable: words",
        ),
        (
            ErrorKind::NotLoaded,
            Code::Unavailable,
            "mgr command `x`: manager not ready for it: words",
        ),
        (
            ErrorKind::NotEmpty,
            Code::FailedPrecondition,
            "mgr command `x`: not empty: words",
        ),
        (
            ErrorKind::Busy,
            Code::Aborted,
            "mgr command `x`: busy, try again later: words",
        ),
        (
            ErrorKind::SnapshotNotFound,
            Code::Internal,
            "mgr command `x`: snapshot not found: words",
        ),
        (
            ErrorKind::ClonersBusy,
            Code::Aborted,
            "mgr command `x`: too many clones at once, try again later: words",
        ),
        (
            ErrorKind::NotReady,
            Code::Aborted,
            "mgr command `x`: not complete yet: words",
        ),
        (
            ErrorKind::NotQuiet,
            Code::Aborted,
            "mgr command `x`: writes could not be held back all the time: words",
        ),
        (
            ErrorKind::PendingClones,
            Code::FailedPrecondition,
            "mgr command `x`: clones of it are pending: words",
        ),
        (
            ErrorKind::CloneFinished,
            Code::Internal,
            "mgr command `x`: finished already: words",
        ),
        (
            ErrorKind::NotAClone,
            Code::Internal,
            "mgr command `x`: not a clone: words",
        ),
        (
            ErrorKind::TooManySnapshots,
            Code::ResourceExhausted,
            "mgr command `x`: too many snapshots: words",
        ),
        (
            ErrorKind::Unsupported,
            Code::FailedPrecondition,
            "mgr command `x`: not known to this Ceph release: words",
        ),
        (
            ErrorKind::Invalid,
            Code::InvalidArgument,
            "mgr command `x`: refused: words",
        ),
        (
            ErrorKind::NoSpace,
            Code::ResourceExhausted,
            "mgr command `x`: no space: words",
        ),
        (
            ErrorKind::BadAnswer,
            Code::Internal,
            "mgr command `x`: answer not understood: words",
        ),
        (
            ErrorKind::Other,
            Code::Internal,
            "mgr command `x`: failed: words",
        ),
    ]
    .map(|(kind, code, message)| (of(kind).into(), code, message))
    .into();
    rows.push((
        caps,
        Code::PermissionDenied,
        "mgr command `x`: permission denied: words; grant it",
    ));
    rows
}

pub(super) fn journals() -> Vec<Row> {
    let uuid = "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
    let outage = ceph::Error::new(ErrorKind::Unreachable, "omap read of `x`", "");
    vec![
        (
            journal::Error::from(outage).into(),
            Code::Unavailable,
            "journal: omap read of `x`: cluster not reachable",
        ),
        (
            journal::Error::Malformed {
                object: "csi.volume.x".to_owned(),
                key: "csi.imagename".to_owned(),
                expected: "text",
            }
            .into(),
            Code::Internal,
            "journal object `csi.volume.x`, key `csi.imagename`: the value is not text",
        ),
        (
            journal::Error::Incomplete {
                object: "csi.snap.x".to_owned(),
                key: "csi.source",
            }
            .into(),
            Code::Internal,
            "journal object `csi.snap.x` lacks the key `csi.source`, without which nobody can tell what \
             it is about; look at it with `rados listomapvals` before anything else",
        ),
        (
            journal::Error::NameConflict {
                noun: "volume",
                asked: "a".to_owned(),
                stored: "b".to_owned(),
                uuid: uuid.to_owned(),
                object: format!("csi.volume.{uuid}"),
            }
            .into(),
            Code::Internal,
            "journal: the name `a` leads to volume 4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e, whose record \
             says that it was made for `b`; look at object \
             `csi.volume.4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e` before anything else",
        ),
        (
            journal::Error::Contended("a".to_owned()).into(),
            Code::Aborted,
            "journal: the name `a` keeps changing under us; is another driver deleting it?",
        ),
    ]
}

pub(super) fn references() -> Vec<Row> {
    let outage = ceph::Error::new(ErrorKind::Unreachable, "omap read of `x`", "");
    vec![
        (
            reftracker::Error::from(outage).into(),
            Code::Unavailable,
            "references of a snapshot: omap read of `x`: cluster not reachable",
        ),
        (
            reftracker::Error::Malformed {
                object: "rt-backingsnapshot-x".to_owned(),
                what: "it has no version",
            }
            .into(),
            Code::Internal,
            "object `rt-backingsnapshot-x`: it has no version; it counts the volumes that show a \
             snapshot, and nothing is changed that it does not explain",
        ),
        (
            reftracker::Error::Contended("rt-backingsnapshot-x".to_owned()).into(),
            Code::Aborted,
            "object `rt-backingsnapshot-x` keeps changing under us: many volumes of one snapshot come \
             or go at once",
        ),
    ]
}

pub(super) fn paths() -> Vec<Row> {
    let path = || PathBuf::from("/p");
    let volume = || "v".to_owned();
    let dead = mount::Error::Dead {
        path: path(),
        source: io::ErrorKind::NotConnected.into(),
    };
    let rows: [(PathError, Code, &'static str); 8] = [
        (
            PathError::Foreign {
                path: path(),
                found: "tmpfs (`none`)".to_owned(),
            },
            Code::FailedPrecondition,
            "`/p` has tmpfs (`none`) mounted on it, not this volume; nothing was changed: unmount it if \
             it does not belong there",
        ),
        (
            PathError::Incompatible {
                path: path(),
                how: "read-only",
            },
            Code::AlreadyExists,
            "the volume is mounted at `/p` already, read-only",
        ),
        (
            PathError::NotStaged { path: path() },
            Code::FailedPrecondition,
            "the volume is not staged at `/p`: no CephFS is mounted there; NodeStageVolume has to come \
             first",
        ),
        (
            PathError::NoStagingPath,
            Code::FailedPrecondition,
            "`staging_target_path` is missing in the request: this driver stages volumes first",
        ),
        (
            PathError::StagedDead {
                path: path(),
                source: dead,
            },
            Code::FailedPrecondition,
            "the volume staged at `/p` is dead: its client has ended, was evicted, or was killed; \
             delete all pods that use the volume on this node, so that it is unstaged and staged anew: \
             the mount at `/p` is dead: not connected",
        ),
        (
            PathError::PublishedElsewhere { path: path() },
            Code::FailedPrecondition,
            "the volume may be published once only (ReadWriteOncePod), and is at `/p` already",
        ),
        (
            PathError::NotMounted {
                volume: volume(),
                path: path(),
            },
            Code::NotFound,
            "volume `v` is not mounted at `/p`",
        ),
        (
            PathError::Unknown { volume: volume() },
            Code::NotFound,
            "volume `v` was neither staged nor published by this driver since it started",
        ),
    ];
    rows.map(|(error, code, message)| (error.into(), code, message))
        .into()
}

pub(super) fn snapshots() -> Vec<Row> {
    vec![
        (
            mount::Error::NoSnapshot {
                snapshot: "csi-snap-1".to_owned(),
            }
            .into(),
            Code::NotFound,
            "there is no snapshot `csi-snap-1` in the directory that the volume shows it of",
        ),
        (
            mount::Error::AmbiguousSnapshot {
                snapshot: "1".to_owned(),
                found: vec!["_s1_10".to_owned(), "_s11_10".to_owned()],
            }
            .into(),
            Code::InvalidArgument,
            "`1` does not identify a snapshot; there are: _s1_10, _s11_10",
        ),
    ]
}

pub(super) fn mounts() -> Vec<Row> {
    let path = || PathBuf::from("/p");
    let program = || "ceph-fuse".to_owned();
    let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
    let waited = Duration::from_millis(2500);
    let no_conf = ceph_conf::Error {
        path: "/etc/ceph/ceph.conf".into(),
        source: denied(),
    };
    let rows: [(mount::Error, Code, &'static str); 18] = [
        (
            no_conf.into(),
            Code::FailedPrecondition,
            "`/etc/ceph/ceph.conf` is absent and cannot be written, nor a private copy of it: permission \
             denied",
        ),
        (
            mount::Error::NoDirectory { path: path() },
            Code::FailedPrecondition,
            "`/p` is not a directory",
        ),
        (
            mount::Error::Call {
                call: "bind to",
                path: path(),
                source: denied(),
            },
            Code::Internal,
            "cannot bind to `/p`: permission denied",
        ),
        (
            mount::Error::Hangs {
                call: "stat",
                path: path(),
                waited,
            },
            Code::DeadlineExceeded,
            "stat `/p` has not returned for 2.5 s: the file system there may be waiting for a Ceph \
             cluster that does not answer",
        ),
        (
            mount::Error::Dead {
                path: path(),
                source: io::ErrorKind::NotConnected.into(),
            },
            Code::Internal,
            "the mount at `/p` is dead: not connected",
        ),
        (
            mount::Error::InUse { path: path() },
            Code::FailedPrecondition,
            "`/p` is in use and cannot be unmounted: a process has files open there or its working \
             directory below; `fuser -vm /p` names it",
        ),
        (
            mount::Error::NotEmpty { path: path() },
            Code::FailedPrecondition,
            "directory `/p` is not empty and stays: files were written to it while nothing was mounted \
             there; move them away",
        ),
        (
            mount::Error::Table(ParseError {
                line: 7,
                field: "mount point",
            }),
            Code::Internal,
            "line 7 of mountinfo is not understood: no mount point",
        ),
        (
            mount::Error::NoMounter {
                reasons: "ceph-fuse is not installed".to_owned(),
            },
            Code::FailedPrecondition,
            "no CephFS client works on this node: ceph-fuse is not installed",
        ),
        (
            mount::Error::Option {
                option: "secret".to_owned(),
                why: "is the driver's own",
            },
            Code::InvalidArgument,
            "mount option `secret` is the driver's own",
        ),
        (
            mount::Error::NetNamespace(NetNamespaceError {
                path: path(),
                why: "it is not a namespace".to_owned(),
            }),
            Code::FailedPrecondition,
            "the network namespace `/p` (netNamespaceFilePath in config.json) cannot be entered: it is \
             not a namespace",
        ),
        (
            mount::Error::LentKey { source: denied() },
            Code::FailedPrecondition,
            "cannot lend the cephx key to the kernel; the driver's container has to be privileged, or \
             its seccomp profile has to allow add_key and keyctl: permission denied",
        ),
        (
            CommandError::Start {
                program: program(),
                source: io::ErrorKind::NotFound.into(),
            }
            .into(),
            Code::Internal,
            "cannot start `ceph-fuse`: it is not installed in the driver's image: entity not found",
        ),
        (
            CommandError::Start {
                program: program(),
                source: denied(),
            }
            .into(),
            Code::Internal,
            "cannot start `ceph-fuse`: permission denied",
        ),
        (
            CommandError::TimedOut {
                program: program(),
                after: waited,
                stderr: "nothing".to_owned(),
            }
            .into(),
            Code::DeadlineExceeded,
            "`ceph-fuse` had not ended after 2.5 s and was killed; it said: nothing",
        ),
        (
            CommandError::Wait {
                program: program(),
                source: denied(),
            }
            .into(),
            Code::Internal,
            "cannot wait for `ceph-fuse`: permission denied",
        ),
        (
            mount::Error::Vanished {
                client: "ceph-fuse",
                at: path(),
            },
            Code::FailedPrecondition,
            "ceph-fuse reported success but nothing is mounted at `/p`: if the driver runs in a \
             container, it needs the host's /dev/fuse and CAP_SYS_ADMIN",
        ),
        (
            mount::Error::Replace {
                process: 7,
                path: path(),
                why: "cannot enter the namespace".to_owned(),
            },
            Code::Internal,
            "cannot replace the dead mount at `/p` of process 7, which runs on without the volume: \
             cannot enter the namespace",
        ),
    ];
    rows.map(|(error, code, message)| (error.into(), code, message))
        .into()
}

pub(super) fn failures() -> Vec<Row> {
    let failed = |cause| {
        let failure = Failure {
            client: "ceph-fuse",
            cause,
            user: "k8s".to_owned(),
            name: Some("cephfs".to_owned()),
            root: "/v".to_owned(),
            monitors: "m".to_owned(),
            said: String::new(),
        };
        mount::Error::from(Box::new(failure))
    };
    let rows: [(Cause, Code, &'static str); 16] = [
        (
            Cause::BadKey,
            Code::InvalidArgument,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: the key of user `k8s` in the secret is \
             not a cephx key; `ceph auth get-key client.k8s` prints the right one",
        ),
        (
            Cause::Rejected,
            Code::PermissionDenied,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: monitors `m` can be reached, but \
             accept no session of user `k8s`: compare user and key in the secret with `ceph auth get \
             client.k8s`",
        ),
        (
            Cause::Unreachable,
            Code::Unavailable,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: none of the monitors `m` can be \
             reached from this node, or they do not answer; check the network, `monitors` in config.json, and `ceph status`",
        ),
        (
            Cause::BadMonitors,
            Code::FailedPrecondition,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: the monitor list `m` is not \
             understood or its names do not resolve on this node",
        ),
        (
            Cause::NotAllowed,
            Code::PermissionDenied,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: user `k8s` is not allowed to; \
             `ceph fs authorize cephfs client.k8s /v rw` allows it",
        ),
        (
            Cause::NoDirectory,
            Code::NotFound,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: the directory does not exist",
        ),
        (
            Cause::NoFileSystem,
            Code::NotFound,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: that file system does not exist; \
             `ceph fs ls` names those that do",
        ),
        (
            Cause::NoMds,
            Code::Unavailable,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: no metadata server of it answered; \
             `ceph fs status` tells whether there is such a file system, and whether one is active",
        ),
        (
            Cause::BadOption,
            Code::InvalidArgument,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: a mount option is not known to it",
        ),
        (
            Cause::NetNamespace,
            Code::FailedPrecondition,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: the network namespace of \
             netNamespaceFilePath in config.json cannot be entered",
        ),
        (
            Cause::NoFuse,
            Code::FailedPrecondition,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: FUSE is not usable on this node: load \
             the kernel module `fuse` and give the driver's container the device /dev/fuse",
        ),
        (
            Cause::NoModule,
            Code::FailedPrecondition,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: the kernel of this node has no CephFS \
             client; install the package with its module `ceph` and load it",
        ),
        (
            Cause::OldKernel,
            Code::FailedPrecondition,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: the kernel of this node is too old for \
             the cluster; use a newer one, or `mounter: fuse`",
        ),
        (
            Cause::OtherProtocol,
            Code::FailedPrecondition,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: monitors `m` speak another protocol at \
             these ports; `ms_mode=legacy` is for port 6789, the other modes are for port 3300",
        ),
        (
            Cause::NoSession,
            Code::Unavailable,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: monitors `m` can be reached, but there \
             is no session with the cluster, and the kernel's log, which says why, cannot be read here; \
             compare user and key in the secret with `ceph auth get client.k8s`, and see `ceph fs status`",
        ),
        (
            Cause::Other,
            Code::Internal,
            "ceph-fuse cannot mount `/v` of file system `cephfs`: it failed",
        ),
    ];
    rows.map(|(cause, code, message)| (failed(cause).into(), code, message))
        .into()
}

fn begun(kind: ErrorKind) -> Error {
    let source = ceph::Error::new(kind, "mgr command `x`", "words");
    Error::begun::<crate::ids::Volume>("pvc-1", source)
}

fn copy_failed(errno: Option<i32>) -> Error {
    Error::CopyFailed {
        name: "pvc-1".to_owned(),
        of: Source::Volume("v".to_owned()),
        errno,
        text: "words".to_owned(),
    }
}
