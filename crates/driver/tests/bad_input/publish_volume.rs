//! NodePublishVolume, for a volume that is staged.

use csi_proto::v1::NodePublishVolumeRequest;
use csi_proto::v1::node_server::Node as _;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, BlockVolume};
use spirula::mount::memory::Health;
use tonic::Code::{
    AlreadyExists, DeadlineExceeded, FailedPrecondition, InvalidArgument, Ok as Served,
};
use tonic::{Request, Status};

use crate::ids;
use crate::lab::{Lab, STAGING, TARGET};
use crate::stage_volume::staged;
use crate::support::mount_capability;
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let request = |_: &Lab| request();
    report.check("NodePublishVolume, fields", crowded, request, send, FIELDS);
    report.check(
        "NodePublishVolume, not staged",
        Lab::new,
        request,
        send,
        NOT_STAGED,
    );
    let foreign = || {
        let lab = Lab::new();
        lab.mounts.mount_foreign(STAGING);
        lab
    };
    report.check(
        "NodePublishVolume, foreign",
        foreign,
        request,
        send,
        NOT_STAGED,
    );
    let ill = |health| {
        let lab = staged();
        lab.mounts.set_health(STAGING, health);
        lab
    };
    let dead = || ill(Health::Dead);
    report.check("NodePublishVolume, dead", dead, request, send, DEAD);
    let hanging = || ill(Health::Hanging);
    report.check(
        "NodePublishVolume, hanging",
        hanging,
        request,
        send,
        HANGING,
    );
    report.check("NodePublishVolume, again", published, request, send, AGAIN);
    let read_only = || {
        let lab = staged();
        let mut request = self::request();
        request.readonly = true;
        send(&lab, request).unwrap();
        lab
    };
    report.check(
        "NodePublishVolume, read-only",
        read_only,
        request,
        send,
        READ_ONLY,
    );
}

fn send(lab: &Lab, request: NodePublishVolumeRequest) -> Result<String, Status> {
    let answer = lab.run(lab.node.node_publish_volume(Request::new(request)));
    answer.map(|_| String::new())
}

fn request() -> NodePublishVolumeRequest {
    NodePublishVolumeRequest {
        volume_id: ids::STORED.to_owned(),
        staging_target_path: STAGING.to_owned(),
        target_path: TARGET.to_owned(),
        volume_capability: Some(mount_capability(Mode::MultiNodeMultiWriter)),
        ..NodePublishVolumeRequest::default()
    }
}

/// With the volume published to a pod.
pub(crate) fn published() -> Lab {
    let lab = staged();
    send(&lab, request()).unwrap();
    lab
}

/// With the volume staged, and with targets that are taken.
fn crowded() -> Lab {
    let lab = staged();
    lab.mounts.add_file("/pods/file");
    lab.mounts.add_dir("/pods/foreign");
    lab.mounts.mount_foreign("/pods/foreign");
    lab
}

const FIELDS: &[Case<NodePublishVolumeRequest>] = &[
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
        FailedPrecondition,
        "`staging_target_path` is missing in the request: this driver stages volumes first",
    ),
    case(
        "relative staging path",
        |r| r.staging_target_path = "globalmount".to_owned(),
        InvalidArgument,
        "`staging_target_path`: `globalmount` is not absolute",
    ),
    case(
        "another staging path",
        |r| r.staging_target_path = "/plugins/other/globalmount".to_owned(),
        FailedPrecondition,
        "the volume is not staged at `/plugins/other/globalmount`: no CephFS is mounted there; \
         NodeStageVolume has to come first",
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
        |r| r.target_path = "/pods/../etc".to_owned(),
        InvalidArgument,
        "`target_path`: `/pods/../etc` contains `..`",
    ),
    case(
        "target with a zero byte",
        |r| r.target_path = "/pods/\0".to_owned(),
        InvalidArgument,
        "`target_path`: contains a zero byte",
    ),
    case(
        "target that is a file",
        |r| r.target_path = "/pods/file".to_owned(),
        InvalidArgument,
        "`target_path`: `/pods/file` is not a directory",
    ),
    case(
        "target with another file system",
        |r| r.target_path = "/pods/foreign".to_owned(),
        FailedPrecondition,
        "`/pods/foreign` has tmpfs (`memory`) mounted on it, not this volume; nothing was changed: \
         unmount it if it does not belong there",
    ),
];

const NOT_STAGED: &[Case<NodePublishVolumeRequest>] = &[case(
    "no CephFS at the staging path",
    |_| {},
    FailedPrecondition,
    "the volume is not staged at `/plugins/hash/globalmount`: no CephFS is mounted there; \
     NodeStageVolume has to come first",
)];

const DEAD: &[Case<NodePublishVolumeRequest>] = &[case(
    "a client that is gone",
    |_| {},
    FailedPrecondition,
    "the volume staged at `/plugins/hash/globalmount` is dead: its client has ended, was evicted, or was \
     killed; delete all pods that use the volume on this node, so that it is unstaged and staged anew: \
     the mount at `/plugins/hash/globalmount` is dead: not connected",
)];

const HANGING: &[Case<NodePublishVolumeRequest>] = &[case(
    "a mount that does not answer",
    |_| {},
    DeadlineExceeded,
    "stat `/plugins/hash/globalmount` has not returned for 1.0 s: the file system there may be waiting \
     for a Ceph cluster that does not answer",
)];

const AGAIN: &[Case<NodePublishVolumeRequest>] = &[
    case("the same", |_| {}, Served, ""),
    case(
        "for one pod, and to another one",
        |r| {
            r.target_path = "/pods/b".to_owned();
            r.volume_capability = Some(mount_capability(Mode::SingleNodeSingleWriter));
        },
        FailedPrecondition,
        "the volume may be published once only (ReadWriteOncePod), and is at `/pods/a` already",
    ),
];

const READ_ONLY: &[Case<NodePublishVolumeRequest>] = &[case(
    "writable",
    |_| {},
    AlreadyExists,
    "the volume is mounted at `/pods/a` already, read-only, and is now wanted writable",
)];
