//! Secrets, of all RPCs that need them.

use std::collections::BTreeMap;

use csi_proto::v1::{self as csi, CreateVolumeRequest};
use tonic::Code::{InvalidArgument, Ok as Served, PermissionDenied};
use tonic::Status;

use crate::create_volume::send;
use crate::lab::{Lab, VOLUME};
use crate::support::{KEY, create_request};
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let request = |_: &Lab| create_request(VOLUME, 2);
    for case in SECRETS {
        report.secret("CreateVolume", Lab::with_volume, request, send, case);
    }
    let guarded = || {
        let lab = Lab::new();
        lab.world.memory.create_user("k8s", "another key".into());
        lab
    };
    report.check("secrets that Ceph refuses", guarded, request, send, REFUSED);
}

type Secrets = BTreeMap<String, String>;

/// Requests with secrets.
pub(crate) trait WithSecrets {
    fn secrets(&mut self) -> &mut Secrets;
}

macro_rules! with_secrets {
    ($($request:ident)*) => {
        $(impl WithSecrets for csi::$request {
            fn secrets(&mut self) -> &mut Secrets {
                &mut self.secrets
            }
        })*
    };
}

with_secrets! {
    CreateVolumeRequest
    DeleteVolumeRequest
    ControllerExpandVolumeRequest
    ValidateVolumeCapabilitiesRequest
    CreateSnapshotRequest
    DeleteSnapshotRequest
    GetSnapshotRequest
    CreateVolumeGroupSnapshotRequest
    DeleteVolumeGroupSnapshotRequest
    GetVolumeGroupSnapshotRequest
    NodeStageVolumeRequest
}

impl Report {
    /// Sends a request with each of the secrets that are refused.
    pub(crate) fn secrets<Q: WithSecrets>(
        &mut self,
        rpc: &str,
        lab: impl Fn() -> Lab,
        request: impl Fn(&Lab) -> Q,
        send: impl Fn(&Lab, Q) -> Result<String, Status>,
    ) {
        for case in SECRETS.iter().filter(|case| case.code != Served) {
            self.secret(rpc, &lab, &request, &send, case);
        }
    }

    fn secret<Q: WithSecrets>(
        &mut self,
        rpc: &str,
        lab: impl Fn() -> Lab,
        request: impl Fn(&Lab) -> Q,
        send: impl Fn(&Lab, Q) -> Result<String, Status>,
        case: &Case<Secrets>,
    ) {
        let lab = lab();
        let mut request = request(&lab);
        (case.edit)(request.secrets());
        let name = format!("{rpc}, secrets: {}", case.name);
        self.one(&name, &lab, case.code, case.message, || send(&lab, request));
    }
}

fn only<const N: usize>(secrets: &mut Secrets, fields: [(&str, &str); N]) {
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    *secrets = BTreeMap::from(fields);
}

const SECRETS: &[Case<Secrets>] = &[
    case(
        "none",
        BTreeMap::clear,
        InvalidArgument,
        "provided secret is empty; the StorageClass or PersistentVolume must name a Secret with \
         `userID` and `userKey`",
    ),
    case(
        "none of ours",
        |s| only(s, [("password", "x")]),
        InvalidArgument,
        "missing ID field 'userID' in secrets",
    ),
    case(
        "only userID",
        |s| only(s, [("userID", "k8s")]),
        InvalidArgument,
        "missing key field 'userKey' in secrets",
    ),
    case(
        "only userKey",
        |s| only(s, [("userKey", KEY)]),
        InvalidArgument,
        "missing ID field 'userID' in secrets",
    ),
    case(
        "only adminID",
        |s| only(s, [("adminID", "admin")]),
        InvalidArgument,
        "missing key field 'adminKey' in secrets",
    ),
    case(
        "only adminKey",
        |s| only(s, [("adminKey", KEY)]),
        InvalidArgument,
        "missing ID field 'adminID' in secrets",
    ),
    case(
        "the ID of one pair and the key of the other",
        |s| only(s, [("userID", "k8s"), ("adminKey", KEY)]),
        InvalidArgument,
        "missing key field 'userKey' in secrets",
    ),
    case(
        "userId",
        |s| only(s, [("userId", "k8s"), ("userKey", KEY)]),
        InvalidArgument,
        "missing ID field 'userID' in secrets; it has 'userId'",
    ),
    case(
        "userkey",
        |s| only(s, [("userID", "k8s"), ("userkey", KEY)]),
        InvalidArgument,
        "missing key field 'userKey' in secrets; it has 'userkey'",
    ),
    case(
        "empty userID",
        |s| only(s, [("userID", ""), ("userKey", KEY)]),
        InvalidArgument,
        "missing ID field 'userID' in secrets",
    ),
    case(
        "userID of white space",
        |s| only(s, [("userID", " \n"), ("userKey", KEY)]),
        InvalidArgument,
        "missing ID field 'userID' in secrets",
    ),
    case(
        "empty userKey",
        |s| only(s, [("userID", "k8s"), ("userKey", "")]),
        InvalidArgument,
        "missing key field 'userKey' in secrets",
    ),
    case(
        "client. and nothing",
        |s| only(s, [("userID", "client."), ("userKey", KEY)]),
        InvalidArgument,
        "field 'userID' in secrets is not a cephx user name: nothing follows `client.`",
    ),
    case(
        "userID with a comma",
        |s| {
            only(
                s,
                [("userID", "k8s,secretfile=/etc/shadow"), ("userKey", KEY)],
            )
        },
        InvalidArgument,
        "field 'userID' in secrets is not a cephx user name: it has a comma, white space or a character \
         outside of ASCII",
    ),
    case(
        "userID with a blank",
        |s| only(s, [("userID", "k 8s"), ("userKey", KEY)]),
        InvalidArgument,
        "field 'userID' in secrets is not a cephx user name: it has a comma, white space or a character \
         outside of ASCII",
    ),
    case(
        "userID with an umlaut",
        |s| only(s, [("userID", "jürgen"), ("userKey", KEY)]),
        InvalidArgument,
        "field 'userID' in secrets is not a cephx user name: it has a comma, white space or a character \
         outside of ASCII",
    ),
    case(
        "a password for a key",
        |s| only(s, [("userID", "k8s"), ("userKey", "correct horse")]),
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it has characters that base64 does not have; \
         `ceph auth get-key` prints the key",
    ),
    case(
        "a whole keyring for a key",
        |s| {
            only(
                s,
                [
                    ("userID", "k8s"),
                    ("userKey", "[client.k8s]\n\tkey = AQBv=="),
                ],
            )
        },
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it has characters that base64 does not have; \
         `ceph auth get-key` prints the key",
    ),
    case(
        "a key that was cut off",
        |s| only(s, [("userID", "k8s"), ("userKey", &KEY[..38])]),
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it is not complete base64, a part was cut off; \
         `ceph auth get-key` prints the key",
    ),
    case(
        "a short key",
        |s| only(s, [("userID", "k8s"), ("userKey", &KEY[..36])]),
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it is too short; `ceph auth get-key` prints the \
         key",
    ),
    case(
        "a key encoded twice",
        |s| {
            let twice = "QVFCdmFCUm5BQUFBQUJBQWEydHJhMnRyYTJ0cmEydHJhMnRyYTJ0cmEycz0=";
            only(s, [("userID", "k8s"), ("userKey", twice)]);
        },
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it is encoded in base64 twice; write it to \
         `stringData`, or encode it once in `data`; `ceph auth get-key` prints the key",
    ),
    case(
        "a bad adminKey",
        |s| only(s, [("adminID", "admin"), ("adminKey", "???")]),
        InvalidArgument,
        "field 'adminKey' in secrets is not a cephx key: it has characters that base64 does not have; \
         `ceph auth get-key` prints the key",
    ),
    case(
        "a bad user pair besides a good admin pair",
        |s| {
            let admin = [("adminID", "admin"), ("adminKey", KEY)];
            only(
                s,
                [("userID", "k8s"), ("userKey", "???"), admin[0], admin[1]],
            );
        },
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it has characters that base64 does not have; \
         `ceph auth get-key` prints the key",
    ),
    case(
        "client. before the user",
        |s| only(s, [("userID", "client.k8s"), ("userKey", KEY)]),
        Served,
        "",
    ),
    case(
        "white space around both",
        |s| only(s, [("userID", " k8s\n"), ("userKey", &format!("{KEY}\n"))]),
        Served,
        "",
    ),
    case(
        "a placeholder besides an admin pair",
        |s| {
            let admin = [("adminID", "admin"), ("adminKey", KEY)];
            let user = [("userID", "<plaintext ID>"), ("userKey", "<key>")];
            only(s, [user[0], user[1], admin[0], admin[1]]);
        },
        Served,
        "",
    ),
    case(
        "half a user pair besides an admin pair",
        |s| {
            only(
                s,
                [("userID", "k8s"), ("adminID", "admin"), ("adminKey", KEY)],
            )
        },
        Served,
        "",
    ),
];

const REFUSED: &[Case<CreateVolumeRequest>] = &[
    case(
        "the wrong key",
        |_| {},
        PermissionDenied,
        "connect as `client.k8s` to `127.0.0.1:6789`: permission denied: no such user, or another key; compare \
         user and key in the secret with `ceph auth get client.k8s`, which also has to show a mon capability",
    ),
    case(
        "an unknown user",
        |r| only(&mut r.secrets, [("userID", "nobody"), ("userKey", KEY)]),
        PermissionDenied,
        "connect as `client.nobody` to `127.0.0.1:6789`: permission denied: no such user, or another key; compare \
         user and key in the secret with `ceph auth get client.nobody`, which also has to show a mon capability",
    ),
];
