//! Mounts that are refused, whichever client is to make them: the code, the words, and that nothing is left.

use std::time::Duration;

use csi_proto::v1::NodeStageVolumeRequest;
use csi_proto::v1::node_server::Node as _;
use tonic::{Code, Request};

use super::lab::{Lab, key, runtime};
use super::of_client::REFUSED_BY_CLIENT;
use super::search::cephx_keys;

/// Well-formed, and of nobody here.
pub(crate) const OTHER_KEY: &str = "AQAA7wNrwnFsKxAA9yLs/wca7PSw4UUYf1UIgA==";

/// Much more than an answer takes, also where everything takes long.
const LONG: Duration = Duration::from_mins(1);

/// For mounts that ceph-fuse, or the kernel, gives up only after most of the time that it is given: three
/// seconds are left then, of which neither needs a tenth.
const WAITED: Duration = Duration::from_secs(12);

/// A mount that is spoilt, and what is said of it.
pub(crate) struct Refused {
    change: fn(&mut NodeStageVolumeRequest),
    code: Code,
    text: &'static str,
    limit: Duration,
}

impl Refused {
    pub(crate) const fn new(
        change: fn(&mut NodeStageVolumeRequest),
        code: Code,
        text: &'static str,
    ) -> Self {
        Self {
            change,
            code,
            text,
            limit: LONG,
        }
    }

    pub(crate) const fn waited(self) -> Self {
        Self {
            limit: WAITED,
            ..self
        }
    }
}

pub(crate) fn set(request: &mut NodeStageVolumeRequest, name: &str, value: &str) {
    let context = &mut request.volume_context;
    context.insert(name.to_owned(), value.to_owned());
}

pub(crate) fn set_monitors(request: &mut NodeStageVolumeRequest, monitors: &str) {
    request.volume_context.remove("staticVolume");
    set(request, "monitors", monitors);
    set(request, "provisionVolume", "false");
}

const REFUSED: [Refused; 5] = [
    Refused::new(
        |r| drop(r.secrets.insert("userKey".to_owned(), OTHER_KEY.to_owned())),
        Code::PermissionDenied,
        "compare user and key",
    )
    .waited(),
    Refused::new(
        |r| drop(r.secrets.insert("userID".to_owned(), "nobody".to_owned())),
        Code::PermissionDenied,
        "client.nobody",
    )
    .waited(),
    Refused::new(
        |r| set(r, "rootPath", "/volumes/csi/absent"),
        Code::NotFound,
        "directory does not exist",
    ),
    Refused::new(
        |r| set(r, "rootPath", "/"),
        Code::PermissionDenied,
        "ceph fs authorize",
    ),
    Refused::new(
        |r| set_monitors(r, "127.0.0.1:1"),
        Code::Unavailable,
        "can be reached",
    )
    .waited(),
];

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
fn a_refused_mount_says_why_and_leaves_nothing() {
    runtime().block_on(async {
        let lab = Lab::new("refused");
        for refused in REFUSED.iter().chain(REFUSED_BY_CLIENT) {
            let mut request = lab.stage_request();
            (refused.change)(&mut request);
            let mut request = Request::new(request);
            request.set_timeout(refused.limit);
            let text = refused.text;
            let answer = lab.service.node_stage_volume(request).await;
            let Err(status) = answer else {
                panic!("`{text}`: it is mounted")
            };
            let message = status.message();
            assert_eq!(status.code(), refused.code, "`{text}`: {message}");
            assert!(message.contains(text), "`{text}`: {message}");
            for secret in [&key(), OTHER_KEY, "AQsecret"] {
                assert!(!message.contains(secret), "{message}");
            }
            assert_eq!(cephx_keys(), Vec::<String>::new());
            lab.assert_clean().await;
        }
        lab.stage().await.unwrap();
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}
