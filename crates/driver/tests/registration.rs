//! The built binary and a kubelet, played by the test: registration from inside of the driver and from a
//! process beside it, and liveness.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and runs programs as a user would"
)]

#[path = "support/driver.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod driver;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use csi_proto::registration::registration_client::RegistrationClient;
use csi_proto::registration::{InfoRequest, PluginInfo, RegistrationStatus};
use csi_proto::v1::NodeGetInfoRequest;
use csi_proto::v1::node_client::NodeClient;
use driver::Driver;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const CONFIG: &str = r#"[{"clusterID": "gone", "monitors": ["127.0.0.1:1"]}]"#;

/// Asks again until there is an answer.
async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn dial(socket: &Path) -> Option<Channel> {
    let socket = socket.to_owned();
    let connect = tower::service_fn(move |_| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    endpoint.connect_with_connector(connect).await.ok()
}

/// What the kubelet does: watches its directory, asks on the socket that appears who is there, asks
/// that driver for its node, and tells the outcome.
struct Kubelet {
    directory: tempfile::TempDir,
}

impl Kubelet {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn flag(&self) -> String {
        let directory = self.directory.path().display();
        format!("--plugin-registration-path={directory}")
    }

    fn sockets(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    async fn plugin(&self) -> (PluginInfo, RegistrationClient<Channel>) {
        wait_for("a plugin that registers", async || {
            let socket = self.sockets().pop()?;
            assert!(socket.ends_with("cephfs.csi.ceph.com-reg.sock"));
            let mut client = RegistrationClient::new(dial(&socket).await?);
            let info = client.get_info(InfoRequest {}).await.ok()?.into_inner();
            Some((info, client))
        })
        .await
    }
}

/// The address that a line of a log tells behind `before`.
fn address(line: &str, before: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(before)?;
    Some(rest.split_once('/')?.0.parse().unwrap())
}

/// The answer to a GET, empty as long as nobody listens.
fn get(address: SocketAddr, path: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_to_string(&mut answer).unwrap();
    }
    answer
}

const REGISTERED: RegistrationStatus = RegistrationStatus {
    plugin_registered: true,
    error: String::new(),
};

#[tokio::test]
async fn one_process_is_driver_registrar_and_probe() {
    let kubelet = Kubelet::new();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("csi.sock");
    let driver = Driver::start_in(
        directory,
        CONFIG,
        &[
            "--nodeserver",
            "--liveness",
            "--polltime=20ms",
            "--timeout=10s",
            "--metricsport=0",
            &format!("--kubelet-registration-path={}", socket.display()),
            &kubelet.flag(),
        ],
    );
    let (info, mut client) = kubelet.plugin().await;
    let expected = PluginInfo {
        r#type: "CSIPlugin".to_owned(),
        name: "cephfs.csi.ceph.com".to_owned(),
        endpoint: socket.display().to_string(),
        supported_versions: vec!["1.0.0".to_owned()],
    };
    assert_eq!(info, expected);

    // The kubelet goes on at the endpoint that it was told.
    let mut node = NodeClient::new(dial(Path::new(&info.endpoint)).await.unwrap());
    let node_info = node.node_get_info(NodeGetInfoRequest {}).await.unwrap();
    assert_eq!(node_info.into_inner().node_id, "node-1");
    client.notify_registration_status(REGISTERED).await.unwrap();

    let metrics = wait_for("the address of the metrics", async || {
        address(&driver.log(), "answers on http://")
    })
    .await;
    wait_for("the gauge", async || {
        let answer = get(metrics, "/metrics");
        answer.contains("\ncsi_liveness 1\n").then_some(())
    })
    .await;
    let health = get(metrics, "/healthz");
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");

    // A kubelet that refuses is told of in the log; the driver goes on, and with it its mounts.
    let refused = RegistrationStatus {
        plugin_registered: false,
        error: "too many plugins".to_owned(),
    };
    client.notify_registration_status(refused).await.unwrap();
    node.node_get_info(NodeGetInfoRequest {}).await.unwrap();

    let log = driver.terminate();
    assert!(
        log.contains("registered with the kubelet as cephfs.csi.ceph.com"),
        "{log}"
    );
    assert!(
        log.contains("refuses cephfs.csi.ceph.com: too many plugins"),
        "{log}"
    );
    assert_eq!(kubelet.sockets(), Vec::<PathBuf>::new());
}

/// A process of `--type=registrar`; killed when dropped.
struct Registrar {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Registrar {
    fn command(flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spirula"));
        command.args(["--type=registrar"]).args(flags);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn start(flags: &[&str]) -> Self {
        let mut child = Self::command(flags).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    async fn ended(&mut self) -> ExitStatus {
        wait_for("the end of the registrar", async || {
            self.child.try_wait().unwrap()
        })
        .await
    }

    /// Where it answers health checks, as it says in its log.
    fn health(&mut self) -> SocketAddr {
        loop {
            let mut line = String::new();
            let length = self.log.read_line(&mut line).unwrap();
            assert!(length > 0, "the log has ended");
            if let Some(address) = address(&line, "health checks on http://") {
                return address;
            }
        }
    }

    /// What is in its log after that.
    fn rest(&mut self) -> String {
        let mut text = String::new();
        self.log.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_process_beside_the_driver_registers_it() {
    let kubelet = Kubelet::new();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("csi.sock");
    let on_the_host = directory.path().join("host/csi.sock");
    let flags = [
        format!("--csi-address={}", socket.display()),
        format!("--kubelet-registration-path={}", on_the_host.display()),
        "--http-endpoint=127.0.0.1:0".to_owned(),
        kubelet.flag(),
        "--v=1".to_owned(),
    ];
    let flags = flags.each_ref().map(String::as_str);
    let probe = || {
        let mode = "--mode=kubelet-registration-probe";
        let output = Registrar::command(&[&flags[..], &[mode]].concat()).output();
        output.unwrap().status.code()
    };
    // It may well start before the driver.
    let mut registrar = Registrar::start(&flags);
    assert_eq!(probe(), Some(1));
    let driver = Driver::start_in(directory, CONFIG, &["--nodeserver"]);

    let (info, mut client) = kubelet.plugin().await;
    assert_eq!(info.endpoint, on_the_host.display().to_string());
    let health = registrar.health();
    wait_for("the health endpoint", async || {
        get(health, "/healthz")
            .starts_with("HTTP/1.1 200 ")
            .then_some(())
    })
    .await;
    assert_eq!(probe(), Some(1), "the kubelet has not agreed yet");
    client.notify_registration_status(REGISTERED).await.unwrap();
    wait_for("the probe", async || (probe() == Some(0)).then_some(())).await;

    let refused = RegistrationStatus {
        plugin_registered: false,
        error: "the socket is dead".to_owned(),
    };
    // The process may end before the answer.
    let _ = client.notify_registration_status(refused).await;
    assert_eq!(registrar.ended().await.code(), Some(1));
    let log = registrar.rest();
    assert!(
        log.contains("the kubelet refuses the driver: the socket is dead"),
        "{log}"
    );
    assert_eq!(probe(), Some(1));
    assert_eq!(kubelet.sockets(), Vec::<PathBuf>::new());

    // The container is started again, and ended in good order.
    let mut registrar = Registrar::start(&flags);
    let (_, mut client) = kubelet.plugin().await;
    client.notify_registration_status(REGISTERED).await.unwrap();
    let pid = registrar.child.id().to_string();
    let killed = Command::new("kill").args(["-s", "TERM", &pid]).status();
    assert!(killed.unwrap().success());
    assert_eq!(registrar.ended().await.code(), Some(0));
    assert_eq!(kubelet.sockets(), Vec::<PathBuf>::new());
    driver.terminate();
}

#[tokio::test]
async fn what_cannot_be_registered_says_why() {
    let missing = "/nowhere/plugins_registry";
    let output = Command::new(env!("CARGO_BIN_EXE_spirula"))
        .args(["--type=cephfs", "--nodeid=n", "--nodeserver"])
        .arg("--kubelet-registration-path=/var/lib/kubelet/plugins/d/csi.sock")
        .arg(format!("--plugin-registration-path={missing}"))
        .arg(format!(
            "--endpoint=unix://{}",
            tempfile::tempdir()
                .unwrap()
                .path()
                .join("csi.sock")
                .display()
        ))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    let message =
        "/nowhere/plugins_registry is no directory; mount the kubelet's plugins_registry there";
    assert!(log.contains(message), "{log}");
}
