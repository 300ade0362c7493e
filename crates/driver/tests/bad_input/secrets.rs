//! Secrets. All RPCs that need them read them in the same way; CreateVolume stands for all.

use std::collections::BTreeMap;

use csi_proto::v1::CreateVolumeRequest;
use tonic::Code::{InvalidArgument, Ok as Served, PermissionDenied};

use crate::create_volume::send;
use crate::lab::{Lab, VOLUME};
use crate::support::{KEY, create_request};
use crate::table::{Case, Report, case};

pub(crate) fn run(report: &mut Report) {
    let request = |_: &Lab| create_request(VOLUME, 2);
    report.check("secrets", Lab::with_volume, request, send, SECRETS);
    let guarded = || {
        let lab = Lab::new();
        lab.world.memory.create_user("k8s", "another key".into());
        lab
    };
    report.check("secrets that Ceph refuses", guarded, request, send, REFUSED);
}

fn only<const N: usize>(request: &mut CreateVolumeRequest, fields: [(&str, &str); N]) {
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    request.secrets = BTreeMap::from(fields);
}

const SECRETS: &[Case<CreateVolumeRequest>] = &[
    case(
        "none",
        |r| r.secrets.clear(),
        InvalidArgument,
        "provided secret is empty; the StorageClass or PersistentVolume must name a Secret with \
         `userID` and `userKey`",
    ),
    case(
        "none of ours",
        |r| only(r, [("password", "x")]),
        InvalidArgument,
        "missing ID field 'userID' in secrets",
    ),
    case(
        "only userID",
        |r| only(r, [("userID", "k8s")]),
        InvalidArgument,
        "missing key field 'userKey' in secrets",
    ),
    case(
        "only userKey",
        |r| only(r, [("userKey", KEY)]),
        InvalidArgument,
        "missing ID field 'userID' in secrets",
    ),
    case(
        "only adminID",
        |r| only(r, [("adminID", "admin")]),
        InvalidArgument,
        "missing key field 'adminKey' in secrets",
    ),
    case(
        "only adminKey",
        |r| only(r, [("adminKey", KEY)]),
        InvalidArgument,
        "missing ID field 'adminID' in secrets",
    ),
    case(
        "the ID of one pair and the key of the other",
        |r| only(r, [("userID", "k8s"), ("adminKey", KEY)]),
        InvalidArgument,
        "missing key field 'userKey' in secrets",
    ),
    case(
        "userId",
        |r| only(r, [("userId", "k8s"), ("userKey", KEY)]),
        InvalidArgument,
        "missing ID field 'userID' in secrets; it has 'userId'",
    ),
    case(
        "userkey",
        |r| only(r, [("userID", "k8s"), ("userkey", KEY)]),
        InvalidArgument,
        "missing key field 'userKey' in secrets; it has 'userkey'",
    ),
    case(
        "empty userID",
        |r| only(r, [("userID", ""), ("userKey", KEY)]),
        InvalidArgument,
        "missing ID field 'userID' in secrets",
    ),
    case(
        "userID of white space",
        |r| only(r, [("userID", " \n"), ("userKey", KEY)]),
        InvalidArgument,
        "missing ID field 'userID' in secrets",
    ),
    case(
        "empty userKey",
        |r| only(r, [("userID", "k8s"), ("userKey", "")]),
        InvalidArgument,
        "missing key field 'userKey' in secrets",
    ),
    case(
        "client. and nothing",
        |r| only(r, [("userID", "client."), ("userKey", KEY)]),
        InvalidArgument,
        "field 'userID' in secrets is not a cephx user name: nothing follows `client.`",
    ),
    case(
        "userID with a comma",
        |r| {
            only(
                r,
                [("userID", "k8s,secretfile=/etc/shadow"), ("userKey", KEY)],
            )
        },
        InvalidArgument,
        "field 'userID' in secrets is not a cephx user name: it has a comma, white space or a character \
         outside of ASCII",
    ),
    case(
        "userID with a blank",
        |r| only(r, [("userID", "k 8s"), ("userKey", KEY)]),
        InvalidArgument,
        "field 'userID' in secrets is not a cephx user name: it has a comma, white space or a character \
         outside of ASCII",
    ),
    case(
        "userID with an umlaut",
        |r| only(r, [("userID", "jürgen"), ("userKey", KEY)]),
        InvalidArgument,
        "field 'userID' in secrets is not a cephx user name: it has a comma, white space or a character \
         outside of ASCII",
    ),
    case(
        "a password for a key",
        |r| only(r, [("userID", "k8s"), ("userKey", "correct horse")]),
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it has characters that base64 does not have; \
         `ceph auth get-key` prints the key",
    ),
    case(
        "a whole keyring for a key",
        |r| {
            only(
                r,
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
        |r| only(r, [("userID", "k8s"), ("userKey", &KEY[..38])]),
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it is not complete base64, a part was cut off; \
         `ceph auth get-key` prints the key",
    ),
    case(
        "a short key",
        |r| only(r, [("userID", "k8s"), ("userKey", &KEY[..36])]),
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it is too short; `ceph auth get-key` prints the \
         key",
    ),
    case(
        "a key encoded twice",
        |r| {
            let twice = "QVFCdmFCUm5BQUFBQUJBQWEydHJhMnRyYTJ0cmEydHJhMnRyYTJ0cmEycz0=";
            only(r, [("userID", "k8s"), ("userKey", twice)]);
        },
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it is encoded in base64 twice; write it to \
         `stringData`, or encode it once in `data`; `ceph auth get-key` prints the key",
    ),
    case(
        "a bad adminKey",
        |r| only(r, [("adminID", "admin"), ("adminKey", "???")]),
        InvalidArgument,
        "field 'adminKey' in secrets is not a cephx key: it has characters that base64 does not have; \
         `ceph auth get-key` prints the key",
    ),
    case(
        "a bad user pair besides a good admin pair",
        |r| {
            let admin = [("adminID", "admin"), ("adminKey", KEY)];
            only(
                r,
                [("userID", "k8s"), ("userKey", "???"), admin[0], admin[1]],
            );
        },
        InvalidArgument,
        "field 'userKey' in secrets is not a cephx key: it has characters that base64 does not have; \
         `ceph auth get-key` prints the key",
    ),
    case(
        "client. before the user",
        |r| only(r, [("userID", "client.k8s"), ("userKey", KEY)]),
        Served,
        "",
    ),
    case(
        "white space around both",
        |r| only(r, [("userID", " k8s\n"), ("userKey", &format!("{KEY}\n"))]),
        Served,
        "",
    ),
    case(
        "half a user pair besides an admin pair",
        |r| {
            only(
                r,
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
        |r| only(r, [("userID", "nobody"), ("userKey", KEY)]),
        PermissionDenied,
        "connect as `client.nobody` to `127.0.0.1:6789`: permission denied: no such user, or another key; compare \
         user and key in the secret with `ceph auth get client.nobody`, which also has to show a mon capability",
    ),
];
