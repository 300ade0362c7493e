//! The other RPCs of the node service.

use csi_proto::v1::node_server::Node as _;
use csi_proto::v1::{
    NodeExpandVolumeRequest, NodeGetVolumeHealthRequest, NodeGetVolumeStatsRequest,
    NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest,
};
use tonic::Code::{FailedPrecondition, InvalidArgument, NotFound, Ok as Served, Unimplemented};
use tonic::{Request, Status};

use crate::ids;
use crate::lab::{Lab, STAGING, TARGET};
use crate::publish_volume::published;
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let volume_id = || ids::STORED.to_owned();
    let unstage = |_: &Lab| NodeUnstageVolumeRequest {
        volume_id: volume_id(),
        staging_target_path: STAGING.to_owned(),
    };
    report.check(
        "NodeUnstageVolume",
        published,
        unstage,
        send_unstage,
        UNSTAGE,
    );
    let unpublish = |_: &Lab| NodeUnpublishVolumeRequest {
        volume_id: volume_id(),
        target_path: TARGET.to_owned(),
    };
    let littered = || {
        let lab = published();
        lab.mounts
            .add_dir("/pods/b/written-while-nothing-was-mounted");
        lab
    };
    report.check(
        "NodeUnpublishVolume",
        littered,
        unpublish,
        send_unpublish,
        UNPUBLISH,
    );
    let stats = |_: &Lab| NodeGetVolumeStatsRequest {
        volume_id: volume_id(),
        volume_path: TARGET.to_owned(),
        ..NodeGetVolumeStatsRequest::default()
    };
    let foreign = || {
        let lab = published();
        lab.mounts.add_dir("/pods/foreign");
        lab.mounts.mount_foreign("/pods/foreign");
        lab
    };
    report.check("NodeGetVolumeStats", foreign, stats, send_stats, STATS);
    let health = |_: &Lab| NodeGetVolumeHealthRequest {
        volume_id: volume_id(),
        ..NodeGetVolumeHealthRequest::default()
    };
    report.check(
        "NodeGetVolumeHealth",
        published,
        health,
        send_health,
        HEALTH,
    );
    let expand = |_: &Lab| NodeExpandVolumeRequest::default();
    report.check("NodeExpandVolume", published, expand, send_expand, EXPAND);
}

fn send_unstage(lab: &Lab, request: NodeUnstageVolumeRequest) -> Result<String, Status> {
    let answer = lab.run(lab.node.node_unstage_volume(Request::new(request)));
    answer.map(|_| String::new())
}

fn send_unpublish(lab: &Lab, request: NodeUnpublishVolumeRequest) -> Result<String, Status> {
    let answer = lab.run(lab.node.node_unpublish_volume(Request::new(request)));
    answer.map(|_| String::new())
}

fn send_stats(lab: &Lab, request: NodeGetVolumeStatsRequest) -> Result<String, Status> {
    let answer = lab.run(lab.node.node_get_volume_stats(Request::new(request)));
    answer.map(|answer| answer.volume_condition.unwrap().message)
}

fn send_health(lab: &Lab, request: NodeGetVolumeHealthRequest) -> Result<String, Status> {
    let answer = lab.run(lab.node.node_get_volume_health(Request::new(request)));
    answer.map(|answer| format!("{:?}", answer.volume_health.unwrap().health_statuses))
}

fn send_expand(lab: &Lab, request: NodeExpandVolumeRequest) -> Result<String, Status> {
    let answer = lab.run(lab.node.node_expand_volume(Request::new(request)));
    answer.map(|_| String::new())
}

const UNSTAGE: &[Case<NodeUnstageVolumeRequest>] = &[
    case(
        "no id",
        |r| r.volume_id.clear(),
        InvalidArgument,
        "`volume_id` is missing in the request",
    ),
    case(
        "no path",
        |r| r.staging_target_path.clear(),
        InvalidArgument,
        "`staging_target_path` is missing in the request",
    ),
    case(
        "relative path",
        |r| r.staging_target_path = "globalmount".to_owned(),
        InvalidArgument,
        "`staging_target_path`: `globalmount` is not absolute",
    ),
    case(
        "path that climbs",
        |r| r.staging_target_path = "/plugins/../pods/a".to_owned(),
        InvalidArgument,
        "`staging_target_path`: `/plugins/../pods/a` contains `..`",
    ),
    case(
        "path that is not there",
        |r| r.staging_target_path = "/plugins/other/globalmount".to_owned(),
        Served,
        "",
    ),
    case(
        "path without a mount",
        |r| r.staging_target_path = "/plugins/hash".to_owned(),
        Served,
        "",
    ),
];

const UNPUBLISH: &[Case<NodeUnpublishVolumeRequest>] = &[
    case(
        "no id",
        |r| r.volume_id.clear(),
        InvalidArgument,
        "`volume_id` is missing in the request",
    ),
    case(
        "no target",
        |r| r.target_path.clear(),
        InvalidArgument,
        "`target_path` is missing in the request",
    ),
    case(
        "relative target",
        |r| r.target_path = "pods/a".to_owned(),
        InvalidArgument,
        "`target_path`: `pods/a` is not absolute",
    ),
    case(
        "target that climbs",
        |r| r.target_path = "/pods/..".to_owned(),
        InvalidArgument,
        "`target_path`: `/pods/..` contains `..`",
    ),
    case(
        "target that is not there",
        |r| r.target_path = "/pods/c".to_owned(),
        Served,
        "",
    ),
    case(
        "target in a directory that is not there",
        |r| r.target_path = "/pods/c/d".to_owned(),
        Served,
        "",
    ),
    case(
        "target that is not empty",
        |r| r.target_path = "/pods/b".to_owned(),
        FailedPrecondition,
        "directory `/pods/b` is not empty and stays: files were written to it while nothing was mounted \
         there; move them away",
    ),
];

const STATS: &[Case<NodeGetVolumeStatsRequest>] = &[
    case(
        "nothing wrong",
        |_| {},
        Served,
        "the volume is mounted and answers",
    ),
    case(
        "no id",
        |r| r.volume_id.clear(),
        InvalidArgument,
        "`volume_id` is missing in the request",
    ),
    case(
        "no path",
        |r| r.volume_path.clear(),
        InvalidArgument,
        "`volume_path` is missing in the request",
    ),
    case(
        "relative path",
        |r| r.volume_path = "pods/a".to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` is not mounted at `pods/a`",
    ),
    case(
        "path that is not there",
        |r| r.volume_path = "/pods/b/mount".to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` is not mounted at `/pods/b/mount`",
    ),
    case(
        "path without a mount",
        |r| r.volume_path = "/pods".to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` is not mounted at `/pods`",
    ),
    case(
        "another file system",
        |r| r.volume_path = "/pods/foreign".to_owned(),
        NotFound,
        "volume `0001-0002-c1-0000000000000001-<uuid>` is not mounted at `/pods/foreign`",
    ),
];

const HEALTH: &[Case<NodeGetVolumeHealthRequest>] = &[
    case("nothing wrong", |_| {}, Served, "[]"),
    case(
        "no id",
        |r| r.volume_id.clear(),
        InvalidArgument,
        "`volume_id` is missing in the request",
    ),
    case(
        "relative publish path",
        |r| r.volume_publish_path = "pods/a".to_owned(),
        InvalidArgument,
        "`volume_publish_path`: `pods/a` is not absolute",
    ),
    case(
        "relative staging path",
        |r| r.staging_target_path = "globalmount".to_owned(),
        InvalidArgument,
        "`staging_target_path`: `globalmount` is not absolute",
    ),
    case(
        "unknown volume",
        |r| r.volume_id = "my-static-volume".to_owned(),
        NotFound,
        "volume `my-static-volume` was neither staged nor published by this driver since it started",
    ),
];

const EXPAND: &[Case<NodeExpandVolumeRequest>] = &[case(
    "any request",
    |_| {},
    Unimplemented,
    "NodeExpandVolume is not served by this release of spirula: a CephFS volume grows on all nodes with \
     ControllerExpandVolume alone",
)];
