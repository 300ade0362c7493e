//! DeleteVolume: what cannot be a volume of this driver is gone already.

use csi_proto::v1::DeleteVolumeRequest;
use csi_proto::v1::controller_server::Controller as _;
use tonic::Code::{FailedPrecondition, InvalidArgument, Ok as Served, Unimplemented};
use tonic::{Request, Status};

use crate::ids;
use crate::lab::Lab;
use crate::support::secrets;
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let of = |id: &str| DeleteVolumeRequest {
        volume_id: id.to_owned(),
        secrets: secrets(),
    };
    let existing = |lab: &Lab| of(&lab.volume_id);
    report.check(
        "DeleteVolume, fields",
        Lab::with_volume,
        existing,
        send,
        FIELDS,
    );
    report.secrets("DeleteVolume", Lab::with_volume, existing, send);
    for (name, id, _) in ids::UNDECODABLE {
        let lab = Lab::with_volume();
        let name = format!("DeleteVolume, {name}");
        report.one(&name, &lab, Served, "", || send(&lab, of(id)));
    }
    let stored = |_: &Lab| of(ids::STORED);
    let encrypted = || Lab::with_stored(ids::ENCRYPTED);
    report.check(
        "DeleteVolume, encrypted",
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
        "DeleteVolume, other group",
        regrouped,
        stored,
        send,
        OTHER_GROUP,
    );
    let removed = || {
        let lab = Lab::with_volume();
        lab.write_config(ids::NO_CLUSTER);
        lab
    };
    report.check(
        "DeleteVolume, no cluster",
        removed,
        existing,
        send,
        NO_CLUSTER,
    );
}

fn send(lab: &Lab, request: DeleteVolumeRequest) -> Result<String, Status> {
    let answer = lab.run(lab.controller.delete_volume(Request::new(request)));
    answer.map(|_| String::new())
}

const FIELDS: &[Case<DeleteVolumeRequest>] = &[
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
         c1",
    ),
    case(
        "unknown file system",
        |r| r.volume_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        Served,
        "",
    ),
    case(
        "unknown uuid",
        |r| r.volume_id = ids::STORED.to_owned(),
        Served,
        "",
    ),
];

const ENCRYPTED: &[Case<DeleteVolumeRequest>] = &[case(
    "an encrypted volume",
    |_| {},
    Unimplemented,
    "an encrypted volume (KMS `vault`) is not served by this release of spirula: use ceph-csi for this \
     volume",
)];

const OTHER_GROUP: &[Case<DeleteVolumeRequest>] = &[case(
    "config.json names another group",
    |_| {},
    FailedPrecondition,
    "mgr command `fs subvolume rm`: subvolume group not found (errno 2): subvolume group 'other' \
     does not exist; the volume was made in a \
     group that is gone, or cephFS.subvolumeGroup in config.json no longer names the group it was made in",
)];

const NO_CLUSTER: &[Case<DeleteVolumeRequest>] = &[case(
    "config.json has lost the cluster",
    |_| {},
    FailedPrecondition,
    "volume `0001-0002-c1-0000000000000001-<uuid>`: clusterID `c1` is not in config.json; it has: c2",
)];
