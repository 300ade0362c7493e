//! CreateVolumeGroupSnapshot, DeleteVolumeGroupSnapshot, GetVolumeGroupSnapshot.

use csi_proto::v1::group_controller_server::GroupController as _;
use csi_proto::v1::{
    CreateVolumeGroupSnapshotRequest, DeleteVolumeGroupSnapshotRequest,
    GetVolumeGroupSnapshotRequest,
};
use tonic::Code::{
    AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Ok as Served, Unimplemented,
};
use tonic::{Request, Status};

use crate::ids;
use crate::lab::Lab;
use crate::support::{group_request, secrets};
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    create(report);
    delete(report);
    get(report);
}

/// With a volume, on a Ceph that can hold writes back.
fn with_volume() -> Lab {
    let lab = Lab::with_volume();
    lab.world.memory.know_quiesce();
    lab
}

/// With a group snapshot of the volume; its id is where that of a snapshot would be.
fn with_group() -> Lab {
    let mut lab = with_volume();
    let request = group_request("group-1", &[&lab.volume_id]);
    let answer = lab
        .groups
        .create_volume_group_snapshot(Request::new(request));
    let group = lab.run(answer).unwrap().group_snapshot.unwrap();
    lab.snapshot_id = group.group_snapshot_id;
    lab
}

fn create(report: &mut Report) {
    let good = |lab: &Lab| group_request("group-2", &[&lab.volume_id]);
    let table = "CreateVolumeGroupSnapshot";
    report.check(table, with_volume, good, make, CREATE);
    report.secrets("CreateVolumeGroupSnapshot", with_volume, good, make);
    report.check(table, Lab::with_volume, good, make, OLD_CEPH);
    let of_stored = |_: &Lab| group_request("group-2", &[ids::STORED]);
    let stored = |keys: &'static [(&str, &str)]| {
        move || {
            let lab = Lab::with_stored(keys);
            lab.world.memory.know_quiesce();
            lab
        }
    };
    let shallow = stored(ids::SNAPSHOT_BACKED);
    report.check(table, shallow, of_stored, make, SHALLOW);
    let encrypted = stored(ids::ENCRYPTED);
    report.check(table, encrypted, of_stored, make, ENCRYPTED);
    let both = |lab: &Lab| group_request("group-2", &[&lab.volume_id, ids::STORED]);
    report.check(table, with_volume, both, make, ONE_ABSENT);
    let taken = |_: &Lab| group_request("group-1", &[ids::STORED]);
    report.check(table, with_group, taken, make, TAKEN);
    let group = |lab: &Lab| group_request("group-2", &[&lab.snapshot_id]);
    report.check(table, with_group, group, make, WRONG_KIND);
}

fn delete(report: &mut Report) {
    let good = |lab: &Lab| DeleteVolumeGroupSnapshotRequest {
        group_snapshot_id: lab.snapshot_id.clone(),
        snapshot_ids: Vec::new(),
        secrets: secrets(),
    };
    report.check(
        "DeleteVolumeGroupSnapshot",
        with_group,
        good,
        remove,
        DELETE,
    );
    report.secrets("DeleteVolumeGroupSnapshot", with_group, good, remove);
    let volume = |lab: &Lab| DeleteVolumeGroupSnapshotRequest {
        group_snapshot_id: lab.volume_id.clone(),
        ..good(lab)
    };
    let nothing = &[case("the id of a volume", |_| {}, Served, "")];
    report.check(
        "DeleteVolumeGroupSnapshot",
        with_group,
        volume,
        remove,
        nothing,
    );
}

fn get(report: &mut Report) {
    let good = |lab: &Lab| GetVolumeGroupSnapshotRequest {
        group_snapshot_id: lab.snapshot_id.clone(),
        snapshot_ids: Vec::new(),
        secrets: secrets(),
    };
    report.check("GetVolumeGroupSnapshot", with_group, good, look, GET);
    report.secrets("GetVolumeGroupSnapshot", with_group, good, look);
    let volume = |lab: &Lab| GetVolumeGroupSnapshotRequest {
        group_snapshot_id: lab.volume_id.clone(),
        ..good(lab)
    };
    let wrong = &[case(
        "the id of a volume",
        |_| {},
        NotFound,
        "group snapshot `0001-0002-c1-0000000000000001-<uuid>` does not exist: the journal of file system \
         `cephfs` has no group snapshot of this id",
    )];
    report.check("GetVolumeGroupSnapshot", with_group, volume, look, wrong);
}

fn make(lab: &Lab, request: CreateVolumeGroupSnapshotRequest) -> Result<String, Status> {
    let answer = lab.run(
        lab.groups
            .create_volume_group_snapshot(Request::new(request)),
    );
    answer.map(|_| String::new())
}

fn remove(lab: &Lab, request: DeleteVolumeGroupSnapshotRequest) -> Result<String, Status> {
    let answer = lab.run(
        lab.groups
            .delete_volume_group_snapshot(Request::new(request)),
    );
    answer.map(|_| String::new())
}

fn look(lab: &Lab, request: GetVolumeGroupSnapshotRequest) -> Result<String, Status> {
    let answer = lab.run(lab.groups.get_volume_group_snapshot(Request::new(request)));
    answer.map(|_| String::new())
}

fn parameter(request: &mut CreateVolumeGroupSnapshotRequest, key: &str, value: &str) {
    request.parameters.insert(key.to_owned(), value.to_owned());
}

const CREATE: &[Case<CreateVolumeGroupSnapshotRequest>] = &[
    case(
        "no name",
        |r| r.name.clear(),
        InvalidArgument,
        "`name` is missing in the request",
    ),
    case(
        "long name",
        |r| r.name = "g".repeat(129),
        InvalidArgument,
        "`name`: has 129 bytes, a group snapshot name has at most 128",
    ),
    case(
        "no volumes",
        |r| r.source_volume_ids.clear(),
        InvalidArgument,
        "`source_volume_ids`: is empty; name at least one volume",
    ),
    case(
        "the same volume twice",
        |r| r.source_volume_ids.push(r.source_volume_ids[0].clone()),
        InvalidArgument,
        "`source_volume_ids`: has the volume `0001-0002-c1-0000000000000001-<uuid>` more than once; name \
         each once",
    ),
    case(
        "volumes of two clusters",
        |r| r.source_volume_ids.push(ids::OTHER_CLUSTER.to_owned()),
        InvalidArgument,
        "`source_volume_ids`: the volume `0001-0002-c1-0000000000000001-<uuid>` is in the cluster `c1`, and \
         `0001-0002-c2-0000000000000001-<uuid>` in the one `c2`; a group snapshot shows one moment of one \
         file system, so make one group for each",
    ),
    case(
        "volumes of two file systems",
        |r| r.source_volume_ids.push(ids::OTHER_FILE_SYSTEM.to_owned()),
        InvalidArgument,
        "`source_volume_ids`: the volume `0001-0002-c1-0000000000000001-<uuid>` is in the file system with \
         the id 1, and `0001-0002-c1-0000000000000063-<uuid>` in the one with the id 99; a group snapshot \
         shows one moment of one file system, so make one group for each",
    ),
    case(
        "a static volume",
        |r| r.source_volume_ids.push("my-static-volume".to_owned()),
        NotFound,
        "volume id `my-static-volume` has 16 bytes, a dynamic one has at least 64; only dynamic volumes \
         have this operation",
    ),
    case(
        "a long id",
        |r| r.source_volume_ids.push("v".repeat(129)),
        InvalidArgument,
        "`source_volume_ids`: has 129 bytes, a volume id has at most 128",
    ),
    case(
        "clusterID of another cluster",
        |r| parameter(r, "clusterID", "c2"),
        InvalidArgument,
        "`parameters.clusterID`: is `c2`, but the volume `0001-0002-c1-0000000000000001-<uuid>` is in \
         `c1`; use a VolumeGroupSnapshotClass of that cluster, or one without clusterID",
    ),
    case(
        "fsName of another file system",
        |r| parameter(r, "fsName", "other"),
        InvalidArgument,
        "`parameters.fsName`: is `other`, but the volumes are in `cephfs`; use a VolumeGroupSnapshotClass \
         of that file system, or one without fsName",
    ),
    case(
        "empty fsName",
        |r| parameter(r, "fsName", ""),
        InvalidArgument,
        "`parameters.fsName`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "prefix with a slash",
        |r| parameter(r, "volumeGroupNamePrefix", "a/b"),
        InvalidArgument,
        "`parameters.volumeGroupNamePrefix`: `a/b` contains `/`, which no name of a subvolume or snapshot \
         can",
    ),
    case(
        "unknown cluster",
        |r| {
            r.parameters.clear();
            r.source_volume_ids = vec![ids::OTHER_CLUSTER.to_owned()];
        },
        FailedPrecondition,
        "volume `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it has: \
         c1",
    ),
    case(
        "unknown file system",
        |r| r.source_volume_ids = vec![ids::OTHER_FILE_SYSTEM.to_owned()],
        NotFound,
        "volume `0001-0002-c1-0000000000000063-<uuid>` does not exist: cluster `c1` has no file system \
         with id 99",
    ),
];

const OLD_CEPH: &[Case<CreateVolumeGroupSnapshotRequest>] = &[case(
    "a Ceph before 19.2",
    |_| {},
    FailedPrecondition,
    "mgr command `fs quiesce`: not known to this Ceph release (errno 22): No handler found for 'fs \
     quiesce'; a group snapshot needs the writes to all its volumes held back, which Ceph can do since \
     19.2 (Squid): upgrade Ceph, or take a snapshot of each volume",
)];

const SHALLOW: &[Case<CreateVolumeGroupSnapshotRequest>] = &[case(
    "a volume that shows a snapshot",
    |_| {},
    InvalidArgument,
    "`source_volume_ids`: the volume `0001-0002-c1-0000000000000001-<uuid>` only shows the snapshot \
     `snap-1` and never changes; use that snapshot",
)];

const ENCRYPTED: &[Case<CreateVolumeGroupSnapshotRequest>] = &[case(
    "an encrypted volume",
    |_| {},
    Unimplemented,
    "an encrypted volume (KMS `vault`) is not served by this release of spirula: use ceph-csi for this \
     volume",
)];

const ONE_ABSENT: &[Case<CreateVolumeGroupSnapshotRequest>] = &[case(
    "one volume of two is absent",
    |_| {},
    NotFound,
    "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: mgr command `fs subvolume info`: not \
     found (errno 2): subvolume 'csi-vol-<uuid>' does not exist",
)];

const TAKEN: &[Case<CreateVolumeGroupSnapshotRequest>] = &[case(
    "the name has a group of another volume",
    |_| {},
    AlreadyExists,
    "group snapshot `group-1` exists already, with the id `0001-0002-c1-0000000000000001-<uuid>`, of the \
     volumes `0001-0002-c1-0000000000000001-<uuid>` and not of `0001-0002-c1-0000000000000001-<uuid>`; \
     delete it or ask by another name",
)];

const WRONG_KIND: &[Case<CreateVolumeGroupSnapshotRequest>] = &[case(
    "the id of a group snapshot",
    |_| {},
    NotFound,
    "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: mgr command `fs subvolume info`: not \
     found (errno 2): subvolume 'csi-vol-<uuid>' does not exist",
)];

const DELETE: &[Case<DeleteVolumeGroupSnapshotRequest>] = &[
    case(
        "no id",
        |r| r.group_snapshot_id.clear(),
        InvalidArgument,
        "`group_snapshot_id` is missing in the request",
    ),
    case(
        "a snapshot that is not in it",
        |r| r.snapshot_ids = vec![ids::STORED.to_owned()],
        InvalidArgument,
        "`snapshot_ids`: has `0001-0002-c1-0000000000000001-<uuid>`, which is not in the group snapshot \
         `0001-0002-c1-0000000000000001-<uuid>`; name all of its snapshots and no others",
    ),
    case(
        "unknown cluster",
        |r| r.group_snapshot_id = ids::OTHER_CLUSTER.to_owned(),
        FailedPrecondition,
        "group snapshot `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it \
         has: c1",
    ),
    case(
        "unknown file system",
        |r| r.group_snapshot_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        Served,
        "",
    ),
    case(
        "no id of this driver",
        |r| r.group_snapshot_id = "x".to_owned(),
        Served,
        "",
    ),
];

const GET: &[Case<GetVolumeGroupSnapshotRequest>] = &[
    case("the group snapshot", |_| {}, Served, ""),
    case(
        "no id",
        |r| r.group_snapshot_id.clear(),
        InvalidArgument,
        "`group_snapshot_id` is missing in the request",
    ),
    case(
        "a snapshot that is not in it",
        |r| r.snapshot_ids = vec![ids::STORED.to_owned()],
        InvalidArgument,
        "`snapshot_ids`: has `0001-0002-c1-0000000000000001-<uuid>`, which is not in the group snapshot \
         `0001-0002-c1-0000000000000001-<uuid>`; name all of its snapshots and no others",
    ),
    case(
        "no id of this driver",
        |r| r.group_snapshot_id = "x".to_owned(),
        NotFound,
        "group snapshot `x` does not exist: group snapshot id `x` has 1 bytes, a dynamic one has at least \
         64",
    ),
    case(
        "unknown file system",
        |r| r.group_snapshot_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        NotFound,
        "group snapshot `0001-0002-c1-0000000000000063-<uuid>` does not exist: cluster `c1` has no file \
         system with id 99",
    ),
];
