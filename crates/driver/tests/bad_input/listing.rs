//! Listings, capacity, and questions about single volumes.

use csi_proto::v1::controller_server::Controller as _;
use csi_proto::v1::{
    ControllerGetVolumeHealthRequest, ControllerGetVolumeRequest,
    ControllerListVolumeHealthRequest, GetCapacityRequest, ListSnapshotsRequest,
    ListVolumesRequest,
};
use tonic::Code::{Aborted, FailedPrecondition, InvalidArgument, NotFound, Ok as Served};
use tonic::{Request, Status};

use crate::ids;
use crate::lab::Lab;
use crate::support::secrets;
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let lab = || {
        let lab = Lab::with_volume();
        lab.world.give_credentials("c1");
        lab
    };
    let nothing = |_: &Lab| ListVolumesRequest::default();
    report.check("ListVolumes", lab, nothing, list, LISTS);
    let nothing = |_: &Lab| ControllerListVolumeHealthRequest::default();
    report.check(
        "ControllerListVolumeHealth",
        lab,
        nothing,
        list_health,
        HEALTH_LISTS,
    );
    let nothing = |_: &Lab| GetCapacityRequest::default();
    report.check("GetCapacity", lab, nothing, capacity, CAPACITIES);
    let existing = |lab: &Lab| ControllerGetVolumeRequest {
        volume_id: lab.volume_id.clone(),
    };
    report.check("ControllerGetVolume", lab, existing, get, GETS);
    let existing = |lab: &Lab| ControllerGetVolumeHealthRequest {
        volume_id: lab.volume_id.clone(),
        ..Default::default()
    };
    report.check("ControllerGetVolumeHealth", lab, existing, health, HEALTHS);
    let alone = Lab::with_volume;
    report.check(
        "ControllerGetVolumeHealth, no own credentials",
        alone,
        existing,
        health,
        ALONE,
    );
    snapshots(report);
    for (name, id, why) in ids::UNDECODABLE {
        let (lab, name) = (lab(), format!("ControllerGetVolume, {name}"));
        let message = format!("volume id `{id}` {why}; only dynamic volumes have this operation")
            .replace(ids::UUID, "<uuid>");
        let volume_id = (*id).to_owned();
        let request = ControllerGetVolumeRequest { volume_id };
        report.one(&name, &lab, NotFound, &message, || get(&lab, request));
    }
}

fn snapshots(report: &mut Report) {
    let lab = || {
        let lab = Lab::with_snapshot();
        lab.world.give_credentials("c1");
        lab
    };
    let nothing = |_: &Lab| ListSnapshotsRequest::default();
    report.check(
        "ListSnapshots",
        lab,
        nothing,
        list_snapshots,
        SNAPSHOT_LISTS,
    );
    for (name, id, _) in ids::UNDECODABLE {
        let request = |snapshot: &str, source: &str| ListSnapshotsRequest {
            snapshot_id: snapshot.to_owned(),
            source_volume_id: source.to_owned(),
            ..Default::default()
        };
        for (what, request) in [("id", request(id, "")), ("source", request("", id))] {
            let (lab, name) = (lab(), format!("ListSnapshots, {what}, {name}"));
            report.one(&name, &lab, Served, "0 entries", || {
                list_snapshots(&lab, request)
            });
        }
    }
    let alone = Lab::with_snapshot;
    report.check(
        "ListSnapshots, no own credentials",
        alone,
        nothing,
        list_snapshots,
        SNAPSHOTS_ALONE,
    );
}

fn list_snapshots(lab: &Lab, request: ListSnapshotsRequest) -> Result<String, Status> {
    let answer = lab.run(lab.controller.list_snapshots(Request::new(request)));
    answer.map(|page| format!("{} entries", page.entries.len()))
}

fn list(lab: &Lab, request: ListVolumesRequest) -> Result<String, Status> {
    let answer = lab.run(lab.controller.list_volumes(Request::new(request)));
    answer.map(|page| format!("{} entries", page.entries.len()))
}

fn list_health(lab: &Lab, request: ControllerListVolumeHealthRequest) -> Result<String, Status> {
    let answer = lab.run(
        lab.controller
            .controller_list_volume_health(Request::new(request)),
    );
    answer.map(|page| format!("{} entries", page.entries.len()))
}

fn capacity(lab: &Lab, request: GetCapacityRequest) -> Result<String, Status> {
    let answer = lab.run(lab.controller.get_capacity(Request::new(request)));
    answer.map(|answer| format!("{} GiB", answer.available_capacity >> 30))
}

fn get(lab: &Lab, request: ControllerGetVolumeRequest) -> Result<String, Status> {
    let answer = lab.run(lab.controller.controller_get_volume(Request::new(request)));
    answer.map(|answer| format!("{} GiB", answer.volume.unwrap().capacity_bytes >> 30))
}

fn health(lab: &Lab, request: ControllerGetVolumeHealthRequest) -> Result<String, Status> {
    let answer = lab.run(
        lab.controller
            .controller_get_volume_health(Request::new(request)),
    );
    answer.map(|answer| {
        format!(
            "{} reasons",
            answer.volume_health.unwrap().health_statuses.len()
        )
    })
}

const TOKEN: &str =
    "`starting_token` is none that this driver gave; list again from the start, without it";
const NEGATIVE: &str = "`max_entries`: is -1; it cannot be negative, and 0 means no limit";

const SNAPSHOT_LISTS: &[Case<ListSnapshotsRequest>] = &[
    case("all", |_| {}, Served, "1 entries"),
    case(
        "all, with secrets",
        |r| r.secrets = secrets(),
        Served,
        "1 entries",
    ),
    case(
        "negative max_entries",
        |r| r.max_entries = -1,
        InvalidArgument,
        NEGATIVE,
    ),
    case(
        "token of somebody else",
        |r| r.starting_token = "invalid-token".to_owned(),
        Aborted,
        TOKEN,
    ),
    case(
        "token cut short",
        |r| r.starting_token = r#"1:["c1",1,"snap"#.to_owned(),
        Aborted,
        TOKEN,
    ),
    case(
        "token of somebody else, by id",
        |r| {
            r.snapshot_id = ids::STORED.to_owned();
            r.starting_token = "17".to_owned();
        },
        Aborted,
        TOKEN,
    ),
    case(
        "token after everything",
        |r| r.starting_token = r#"1:["c2",1,""]"#.to_owned(),
        Served,
        "0 entries",
    ),
    case(
        "id too long",
        |r| r.snapshot_id = "s".repeat(129),
        InvalidArgument,
        "`snapshot_id`: has 129 bytes, a snapshot id has at most 128",
    ),
    case(
        "source too long",
        |r| r.source_volume_id = "v".repeat(129),
        InvalidArgument,
        "`source_volume_id`: has 129 bytes, a volume id has at most 128",
    ),
    case(
        "unknown snapshot",
        |r| r.snapshot_id = ids::STORED.to_owned(),
        Served,
        "0 entries",
    ),
    case(
        "unknown volume",
        |r| r.source_volume_id = ids::STORED.to_owned(),
        Served,
        "0 entries",
    ),
    case(
        "snapshot of an unknown file system",
        |r| r.snapshot_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        Served,
        "0 entries",
    ),
    case(
        "snapshot of an unknown cluster",
        |r| r.snapshot_id = ids::OTHER_CLUSTER.to_owned(),
        FailedPrecondition,
        "snapshot `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it has: \
         c1",
    ),
    case(
        "volume of an unknown cluster",
        |r| r.source_volume_id = ids::OTHER_CLUSTER.to_owned(),
        FailedPrecondition,
        "volume `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it has: c1",
    ),
    case(
        "secrets without a key",
        |r| drop(r.secrets.insert("userID".to_owned(), "k8s".to_owned())),
        InvalidArgument,
        "cluster `c1`: missing key field 'userKey' in secrets",
    ),
];

const SNAPSHOTS_ALONE: &[Case<ListSnapshotsRequest>] = &[
    case(
        "with secrets",
        |r| r.secrets = secrets(),
        Served,
        "1 entries",
    ),
    case(
        "without secrets",
        |_| {},
        FailedPrecondition,
        "cluster `c1`: no credentials for cluster `c1`: requests of this kind carry no secrets, so the \
         driver needs some of its own; put the files `userID` and `userKey` into the directory \
         `<dir>/secrets/c1`",
    ),
];

const LISTS: &[Case<ListVolumesRequest>] = &[
    case("all", |_| {}, Served, "1 entries"),
    case(
        "negative max_entries",
        |r| r.max_entries = -1,
        InvalidArgument,
        NEGATIVE,
    ),
    case(
        "largest max_entries",
        |r| r.max_entries = i32::MAX,
        Served,
        "1 entries",
    ),
    case(
        "token of somebody else",
        |r| r.starting_token = "invalid-token".to_owned(),
        Aborted,
        TOKEN,
    ),
    case(
        "token of another release",
        |r| r.starting_token = r#"2:["c1",1,""]"#.to_owned(),
        Aborted,
        TOKEN,
    ),
    case(
        "token cut short",
        |r| r.starting_token = r#"1:["c1",1,"pvc"#.to_owned(),
        Aborted,
        TOKEN,
    ),
    case(
        "token of the wrong form",
        |r| r.starting_token = r#"1:{"c1":1}"#.to_owned(),
        Aborted,
        TOKEN,
    ),
    case(
        "token behind everything",
        |r| r.starting_token = r#"1:["z",1,""]"#.to_owned(),
        Served,
        "0 entries",
    ),
    case(
        "token in a cluster that has gone",
        |r| r.starting_token = r#"1:["b",7,"x"]"#.to_owned(),
        Served,
        "1 entries",
    ),
    case(
        "token in a file system that has gone",
        |r| r.starting_token = r#"1:["c1",0,"z"]"#.to_owned(),
        Served,
        "1 entries",
    ),
];

const HEALTH_LISTS: &[Case<ControllerListVolumeHealthRequest>] = &[
    case("all", |_| {}, Served, "0 entries"),
    case(
        "negative max_entries",
        |r| r.max_entries = -1,
        InvalidArgument,
        NEGATIVE,
    ),
    case(
        "token of somebody else",
        |r| r.starting_token = "1".to_owned(),
        Aborted,
        TOKEN,
    ),
    case(
        "secrets without a key",
        |r| drop(r.secrets.insert("userID".to_owned(), "k8s".to_owned())),
        InvalidArgument,
        "cluster `c1`: missing key field 'userKey' in secrets",
    ),
];

const CAPACITIES: &[Case<GetCapacityRequest>] = &[
    case("anywhere", |_| {}, Served, "20 GiB"),
    case(
        "unknown cluster",
        |r| drop(r.parameters.insert("clusterID".to_owned(), "c9".to_owned())),
        InvalidArgument,
        "clusterID `c9` is not in config.json; it has: c1",
    ),
    case(
        "empty clusterID",
        |r| drop(r.parameters.insert("clusterID".to_owned(), String::new())),
        InvalidArgument,
        "`parameters.clusterID`: cannot be empty; give it a value or leave it out",
    ),
    case(
        "unknown file system",
        |r| drop(r.parameters.insert("fsName".to_owned(), "nofs".to_owned())),
        InvalidArgument,
        "cluster `c1`: `parameters.fsName`: file system `nofs`: not found: this user sees: cephfs",
    ),
    case(
        "pool that holds no files",
        |r| {
            drop(
                r.parameters
                    .insert("pool".to_owned(), "cephfs-metadata".to_owned()),
            )
        },
        InvalidArgument,
        "cluster `c1`: `parameters.pool`: `cephfs-metadata` is no data pool; there are: cephfs-data",
    ),
];

const GETS: &[Case<ControllerGetVolumeRequest>] = &[
    case("existing", |_| {}, Served, "2 GiB"),
    case(
        "no id",
        |r| r.volume_id = String::new(),
        InvalidArgument,
        "`volume_id` is missing in the request",
    ),
    case(
        "id too long",
        |r| r.volume_id = "x".repeat(129),
        InvalidArgument,
        "`volume_id`: has 129 bytes, a volume id has at most 128",
    ),
    case(
        "unknown cluster",
        |r| r.volume_id = ids::OTHER_CLUSTER.to_owned(),
        FailedPrecondition,
        "volume `0001-0002-c2-0000000000000001-<uuid>`: clusterID `c2` is not in config.json; it has: c1",
    ),
    case(
        "unknown file system",
        |r| r.volume_id = ids::OTHER_FILE_SYSTEM.to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000063-<uuid>` does not exist: cluster `c1` has no file system \
         with id 99",
    ),
    case(
        "unknown volume",
        |r| r.volume_id = ids::STORED.to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` does not exist: mgr command `fs subvolume info`: \
         not found (errno 2): subvolume 'csi-vol-<uuid>' does not exist",
    ),
];

const HEALTHS: &[Case<ControllerGetVolumeHealthRequest>] = &[
    case("existing", |_| {}, Served, "0 reasons"),
    case(
        "existing, with secrets",
        |r| r.secrets = secrets(),
        Served,
        "0 reasons",
    ),
    case(
        "no id",
        |r| r.volume_id = String::new(),
        InvalidArgument,
        "`volume_id` is missing in the request",
    ),
    case(
        "secrets without a key",
        |r| drop(r.secrets.insert("userID".to_owned(), "k8s".to_owned())),
        InvalidArgument,
        "missing key field 'userKey' in secrets",
    ),
];

const ALONE: &[Case<ControllerGetVolumeHealthRequest>] = &[
    case(
        "with secrets",
        |r| r.secrets = secrets(),
        Served,
        "0 reasons",
    ),
    case(
        "without secrets",
        |_| {},
        FailedPrecondition,
        "no credentials for cluster `c1`: requests of this kind carry no secrets, so the driver needs \
         some of its own; put the files `userID` and `userKey` into the directory `<dir>/secrets/c1`",
    ),
];
