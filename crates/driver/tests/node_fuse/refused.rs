//! Mounts that Ceph refuses: the code, the words, and that nothing is left.

use std::time::{Duration, Instant};

use csi_proto::v1::NodeStageVolumeRequest;
use tonic::{Code, Request};

use super::lab::{Lab, key, runtime};
use csi_proto::v1::node_server::Node as _;

type Change = fn(&mut NodeStageVolumeRequest);

/// Well-formed, and of nobody here.
const OTHER_KEY: &str = "AQAA7wNrwnFsKxAA9yLs/wca7PSw4UUYf1UIgA==";

fn set(request: &mut NodeStageVolumeRequest, name: &str, value: &str) {
    request
        .volume_context
        .insert(name.to_owned(), value.to_owned());
}

/// A mount that is spoilt, the code, and words of the message.
const REFUSED: [(Change, Code, &str); 7] = [
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
        Code::NotFound,
        "file system does not exist",
    ),
    (
        |r| set(r, "fuseMountOptions", "frobnicate"),
        Code::InvalidArgument,
        "frobnicate",
    ),
    (
        |r| {
            r.volume_context.remove("staticVolume");
            set(r, "monitors", "127.0.0.1:1");
            set(r, "provisionVolume", "false");
        },
        Code::Unavailable,
        "can be reached",
    ),
];

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn a_refused_mount_says_why_and_leaves_nothing() {
    runtime().block_on(async {
        let lab = Lab::new("refused");
        for (change, code, text) in REFUSED {
            let mut request = lab.stage_request();
            change(&mut request);
            let mut request = Request::new(request);
            request.set_timeout(Duration::from_secs(6));
            let start = Instant::now();
            let status = lab.service.node_stage_volume(request).await.unwrap_err();
            assert!(start.elapsed() < Duration::from_secs(6), "{status}");
            let message = status.message();
            assert_eq!(status.code(), code, "{message}");
            assert!(message.contains(text), "`{text}`: {message}");
            assert!(
                !message.contains(&key()) && !message.contains(OTHER_KEY),
                "{message}"
            );
            lab.assert_clean().await;
        }
    });
}
