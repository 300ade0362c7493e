//! ControllerExpandVolume.

use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, BlockVolume};
use csi_proto::v1::{CapacityRange, ControllerExpandVolumeRequest};
use tonic::Code::{
    FailedPrecondition, InvalidArgument, NotFound, Ok as Served, OutOfRange, Unimplemented,
};
use tonic::{Request, Status};

use crate::ids;
use crate::lab::Lab;
use crate::support::{mount_capability, secrets};
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let of = |id: &str| ControllerExpandVolumeRequest {
        volume_id: id.to_owned(),
        capacity_range: Some(range(4 << 30, 0)),
        volume_capability: Some(mount_capability(Mode::MultiNodeMultiWriter)),
        secrets: secrets(),
    };
    let existing = |lab: &Lab| of(&lab.volume_id);
    report.check(
        "ControllerExpandVolume, fields",
        Lab::with_volume,
        existing,
        send,
        FIELDS,
    );
    report.secrets("ControllerExpandVolume", Lab::with_volume, existing, send);
    for (name, id, why) in ids::UNDECODABLE {
        let lab = Lab::with_volume();
        let name = format!("ControllerExpandVolume, {name}");
        let message = format!("volume id `{id}` {why}; only dynamic volumes have this operation")
            .replace(ids::UUID, "<uuid>");
        report.one(&name, &lab, NotFound, &message, || send(&lab, of(id)));
    }
    let stored = |_: &Lab| of(ids::STORED);
    let snapshot = || Lab::with_stored(ids::SNAPSHOT_BACKED);
    report.check(
        "ControllerExpandVolume, shallow",
        snapshot,
        stored,
        send,
        SNAPSHOT_BACKED,
    );
    let encrypted = || Lab::with_stored(ids::ENCRYPTED);
    report.check(
        "ControllerExpandVolume, encrypted",
        encrypted,
        stored,
        send,
        ENCRYPTED,
    );
    let regrouped = || {
        let lab = Lab::with_stored(&[]);
        lab.write_config(ids::OTHER_GROUP);
        lab
    };
    report.check(
        "ControllerExpandVolume, other group",
        regrouped,
        stored,
        send,
        OTHER_GROUP,
    );
}

fn send(lab: &Lab, request: ControllerExpandVolumeRequest) -> Result<String, Status> {
    let answer = lab.run(
        lab.controller
            .controller_expand_volume(Request::new(request)),
    );
    answer.map(|answer| answer.capacity_bytes.to_string())
}

fn range(required_bytes: i64, limit_bytes: i64) -> CapacityRange {
    CapacityRange {
        required_bytes,
        limit_bytes,
    }
}

const FIELDS: &[Case<ControllerExpandVolumeRequest>] = &[
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
        "no range",
        |r| r.capacity_range = None,
        InvalidArgument,
        "`capacity_range` is missing in the request",
    ),
    case(
        "empty range",
        |r| r.capacity_range = Some(range(0, 0)),
        InvalidArgument,
        "`capacity_range.required_bytes` is missing in the request",
    ),
    case(
        "negative size",
        |r| r.capacity_range = Some(range(-1, 0)),
        OutOfRange,
        "`capacity_range.required_bytes` is -1, but a size cannot be negative",
    ),
    case(
        "limit below the size",
        |r| r.capacity_range = Some(range(4, 3)),
        OutOfRange,
        "`capacity_range.limit_bytes` 3 is less than `capacity_range.required_bytes` 4: no size \
         satisfies both",
    ),
    case(
        "too large",
        |r| r.capacity_range = Some(range(i64::MAX, 0)),
        OutOfRange,
        "`capacity_range.required_bytes` 9223372036854775807 is more than a volume can have: sizes \
         are rounded up to whole GiB and end at 8 EiB",
    ),
    case(
        "a limit that the volume exceeds",
        |r| r.capacity_range = Some(range(1 << 20, 1 << 30)),
        OutOfRange,
        "the volume has 2147483648 bytes already, more than `capacity_range.limit_bytes` admits, and \
         volumes never shrink",
    ),
    case(
        "a smaller size",
        |r| r.capacity_range = Some(range(1 << 30, 0)),
        Served,
        "2147483648",
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
        "unknown access mode",
        |r| {
            let capability = r.volume_capability.as_mut().unwrap();
            capability.access_mode = Some(AccessMode { mode: 99 });
        },
        InvalidArgument,
        "`volume_capability.access_mode`: 99 is no access mode of CSI 1.13",
    ),
    case(
        "unknown cluster",
        |r| r.volume_id = ids::OTHER_CLUSTER.to_owned(),
        FailedPrecondition,
        "volume `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it has: \
         c1",
    ),
    case(
        "unknown file system",
        |r| r.volume_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000063-<uuid>` does not exist: cluster `c1` has no file system \
         with id 99",
    ),
    case(
        "unknown uuid",
        |r| r.volume_id = ids::STORED.to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: mgr command `fs subvolume info`: \
         not found (errno 2): subvolume 'csi-vol-<uuid>' does not exist",
    ),
];

const SNAPSHOT_BACKED: &[Case<ControllerExpandVolumeRequest>] = &[case(
    "a volume that shows a snapshot",
    |_| {},
    InvalidArgument,
    "`volume_id`: the volume `0001-0002-c1-0000000000000001-<uuid>` shows the snapshot `snap-1`, and has \
     no size of its own; a volume that is restored from the snapshot has",
)];

const ENCRYPTED: &[Case<ControllerExpandVolumeRequest>] = &[case(
    "an encrypted volume",
    |_| {},
    Unimplemented,
    "an encrypted volume (KMS `vault`) is not served by this release of spirula: use ceph-csi for this \
     volume",
)];

const OTHER_GROUP: &[Case<ControllerExpandVolumeRequest>] = &[case(
    "config.json names another group",
    |_| {},
    FailedPrecondition,
    "mgr command `fs subvolume info`: subvolume group not found (errno 2): subvolume group 'other' \
     does not exist; the volume was made in a \
     group that is gone, or cephFS.subvolumeGroup in config.json no longer names the group it was made in",
)];
