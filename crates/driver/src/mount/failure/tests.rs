use secrecy::SecretString;

use super::*;
use crate::mount::{MountOptions, MounterKind};

/// What ceph-fuse 16.2.15 prints, shortened to one line of each kind.
const SAID: [(&str, Said); 9] = [
    (
        "2026-11-23T07:46:52.939+0000 7ff5 -1 auth: failed to decode key '***'\n\
         2026-11-23T07:46:52.943+0000 7ff5 -1 monclient: keyring not found\n\
         failed to fetch mon config (--no-mon-config to skip)\n",
        Said::Cause(Cause::BadKey),
    ),
    (
        "failed to fetch mon config (--no-mon-config to skip)\n",
        Said::NoSession,
    ),
    (
        "unable to parse addrs in 'nosuchhost.invalid:6789'\n\
         2026-11-23T07:47:11.179+0000 7f33 -1 monclient: get_monmap_and_config cannot identify monitors \
         to contact\nfailed to fetch mon config (--no-mon-config to skip)\n",
        Said::Cause(Cause::BadMonitors),
    ),
    (
        "ceph-fuse[13132]: starting ceph client\n\
         ceph-fuse[13132]: ceph mount failed with (2) No such file or directory\n\
         2026-11-23T07:46:59.075+0000 7f58 -1 client.4135 mdsmap subscription failed: (2) No such file \
         or directory\n",
        Said::Cause(Cause::NoFileSystem),
    ),
    (
        "ceph-fuse[13102]: starting ceph client\n\
         ceph-fuse[13102]: ceph mount failed with (2) No such file or directory\n",
        Said::Cause(Cause::NoDirectory),
    ),
    (
        "2026-11-23T07:47:12.291+0000 7f70 -1 client.4139 mds.0 rejected us (non-allowable root '/')\n\
         ceph-fuse[13679]: ceph mount failed with (1) Operation not permitted\n",
        Said::Cause(Cause::NotAllowed),
    ),
    (
        "fuse: unknown option `frobnicate'\nceph-fuse[13649]: fuse failed to start\n",
        Said::Cause(Cause::BadOption),
    ),
    (
        "nsenter: cannot open /nowhere: No such file or directory\n",
        Said::Cause(Cause::NetNamespace),
    ),
    ("something new\n", Said::Cause(Cause::Other)),
];

#[test]
fn the_client_s_words_are_understood() {
    for (stderr, expected) in SAID {
        assert_eq!(Said::read(stderr), expected, "{stderr}");
    }
}

fn failure(cause: Cause, stderr: &str) -> Failure {
    let fs = CephFs {
        monitors: "192.0.2.1:6789".to_owned(),
        name: Some("cephfs".to_owned()),
        root: "/volumes/csi/v".to_owned(),
        snapshot: None,
        user: "node".to_owned(),
        key: SecretString::from("AQsecret"),
        fuse_options: MountOptions::default(),
        kernel_options: MountOptions::default(),
        net_namespace: None,
        mounter: MounterKind::Fuse,
    };
    Failure::new("ceph-fuse", cause, &fs, stderr)
}

#[test]
fn messages_name_the_cause_and_the_cure_without_noise() {
    let stderr = SAID[5].0;
    assert_eq!(
        failure(Cause::NotAllowed, stderr).to_string(),
        "ceph-fuse cannot mount `/volumes/csi/v` of file system `cephfs`: user `node` is not allowed \
         to; `ceph fs authorize cephfs client.node /volumes/csi/v rw` allows it (it said: client.4139 \
         mds.0 rejected us (non-allowable root '/'); ceph-fuse[13679]: ceph mount failed with (1) \
         Operation not permitted)"
    );
    let unreachable = failure(Cause::Unreachable, "").to_string();
    assert!(unreachable.contains("192.0.2.1:6789"), "{unreachable}");
    assert!(!unreachable.contains("it said"), "{unreachable}");
    let noise = "2026-11-23T07:46:58.999+0000 7f7f -1 --2- x._handle_peer_banner peer\n\
                 ceph-fuse[1]: starting ceph client\n";
    assert_eq!(failure(Cause::Other, noise).said, "");
}
