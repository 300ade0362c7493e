use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::super::super::{MountOptions, MounterKind};
use super::*;

/// Answers of 6.1.0-56 for mounts that were spoilt in one way each.
#[test]
fn the_cause_is_read_from_the_number_and_the_log() {
    let established = "libceph: mon0 (1)192.0.2.1:6789 session established";
    let no_mds = "ceph: No mds server is up or the cluster is laggy";
    let rejected = "libceph: auth protocol 'cephx' mauth authentication failed: -13";
    let cases: &[(Errno, &[&str], Cause)] = &[
        (Errno::HOSTUNREACH, &[rejected, no_mds], Cause::Rejected),
        (Errno::HOSTUNREACH, &[established, no_mds], Cause::NoMds),
        (Errno::HOSTUNREACH, &[no_mds], Cause::NoSession),
        (Errno::HOSTUNREACH, &[], Cause::NoSession),
        (Errno::NOENT, &[established], Cause::NoDirectory),
        (
            Errno::ACCESS,
            &[established, "ceph: mds0 rejected session"],
            Cause::NotAllowed,
        ),
        (
            Errno::INVAL,
            &["ceph: Unknown parameter 'frobnicate'"],
            Cause::BadOption,
        ),
        (
            Errno::INVAL,
            &["libceph: Bad value for 'ms_mode'"],
            Cause::BadOption,
        ),
        (
            Errno::HOSTUNREACH,
            &["libceph: mon0 (2)192.0.2.1:6789 server is speaking msgr1 protocol"],
            Cause::OtherProtocol,
        ),
        (
            Errno::HOSTUNREACH,
            &["libceph: mon0 (1)192.0.2.1:3300 socket closed (con state V1_BANNER)"],
            Cause::OtherProtocol,
        ),
        (
            Errno::HOSTUNREACH,
            &[
                "libceph: mds0 (1)192.0.2.1:6813 socket closed (con state V1_BANNER)",
                no_mds,
            ],
            Cause::NoSession,
        ),
        (Errno::NODEV, &[], Cause::NoModule),
        (Errno::NOMEM, &[], Cause::Other),
    ];
    for (errno, lines, cause) in cases {
        let lines: Vec<_> = lines.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(of_call(*errno, &lines), *cause, "{errno} {lines:?}");
    }
}

fn fs(monitors: &str, net_namespace: Option<&str>) -> CephFs {
    CephFs {
        monitors: monitors.to_owned(),
        user: "node".to_owned(),
        key: secrecy::SecretString::from("key".to_owned()),
        name: None,
        root: "/v".to_owned(),
        snapshot: None,
        mounter: MounterKind::Kernel,
        fuse_options: MountOptions::default(),
        kernel_options: MountOptions::default(),
        net_namespace: net_namespace.map(PathBuf::from),
    }
}

/// Seen of a port where nobody listens, on a busy machine.
#[tokio::test]
async fn a_port_where_nobody_listens_speaks_no_protocol() {
    let monitor = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = monitor.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut connection, _) = monitor.accept().await.unwrap();
        connection.write_all(b"ceph v2\n").await.unwrap();
    });
    let nobody = "127.0.0.1:1";
    let cases = [
        (nobody, None, Cause::Unreachable),
        (nobody, Some("/run/netns/other"), Cause::OtherProtocol),
        (&there, None, Cause::OtherProtocol),
    ];
    for (monitors, net_namespace, expected) in cases {
        let fs = fs(monitors, net_namespace);
        let lines = [
            format!("libceph: mon0 (1){monitors} socket error on write"),
            format!("libceph: mon0 (1){monitors} socket closed (con state V1_BANNER)"),
        ];
        let refusal = Refusal::call(Errno::HOSTUNREACH, lines.into());
        let cx = Context::with_timeout(Duration::from_secs(30));
        let (cause, _) = refusal.explain(&cx, &fs).await.unwrap();
        assert_eq!(cause, expected, "{monitors} {net_namespace:?}");
    }
}
