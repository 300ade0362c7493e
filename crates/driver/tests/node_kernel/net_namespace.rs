//! `netNamespaceFilePath`: the cluster is reached from another network namespace.

use std::process::Command;
use std::time::Duration;

use csi_proto::v1::node_server::Node as _;
use tonic::{Code, Request};

use super::lab::{Lab, mount_line, runtime, setting};

/// Lets the namespace reach the cluster as the virtual machine does, from an address of its own.
const CONNECT: &str = r#"
set -e
modprobe macvlan
card=$(basename "$(echo /sys/class/net/e*)")
ip link add spirula0 link "$card" type macvlan mode bridge
ip link set spirula0 netns spirula
ip netns exec spirula sh -ec '
  ip link set lo up
  ip addr add 10.0.2.16/24 dev spirula0
  ip link set spirula0 up
  ip route add default via 10.0.2.2
  sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.all.rp_filter=0 \
    net.ipv4.conf.spirula0.rp_filter=0 net.ipv4.conf.spirula0.accept_local=1
  ip rule add pref 10 lookup local
  ip rule del pref 0
  ip route add table 100 127.0.0.0/8 via 10.0.2.2 dev spirula0 src 10.0.2.16
  for port in $(tr , " " </share/.ports); do
    ip rule add pref 5 to 127.0.0.0/8 ipproto tcp dport "$port" lookup 100
  done
'
"#;

fn sh(script: &str) {
    let status = Command::new("bash").args(["-c", script]).status().unwrap();
    assert!(status.success(), "{script}");
}

/// A named network namespace, without any network.
struct Namespace;

impl Namespace {
    fn new() -> Self {
        sh("ip netns add spirula");
        Self
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", "spirula"])
            .status();
    }
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn a_volume_is_mounted_from_the_network_namespace_of_its_cluster() {
    runtime().block_on(async {
        let lab = Lab::new("net-namespace");
        let namespace = Namespace::new();
        let monitors = setting("SPIRULA_TEST_MONITORS");
        let json = format!(
            r#"[{{"clusterID": "lab", "monitors": ["{monitors}"],
                 "cephFS": {{"netNamespaceFilePath": "/run/netns/spirula"}}}}]"#
        );
        std::fs::write(lab.directory.path().join("config.json"), json).unwrap();

        // Here the cluster could be reached, and there it cannot.
        let mut request = Request::new(lab.stage_request());
        request.set_timeout(Duration::from_secs(12));
        let refused = lab.service.node_stage_volume(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert!(
            refused.message().contains("none of the monitors"),
            "{refused}"
        );
        lab.assert_clean().await;

        sh(CONNECT);
        lab.stage().await.unwrap();
        assert!(mount_line(&lab.staging).contains(" - ceph "));
        std::fs::write(lab.staging.join("file"), "content").unwrap();
        let connections = Command::new("ip")
            .args(["netns", "exec", "spirula", "cat", "/proc/net/tcp"])
            .output()
            .unwrap();
        let connections = String::from_utf8(connections.stdout).unwrap();
        assert!(connections.contains("1002000A:"), "{connections}");
        let here = std::fs::read_to_string("/proc/net/tcp").unwrap();
        assert!(!here.contains("1002000A:"), "{here}");
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
        drop(namespace);
    });
}
