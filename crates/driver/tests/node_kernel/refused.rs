//! Mounts that the kernel, Ceph or the driver refuses: the code, the words, and that nothing is left.

use std::time::Duration;

use csi_proto::v1::NodeStageVolumeRequest;
use csi_proto::v1::node_server::Node as _;
use tonic::{Code, Request};

use super::key::cephx_keys;
use super::lab::{Lab, key, runtime, setting};

type Change = fn(&mut NodeStageVolumeRequest);

/// Well-formed, and of nobody here.
const OTHER_KEY: &str = "AQAA7wNrwnFsKxAA9yLs/wca7PSw4UUYf1UIgA==";

fn set(request: &mut NodeStageVolumeRequest, name: &str, value: &str) {
    let context = &mut request.volume_context;
    context.insert(name.to_owned(), value.to_owned());
}

fn set_monitors(request: &mut NodeStageVolumeRequest, monitors: &str) {
    request.volume_context.remove("staticVolume");
    set(request, "monitors", monitors);
    set(request, "provisionVolume", "false");
}

/// A mount that is spoilt, the code, and words of the message.
const REFUSED: [(Change, Code, &str); 13] = [
    (
        |r| drop(r.secrets.insert("userKey".to_owned(), OTHER_KEY.to_owned())),
        Code::PermissionDenied,
        "compare user and key",
    ),
    (
        |r| drop(r.secrets.insert("userID".to_owned(), "nobody".to_owned())),
        Code::PermissionDenied,
        "client.nobody",
    ),
    (
        |r| set(r, "rootPath", "/volumes/csi/absent"),
        Code::NotFound,
        "directory does not exist",
    ),
    (
        |r| set(r, "rootPath", "/"),
        Code::PermissionDenied,
        "ceph fs authorize",
    ),
    (
        |r| set(r, "fsName", "absent"),
        Code::Unavailable,
        "whether there is such a file system",
    ),
    (
        |r| set(r, "kernelMountOptions", "rasize=4096,frobnicate,noatime"),
        Code::InvalidArgument,
        "frobnicate",
    ),
    (
        |r| set(r, "kernelMountOptions", "ms_mode=maybe"),
        Code::InvalidArgument,
        "ms_mode",
    ),
    (
        |r| set(r, "kernelMountOptions", "secret=AQsecret"),
        Code::InvalidArgument,
        "option `secret` is the driver's own",
    ),
    (
        |r| set(r, "kernelMountOptions", "secretfile=/etc/ceph/secret"),
        Code::InvalidArgument,
        "option `secretfile` is the driver's own",
    ),
    (
        |r| set(r, "kernelMountOptions", "mds_namespace=other"),
        Code::InvalidArgument,
        "`mds_namespace` names another file system",
    ),
    (
        |r| set(r, "kernelMountOptions", "$(reboot);`id`"),
        Code::InvalidArgument,
        "$(reboot)",
    ),
    (
        |r| set_monitors(r, "127.0.0.1:1"),
        Code::Unavailable,
        "can be reached",
    ),
    (
        |r| set_monitors(r, &format!("v1:{}", setting("SPIRULA_TEST_MONITORS_V2"))),
        Code::FailedPrecondition,
        "speak another protocol",
    ),
];

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn a_refused_mount_says_why_and_leaves_nothing() {
    runtime().block_on(async {
        let lab = Lab::new("refused");
        for (change, code, text) in REFUSED {
            let mut request = lab.stage_request();
            change(&mut request);
            let mut request = Request::new(request);
            request.set_timeout(Duration::from_secs(20));
            let status = lab.service.node_stage_volume(request).await.unwrap_err();
            let message = status.message();
            assert_eq!(status.code(), code, "{message}");
            assert!(message.contains(text), "`{text}`: {message}");
            for secret in [&key(), OTHER_KEY, "AQsecret"] {
                assert!(!message.contains(secret), "{message}");
            }
            assert_eq!(cephx_keys(), Vec::<String>::new());
            lab.assert_clean().await;
        }
        lab.stage().await.unwrap();
        lab.unstage().await.unwrap();
    });
}
