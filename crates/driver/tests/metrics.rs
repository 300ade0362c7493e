//! The driver's own metrics, while nothing answers that it asks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::float_cmp,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what the driver did; counts are whole numbers"
)]

#[path = "support/driver.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod driver;
#[path = "support/prometheus.rs"]
mod prometheus;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use csi_proto::v1::identity_client::IdentityClient;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, MountVolume};
use csi_proto::v1::{CreateVolumeRequest, ProbeRequest, VolumeCapability};
use driver::Driver;
use prometheus::{Scrape, scrape};
use tonic::Request;

/// A cephx key that opens nothing.
const KEY: &str = "AQBvaBRnAAAAABAAa2tra2tra2tra2tra2tra2s=";

fn create(cluster: &str) -> CreateVolumeRequest {
    let texts = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    CreateVolumeRequest {
        name: "pvc-1".to_owned(),
        volume_capabilities: vec![VolumeCapability {
            access_type: Some(AccessType::Mount(MountVolume::default())),
            access_mode: Some(AccessMode {
                mode: Mode::MultiNodeMultiWriter.into(),
            }),
        }],
        parameters: texts(&[("clusterID", cluster), ("fsName", "cephfs")]),
        secrets: texts(&[("userID", "k8s"), ("userKey", KEY)]),
        ..Default::default()
    }
}

static SCRAPES: LazyLock<(Scrape, Scrape)> = LazyLock::new(scrapes);

/// The metrics of a driver that has answered Probe, and refused a creation whose cluster cannot be where
/// config.json says, while one runs whose cluster does not answer; and after that.
fn scrapes() -> (Scrape, Scrape) {
    // Takes connections and says nothing.
    let monitor = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = monitor.local_addr().unwrap().port();
    let config = format!(
        r#"[{{"clusterID": "away", "monitors": ["127.0.0.1:{port}"]}},
            {{"clusterID": "typo", "monitors": ["127.0.0.1:port"]}}]"#
    );
    let driver = Driver::start(&config, &["--metrics-listen=127.0.0.1:0"]);
    let address = prometheus::address(|| driver.log());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scrapes = runtime.block_on(async {
        let mut identity = IdentityClient::new(driver.channel().await);
        identity.probe(ProbeRequest {}).await.unwrap();
        let mut controller = driver.controller().await;
        let refused = controller.create_volume(create("typo")).await;
        refused.unwrap_err();
        let creation = tokio::spawn(async move {
            let mut request = Request::new(create("away"));
            request.set_timeout(Duration::from_secs(8));
            controller.create_volume(request).await
        });
        let started = Instant::now();
        let connecting = [("method", "CreateVolume"), ("step", "connect")];
        let meanwhile = loop {
            let scrape = scrape(&address);
            if scrape.sum("spirula_rpc_in_flight", &connecting) == Some(1.0) {
                break scrape;
            }
            assert!(started.elapsed() < Duration::from_secs(8), "{scrape:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        creation.await.unwrap().unwrap_err();
        // On a slow machine the client gives up before it is answered.
        let answered = [("method", "CreateVolume")];
        let started = Instant::now();
        let after = loop {
            let scrape = scrape(&address);
            if scrape.sum("spirula_rpc_handled_total", &answered) == Some(2.0) {
                break scrape;
            }
            assert!(started.elapsed() < Duration::from_mins(1), "{scrape:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        (meanwhile, after)
    });
    driver.terminate();
    scrapes
}

#[test]
fn an_outage_is_seen() {
    let (meanwhile, after) = &*SCRAPES;
    let oldest = meanwhile.sum("spirula_rpc_in_flight_oldest_seconds", &[]);
    assert!(oldest.unwrap() < 20.0);
    let probe = [("method", "Probe"), ("code", "OK")];
    assert_eq!(
        meanwhile.sum("spirula_rpc_handled_total", &probe),
        Some(1.0)
    );
    let creation = [("method", "CreateVolume")];
    let handled = |scrape: &Scrape| scrape.sum("spirula_rpc_handled_total", &creation);
    assert_eq!(handled(meanwhile), Some(1.0));

    assert_eq!(after.sum("spirula_rpc_in_flight", &[]), None);
    assert_eq!(handled(after), Some(2.0));
    let good = [("method", "CreateVolume"), ("code", "OK")];
    assert_eq!(after.sum("spirula_rpc_handled_total", &good), None);
    let took = after.sum("spirula_rpc_duration_seconds_sum", &creation);
    assert!(took.unwrap() > 1.0, "{took:?}");
    let connect = [
        ("daemon", "mon"),
        ("command", "connect"),
        ("outcome", "Invalid"),
    ];
    let ended = after.sum("spirula_ceph_calls_total", &connect);
    assert_eq!(ended, Some(1.0));

    assert_eq!(after.sum("spirula_build_info", &[]), Some(1.0));
    assert!(after.sum("process_resident_memory_bytes", &[]).unwrap() > 1e6);
    assert!(after.sum("process_threads", &[]).unwrap() >= 3.0);
    assert!(after.sum("process_open_fds", &[]).unwrap() >= 3.0);
    for state in ["mounted", "recovering", "recovery_failed", "stage_failed"] {
        let volumes = after.sum("spirula_node_volumes", &[("state", state)]);
        assert_eq!(volumes, Some(0.0), "{state}");
    }
}

/// What dashboard, alerts and documentation name is there, and everything is documented.
#[test]
fn whatever_is_named_is_shown() {
    let (_, scrape) = &*SCRAPES;
    let mut shown = scrape.names();
    shown.insert("csi_liveness".to_owned()); // of the probe
    for (file, least) in [
        ("deploy/kubernetes/monitoring/dashboard.json", 15),
        ("deploy/kubernetes/monitoring/rules.yaml", 8),
        ("docs/metrics.md", 18),
    ] {
        let named = named_in(file);
        let absent: Vec<_> = named.difference(&shown).collect();
        assert_eq!(absent, Vec::<&String>::new(), "{file}");
        assert!(named.len() >= least, "{file}: {named:?}");
    }
    let documented = named_in("docs/metrics.md");
    let silent: Vec<_> = (scrape.families.keys())
        .filter(|family| !documented.contains(*family))
        .collect();
    assert_eq!(silent, Vec::<&String>::new());
}

/// The metrics that a file of the repository names.
fn named_in(file: &str) -> BTreeSet<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let text = std::fs::read_to_string(format!("{root}/{file}")).unwrap();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_metric = |word: &&str| {
        let prefixes = ["spirula_", "process_", "csi_liveness"];
        prefixes.iter().any(|prefix| word.starts_with(prefix))
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("csi.sock");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_spirula"))
        .args(["--type=cephfs", "--nodeid=n"])
        .arg(format!("--endpoint=unix://{}", socket.display()))
        .arg(format!("--metrics-listen={address}"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    let wanted =
        format!("cannot listen for HTTP on {address} (--metrics-listen): Address already in use");
    assert!(log.contains(&wanted), "{log}");
}
