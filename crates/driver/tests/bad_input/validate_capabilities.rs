//! ValidateVolumeCapabilities: what a volume cannot do is an answer, not an error.

use csi_proto::v1::ValidateVolumeCapabilitiesRequest;
use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, BlockVolume};
use tonic::Code::{FailedPrecondition, InvalidArgument, NotFound, Ok as Served};
use tonic::{Request, Status};

use crate::ids;
use crate::lab::Lab;
use crate::support::{mount_capability, secrets};
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let of = |id: &str| ValidateVolumeCapabilitiesRequest {
        volume_id: id.to_owned(),
        volume_capabilities: vec![mount_capability(Mode::MultiNodeMultiWriter)],
        secrets: secrets(),
        ..Default::default()
    };
    let existing = |lab: &Lab| of(&lab.volume_id);
    let table = "ValidateVolumeCapabilities, fields";
    report.check(table, Lab::with_volume, existing, send, FIELDS);
    report.secrets(
        "ValidateVolumeCapabilities",
        Lab::with_volume,
        existing,
        send,
    );
    for (name, id, why) in ids::UNDECODABLE {
        let lab = Lab::with_volume();
        let name = format!("ValidateVolumeCapabilities, {name}");
        let message = format!("volume id `{id}` {why}; only dynamic volumes have this operation")
            .replace(ids::UUID, "<uuid>");
        report.one(&name, &lab, NotFound, &message, || send(&lab, of(id)));
    }
    let stored = |_: &Lab| of(ids::STORED);
    let regrouped = || {
        let lab = Lab::with_stored(&[]);
        lab.write_config(ids::OTHER_GROUP);
        lab
    };
    let table = "ValidateVolumeCapabilities, other group";
    report.check(table, regrouped, stored, send, OTHER_GROUP);
}

/// Returns the message of an answer that does not confirm.
fn send(lab: &Lab, request: ValidateVolumeCapabilitiesRequest) -> Result<String, Status> {
    let answer = lab.run(
        lab.controller
            .validate_volume_capabilities(Request::new(request)),
    );
    answer.map(|answer| {
        let confirmed = answer.confirmed.map(|_| "confirmed".to_owned());
        confirmed.unwrap_or(answer.message)
    })
}

const FIELDS: &[Case<ValidateVolumeCapabilitiesRequest>] = &[
    case("nothing wrong", |_| {}, Served, "confirmed"),
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
        "no capabilities",
        |r| r.volume_capabilities.clear(),
        InvalidArgument,
        "`volume_capabilities` is missing in the request",
    ),
    case(
        "block",
        |r| r.volume_capabilities[0].access_type = Some(AccessType::Block(BlockVolume {})),
        Served,
        "`volume_capability.block`: CephFS has no block volumes; use volumeMode: Filesystem",
    ),
    case(
        "no access type",
        |r| r.volume_capabilities[0].access_type = None,
        Served,
        "`volume_capability.access_type` is missing in the request",
    ),
    case(
        "no access mode",
        |r| r.volume_capabilities[0].access_mode = None,
        Served,
        "`volume_capability.access_mode` is missing in the request",
    ),
    case(
        "unknown access mode",
        |r| r.volume_capabilities[0].access_mode = Some(AccessMode { mode: 99 }),
        Served,
        "`volume_capability.access_mode`: 99 is no access mode of CSI 1.13",
    ),
    case(
        "readers",
        |r| r.volume_capabilities = vec![mount_capability(Mode::MultiNodeReaderOnly)],
        Served,
        "confirmed",
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
        "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: mgr command \
         `fs subvolume getpath`: not found (errno 2): subvolume 'csi-vol-<uuid>' does not exist",
    ),
];

const OTHER_GROUP: &[Case<ValidateVolumeCapabilitiesRequest>] = &[case(
    "config.json names another group",
    |_| {},
    FailedPrecondition,
    "mgr command `fs subvolume getpath`: subvolume group not found (errno 2): subvolume group 'other' \
     does not exist; the volume was made in a \
     group that is gone, or cephFS.subvolumeGroup in config.json no longer names the group it was made in",
)];
