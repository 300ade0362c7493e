//! The built binary over its socket, where no cluster is needed: who it says it is, which services it
//! has, how it starts and ends, what it says of a cluster that is not there, and what it logs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and runs programs as a user would"
)]

#[path = "support/driver.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod driver;

use std::time::{Duration, Instant};

use csi_proto::v1::controller_client::ControllerClient;
use csi_proto::v1::identity_client::IdentityClient;
use csi_proto::v1::node_client::NodeClient;
use csi_proto::v1::{self as csi};
use driver::Driver;
use tonic::{Code, Request};

/// Nobody listens on the port of this monitor.
const CONFIG: &str = r#"[{"clusterID": "gone", "monitors": ["127.0.0.1:1"]}]"#;
const KEY: &str = "AQBvaBRnAAAAABAAa2tra2tra2tra2tra2tra2s=";

fn create() -> csi::CreateVolumeRequest {
    let text = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    csi::CreateVolumeRequest {
        name: "pvc-1".to_owned(),
        volume_capabilities: vec![csi::VolumeCapability {
            access_mode: Some(csi::volume_capability::AccessMode { mode: 5 }),
            access_type: Some(csi::volume_capability::AccessType::Mount(
                csi::volume_capability::MountVolume::default(),
            )),
        }],
        parameters: text(&[("clusterID", "gone"), ("fsName", "cephfs")]),
        secrets: text(&[("userID", "k8s"), ("userKey", KEY)]),
        ..Default::default()
    }
}

#[tokio::test]
async fn identity() {
    let driver = Driver::start(CONFIG, &["--drivername=rook.cephfs.csi.ceph.com"]);
    let mut identity = IdentityClient::new(driver.channel().await);
    let info = identity
        .get_plugin_info(csi::GetPluginInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(info.name, "rook.cephfs.csi.ceph.com");
    assert_eq!(info.vendor_version, env!("CARGO_PKG_VERSION"));
    let probe = identity
        .probe(csi::ProbeRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(probe.ready, Some(true));
    let capabilities = csi::GetPluginCapabilitiesRequest {};
    let capabilities = identity
        .get_plugin_capabilities(capabilities)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(capabilities.capabilities.len(), 3);
}

#[tokio::test]
async fn a_driver_that_has_never_had_a_config_file_is_not_ready() {
    let driver = Driver::start("[{", &[]);
    let mut identity = IdentityClient::new(driver.channel().await);
    // An error would end the sidecars.
    let answer = identity.probe(csi::ProbeRequest {}).await.unwrap();
    assert_eq!(answer.into_inner().ready, Some(false));
    std::fs::write(driver.config_file(), CONFIG).unwrap();
    let answer = identity.probe(csi::ProbeRequest {}).await.unwrap();
    assert_eq!(answer.into_inner().ready, Some(true));
    let log = driver.terminate();
    let why = log.lines().filter(|line| line.contains("not valid JSON"));
    let (probe, start): (Vec<_>, Vec<_>) = why.partition(|line| line.contains("not ready: "));
    assert_eq!((probe.len(), start.len()), (1, 1), "{log}");
}

#[tokio::test]
async fn services_that_are_off_answer_unimplemented() {
    let roles: [(&[&str], bool, bool); 4] = [
        (&["--controllerserver"], true, false),
        (&["--nodeserver"], false, true),
        (&["--controllerserver", "--nodeserver"], true, true),
        (&[], true, true),
    ];
    for (flags, has_controller, has_node) in roles {
        let driver = Driver::start(CONFIG, flags);
        let mut controller = ControllerClient::new(driver.channel().await);
        let answer =
            controller.controller_get_capabilities(csi::ControllerGetCapabilitiesRequest {});
        let served = answer
            .await
            .map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(served == Code::Ok, has_controller, "{flags:?}: {served:?}");
        let mut node = NodeClient::new(driver.channel().await);
        let answer = node.node_get_info(csi::NodeGetInfoRequest {}).await;
        let served = answer.map_or_else(|status| status.code(), |_| Code::Ok);
        assert_eq!(served == Code::Ok, has_node, "{flags:?}: {served:?}");
        if !has_node {
            assert_eq!(served, Code::Unimplemented);
        }
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_named_within_the_deadline() {
    let driver = Driver::start(CONFIG, &[]);
    let mut controller = driver.controller().await;
    let started = Instant::now();
    let mut request = Request::new(create());
    request
        .metadata_mut()
        .insert("grpc-timeout", "20S".parse().unwrap());
    let status = controller.create_volume(request).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("127.0.0.1:1"), "{status}");

    let log = driver.terminate();
    assert!(
        log.contains("ID: 1 Req-ID: pvc-1 GRPC call: /csi.v1.Controller/CreateVolume"),
        "{log}"
    );
    assert!(log.contains("GRPC error: "), "{log}");
    assert!(log.contains("***") && !log.contains(KEY), "{log}");
}

#[tokio::test]
async fn json_lines() {
    let driver = Driver::start(CONFIG, &["--log-format=json"]);
    let mut controller = driver.controller().await;
    let mut request = create();
    request.name = "two\nlines".to_owned();
    request.parameters.clear();
    let status = controller.create_volume(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    for line in driver.terminate().lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "{line}");
    }
}

/// A request in flight ends with its answer; then the process ends well, and takes its socket along.
#[tokio::test]
async fn sigterm_lets_requests_end() {
    // A monitor that takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let monitor = silent.local_addr().unwrap().to_string();
    let driver = Driver::start(&CONFIG.replace("127.0.0.1:1", &monitor), &[]);
    let socket = driver.socket();
    let mut controller = driver.controller().await;
    let mut request = Request::new(create());
    request
        .metadata_mut()
        .insert("grpc-timeout", "8S".parse().unwrap());
    let request = tokio::spawn(async move { controller.create_volume(request).await });
    let started = Instant::now();
    while !driver
        .log()
        .contains("GRPC call: /csi.v1.Controller/CreateVolume")
    {
        assert!(started.elapsed() < Duration::from_mins(1), "no request");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    let log = tokio::task::spawn_blocking(move || driver.terminate())
        .await
        .unwrap();
    assert!(
        started.elapsed() > Duration::from_secs(1),
        "it did not wait for the request"
    );
    let status = request.await.unwrap().unwrap_err();
    let outage = [Code::DeadlineExceeded, Code::Unavailable];
    assert!(
        outage.contains(&status.code()) && status.message().contains(&monitor),
        "{status}"
    );
    assert!(log.contains("SIGTERM"), "{log}");
    assert!(!socket.try_exists().unwrap());
}

#[tokio::test]
async fn a_killed_drivers_socket_is_taken_over_and_a_living_ones_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let first = Driver::start_in(directory, CONFIG, &[]);
    let endpoint = format!("--endpoint=unix://{}", first.socket().display());
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_spirula"))
        .args(["--type=cephfs", "--nodeid=node-1", &endpoint])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&second.stderr);
    assert!(errors.contains("is in use"), "{errors}");

    let again = first.kill_and_keep();
    assert!(
        path.join("csi.sock").try_exists().unwrap(),
        "SIGKILL leaves the socket"
    );
    let third = Driver::start_in(again, CONFIG, &[]);
    let mut identity = IdentityClient::new(third.channel().await);
    identity.probe(csi::ProbeRequest {}).await.unwrap();
}

/// A ConfigMap changes under a running driver.
#[tokio::test]
async fn config_json_is_read_again_when_it_changes() {
    let driver = Driver::start(CONFIG, &[]);
    let mut controller = driver.controller().await;
    let mut request = create();
    request
        .parameters
        .insert("clusterID".to_owned(), "new".to_owned());
    let status = controller.create_volume(request.clone()).await.unwrap_err();
    assert_eq!(
        status.message(),
        "clusterID `new` is not in config.json; it has: gone"
    );

    let new = r#"[{"clusterID": "new", "monitors": ["127.0.0.1:1"]}]"#;
    std::fs::write(driver.config_file(), new).unwrap();
    let status = controller.create_volume(request.clone()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");

    std::fs::write(driver.config_file(), "no JSON").unwrap();
    let status = controller.create_volume(request).await.unwrap_err();
    assert_eq!(
        status.code(),
        Code::Unavailable,
        "the last good copy stays: {status}"
    );
}
