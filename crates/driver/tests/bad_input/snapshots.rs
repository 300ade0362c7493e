//! CreateSnapshot, DeleteSnapshot, GetSnapshot.

use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::{CreateSnapshotRequest, DeleteSnapshotRequest, GetSnapshotRequest};
use tonic::Code::{
    AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Ok as Served, Unimplemented,
};
use tonic::{Request, Status};

use crate::ids;
use crate::lab::Lab;
use crate::support::{create_request, secrets, snapshot_request};
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    create(report);
    delete(report);
    get(report);
}

fn create(report: &mut Report) {
    let of = |id: &str| snapshot_request("snapshot-2", id);
    let existing = |lab: &Lab| of(&lab.volume_id);
    report.check(
        "CreateSnapshot, fields",
        Lab::with_volume,
        existing,
        take,
        CREATE,
    );
    report.secrets("CreateSnapshot", Lab::with_volume, existing, take);
    for (name, id, why) in ids::UNDECODABLE {
        let lab = Lab::with_volume();
        let name = format!("CreateSnapshot, {name}");
        let message = format!("volume id `{id}` {why}; only dynamic volumes have this operation")
            .replace(ids::UUID, "<uuid>");
        report.one(&name, &lab, NotFound, &message, || take(&lab, of(id)));
    }
    create_of_odd_volumes(report);
    create_by_wrong_ids(report);
}

fn create_of_odd_volumes(report: &mut Report) {
    let stored = |_: &Lab| snapshot_request("snapshot-2", ids::STORED);
    let shallow = || Lab::with_stored(ids::SNAPSHOT_BACKED);
    report.check("CreateSnapshot, shallow", shallow, stored, take, SHALLOW);
    let encrypted = || Lab::with_stored(ids::ENCRYPTED);
    report.check(
        "CreateSnapshot, encrypted",
        encrypted,
        stored,
        take,
        ENCRYPTED,
    );
    let half_gone = || Lab::with_stored(&[]);
    report.check(
        "CreateSnapshot, no subvolume",
        half_gone,
        stored,
        take,
        NO_SUBVOLUME,
    );
    let regrouped = || {
        let lab = Lab::with_stored(&[]);
        lab.write_config(ids::OTHER_GROUP);
        lab
    };
    report.check(
        "CreateSnapshot, other group",
        regrouped,
        stored,
        take,
        OTHER_GROUP,
    );
}

fn create_by_wrong_ids(report: &mut Report) {
    let other_source = || {
        let mut lab = Lab::with_snapshot();
        let request = create_request("pvc-2", 2);
        let answer = lab.run(lab.controller.create_volume(Request::new(request)));
        lab.volume_id = answer.unwrap().volume.unwrap().volume_id;
        lab
    };
    let same_name = |lab: &Lab| snapshot_request(ids::SNAPSHOT, &lab.volume_id);
    report.check(
        "CreateSnapshot, name taken",
        other_source,
        same_name,
        take,
        NAME_TAKEN,
    );
    let snapshot = |lab: &Lab| snapshot_request("snapshot-2", &lab.snapshot_id);
    report.check(
        "CreateSnapshot, wrong id",
        Lab::with_snapshot,
        snapshot,
        take,
        WRONG_ID,
    );
}

fn delete(report: &mut Report) {
    let of = |id: &str| DeleteSnapshotRequest {
        snapshot_id: id.to_owned(),
        secrets: secrets(),
    };
    let existing = |lab: &Lab| of(&lab.snapshot_id);
    report.check(
        "DeleteSnapshot, fields",
        Lab::with_snapshot,
        existing,
        remove,
        DELETE,
    );
    report.secrets("DeleteSnapshot", Lab::with_snapshot, existing, remove);
    for (name, id, _) in ids::UNDECODABLE {
        let lab = Lab::with_snapshot();
        let name = format!("DeleteSnapshot, {name}");
        report.one(&name, &lab, Served, "", || remove(&lab, of(id)));
    }
    let volume = |lab: &Lab| of(&lab.volume_id);
    let nothing = &[case("the id of a volume", |_| {}, Served, "")];
    report.check(
        "DeleteSnapshot, wrong id",
        Lab::with_snapshot,
        volume,
        remove,
        nothing,
    );
}

fn get(report: &mut Report) {
    let of = |id: &str| GetSnapshotRequest {
        snapshot_id: id.to_owned(),
        secrets: secrets(),
    };
    let existing = |lab: &Lab| of(&lab.snapshot_id);
    report.check(
        "GetSnapshot, fields",
        Lab::with_snapshot,
        existing,
        look,
        GET,
    );
    report.secrets("GetSnapshot", Lab::with_snapshot, existing, look);
    for (name, id, why) in ids::UNDECODABLE {
        let lab = Lab::with_snapshot();
        let name = format!("GetSnapshot, {name}");
        let message = format!("snapshot `{id}` does not exist: snapshot id `{id}` {why}")
            .replace(ids::UUID, "<uuid>");
        report.one(&name, &lab, NotFound, &message, || look(&lab, of(id)));
    }
    let volume = |lab: &Lab| of(&lab.volume_id);
    let wrong = &[case(
        "the id of a volume",
        |_| {},
        NotFound,
        "snapshot `0001-0002-c1-0000000000000001-<uuid>` does not exist: the journal of file system \
         `cephfs` has no snapshot of this id",
    )];
    report.check(
        "GetSnapshot, wrong id",
        Lab::with_snapshot,
        volume,
        look,
        wrong,
    );
}

fn take(lab: &Lab, request: CreateSnapshotRequest) -> Result<String, Status> {
    let answer = lab.run(lab.controller.create_snapshot(Request::new(request)));
    answer.map(|_| String::new())
}

fn remove(lab: &Lab, request: DeleteSnapshotRequest) -> Result<String, Status> {
    let answer = lab.run(lab.controller.delete_snapshot(Request::new(request)));
    answer.map(|_| String::new())
}

fn look(lab: &Lab, request: GetSnapshotRequest) -> Result<String, Status> {
    let answer = lab.run(lab.controller.get_snapshot(Request::new(request)));
    answer.map(|_| String::new())
}

fn parameter(request: &mut CreateSnapshotRequest, key: &str, value: &str) {
    request.parameters.insert(key.to_owned(), value.to_owned());
}

const CREATE: &[Case<CreateSnapshotRequest>] = &[
    case(
        "no name",
        |r| r.name.clear(),
        InvalidArgument,
        "`name` is missing in the request",
    ),
    case(
        "long name",
        |r| r.name = "s".repeat(129),
        InvalidArgument,
        "`name`: has 129 bytes, a snapshot name has at most 128",
    ),
    case(
        "control character in the name",
        |r| r.name = "a\u{7}".to_owned(),
        InvalidArgument,
        "`name`: contains the control character '\\u{7}'",
    ),
    case(
        "no source",
        |r| r.source_volume_id.clear(),
        InvalidArgument,
        "`source_volume_id` is missing in the request",
    ),
    case(
        "long source",
        |r| r.source_volume_id = "v".repeat(129),
        InvalidArgument,
        "`source_volume_id`: has 129 bytes, a volume id has at most 128",
    ),
    case(
        "clusterID of another cluster",
        |r| parameter(r, "clusterID", "c2"),
        InvalidArgument,
        "`parameters.clusterID`: is `c2`, but the volume `0001-0002-c1-0000000000000001-<uuid>` is in \
         `c1`; use a VolumeSnapshotClass of that cluster, or one without clusterID",
    ),
    case(
        "empty clusterID",
        |r| parameter(r, "clusterID", ""),
        InvalidArgument,
        "`parameters.clusterID`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "empty prefix",
        |r| parameter(r, "snapshotNamePrefix", ""),
        InvalidArgument,
        "`parameters.snapshotNamePrefix`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "prefix with a slash",
        |r| parameter(r, "snapshotNamePrefix", "a/b"),
        InvalidArgument,
        "`parameters.snapshotNamePrefix`: `a/b` contains `/`, which no name of a subvolume or snapshot \
         can",
    ),
    case(
        "prefix with an underscore",
        |r| parameter(r, "snapshotNamePrefix", "_a"),
        InvalidArgument,
        "`parameters.snapshotNamePrefix`: `_a` begins with `_`, which no snapshot of CephFS can",
    ),
    case(
        "long prefix",
        |r| parameter(r, "snapshotNamePrefix", &"p".repeat(205)),
        InvalidArgument,
        "`parameters.snapshotNamePrefix`: has 205 bytes; with the uuid behind it, the name of a \
         directory has room for 204",
    ),
    case(
        "unknown cluster",
        |r| {
            r.parameters.clear();
            r.source_volume_id = ids::OTHER_CLUSTER.to_owned();
        },
        FailedPrecondition,
        "volume `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it has: \
         c1",
    ),
    case(
        "unknown file system",
        |r| r.source_volume_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000063-<uuid>` does not exist: cluster `c1` has no file system \
         with id 99",
    ),
    case(
        "unknown volume",
        |r| r.source_volume_id = ids::STORED.to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: mgr command `fs subvolume \
         info`: not found (errno 2): subvolume 'csi-vol-<uuid>' does not exist",
    ),
];

const SHALLOW: &[Case<CreateSnapshotRequest>] = &[case(
    "a volume that shows a snapshot",
    |_| {},
    InvalidArgument,
    "`source_volume_id`: the volume `0001-0002-c1-0000000000000001-<uuid>` only shows the snapshot \
     `snap-1` and never changes; use that snapshot",
)];

const ENCRYPTED: &[Case<CreateSnapshotRequest>] = &[case(
    "an encrypted volume",
    |_| {},
    Unimplemented,
    "an encrypted volume (KMS `vault`) is not served by this release of spirula: use ceph-csi for this \
     volume",
)];

const NO_SUBVOLUME: &[Case<CreateSnapshotRequest>] = &[case(
    "a record whose subvolume is gone",
    |_| {},
    NotFound,
    "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: mgr command `fs subvolume info`: \
     not found (errno 2): subvolume 'csi-vol-<uuid>' does not exist",
)];

const OTHER_GROUP: &[Case<CreateSnapshotRequest>] = &[case(
    "config.json names another group",
    |_| {},
    FailedPrecondition,
    "mgr command `fs subvolume info`: subvolume group not found (errno 2): subvolume group \
     'other' does not exist; the volume was made in a group that is gone, or cephFS.subvolumeGroup in \
     config.json no longer names the group it was made in",
)];

const NAME_TAKEN: &[Case<CreateSnapshotRequest>] = &[case(
    "another volume has a snapshot of this name",
    |_| {},
    AlreadyExists,
    "snapshot `snapshot-1` exists already, of `csi-vol-<uuid>` and not of `csi-vol-<uuid>`; delete it or \
     ask by another name",
)];

const WRONG_ID: &[Case<CreateSnapshotRequest>] = &[case(
    "the id of a snapshot",
    |_| {},
    NotFound,
    "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: it is the id of a snapshot",
)];

const DELETE: &[Case<DeleteSnapshotRequest>] = &[
    case(
        "no id",
        |r| r.snapshot_id.clear(),
        InvalidArgument,
        "`snapshot_id` is missing in the request",
    ),
    case(
        "long id",
        |r| r.snapshot_id = "s".repeat(129),
        InvalidArgument,
        "`snapshot_id`: has 129 bytes, a snapshot id has at most 128",
    ),
    case(
        "unknown cluster",
        |r| r.snapshot_id = ids::OTHER_CLUSTER.to_owned(),
        FailedPrecondition,
        "snapshot `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it has: \
         c1",
    ),
    case(
        "unknown file system",
        |r| r.snapshot_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        Served,
        "",
    ),
    case(
        "unknown uuid",
        |r| r.snapshot_id = ids::STORED.to_owned(),
        Served,
        "",
    ),
];

const GET: &[Case<GetSnapshotRequest>] = &[
    case("the snapshot", |_| {}, Served, ""),
    case(
        "no id",
        |r| r.snapshot_id.clear(),
        InvalidArgument,
        "`snapshot_id` is missing in the request",
    ),
    case(
        "unknown cluster",
        |r| r.snapshot_id = ids::OTHER_CLUSTER.to_owned(),
        FailedPrecondition,
        "snapshot `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it has: \
         c1",
    ),
    case(
        "unknown file system",
        |r| r.snapshot_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        NotFound,
        "snapshot `0001-0002-c1-0000000000000063-<uuid>` does not exist: cluster `c1` has no file \
         system with id 99",
    ),
    case(
        "unknown uuid",
        |r| r.snapshot_id = ids::STORED.to_owned(),
        NotFound,
        "snapshot `0001-0002-c1-0000000000000001-<uuid>` does not exist: the journal of file system \
         `cephfs` has no snapshot of this id",
    ),
];
