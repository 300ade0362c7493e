//! The built program from outside: exit codes, what it prints, its log, its signals.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and runs the program as a user would"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use csi_proto::v1::controller_client::ControllerClient;
use csi_proto::v1::volume_capability::{self, access_mode};
use csi_proto::v1::{CreateVolumeRequest, VolumeCapability};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};

const SPIRULA: &str = env!("CARGO_BIN_EXE_spirula");

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear().stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    command(SPIRULA).args(args).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// It would count as one that is everywhere.
#[test]
fn a_node_whose_topology_is_not_known_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let endpoint = directory.path().join("csi.sock");
    let endpoint = format!("--endpoint=unix://{}", endpoint.display());
    let kind = ["--type=cephfs", "--nodeserver", "--nodeid=n", &endpoint];
    let found = run(&[&kind[..], &["--domainlabels=a/zone"]].concat());
    assert_eq!(found.status.code(), Some(1));
    let message = "cannot tell the node's topology (--domainlabels): the labels of node `n` are needed, and \
                   nobody can be asked for them outside of Kubernetes: set KUBERNETES_CONFIG_PATH to a \
                   kubeconfig\n";
    assert!(stderr(&found).ends_with(message), "{}", stderr(&found));
}

#[test]
fn exit_codes_and_messages() {
    for (args, code, message) in [
        (
            &[][..],
            1,
            "spirula: driver type not specified; give --type=cephfs, liveness or registrar\n",
        ),
        (
            &["--type=nfs"],
            1,
            "spirula: --type=nfs is not served: this driver is for CephFS only, keep ceph-csi for `nfs`\n",
        ),
        (
            &["--type=cephfs"],
            1,
            "spirula: --nodeid is missing; give it the name of the Kubernetes node\n",
        ),
        (
            &["--type=cephfs", "--set-metadata"],
            2,
            "spirula: flag --set-metadata is unknown; did you mean --setmetadata?\n",
        ),
        (
            &["-type=liveness", "-polltime=soon"],
            2,
            "spirula: flag --polltime cannot have the value `soon`: it is not a duration such as \
             `30s`, `1m30s` or `0`\n",
        ),
        (
            &[
                "--type=cephfs",
                "--nodeid=n",
                "--logtostderr=false",
                "--log_file=/dev/null/x",
            ],
            1,
            "spirula: log file `/dev/null/x`: cannot be opened: Not a directory (os error 20)\n",
        ),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(stderr(&output), message, "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn it_answers_to_the_name_of_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("cephcsi");
    symlink(SPIRULA, &link).unwrap();

    let version = command(&link).arg("--version").output().unwrap();
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(version.stdout, run(&["-version"]).stdout);
    assert!(version.stdout.starts_with(b"Spirula Version: "));

    let help = command(&link).arg("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    assert!(
        help.stdout
            .starts_with(b"CSI driver for CephFS\n\nUsage: cephcsi --type=cephfs")
    );

    let wrong = command(&link)
        .args(["--type=rbd", "--rbdhardmaxclonedepth=8"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn output_that_nobody_takes_is_a_failure() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command(SPIRULA)
        .arg("--help")
        .stdout(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

/// The program, running; killed when dropped.
struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child = command(SPIRULA)
            .args(args)
            .env("POD_IP", "127.0.0.1")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads the log up to a line with `text` in it, and returns that line.
    fn line(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let length = self.log.read_line(&mut line).unwrap();
            assert!(length > 0, "the log ended without {text:?}: {seen}");
            if line.contains(text) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; the exit code and the rest of the log.
    fn end(&mut self) -> (Option<i32>, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(2));
        };
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (status.code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, except where a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A liveness probe of a driver that is not there, with its first failed probe awaited.
fn liveness(args: &[&str]) -> (Running, SocketAddr) {
    let mut all = vec![
        "--type=liveness",
        "--metricsport=0",
        "--endpoint=unix:///nonexistent/csi.sock",
    ];
    all.extend(args);
    all.extend(["--v=1", "--polltime=10ms"]);
    let mut running = Running::start(&all);
    let line = running.line("answers on http://");
    let (_, address) = line.split_once("http://").unwrap();
    let (address, _) = address.split_once("/metrics").unwrap();
    let address = address.parse().unwrap();
    running.line("probe of unix:///nonexistent/csi.sock failed: cannot connect");
    (running, address)
}

#[test]
fn liveness_answers_and_ends_on_either_signal() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let (mut running, address) = liveness(&[]);
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\ncsi_liveness 0\n"), "{answer}");
        running.signal(signal);
        running.line(&format!("{name}: shutting down"));
        assert_eq!(running.end().0, Some(0));
    }
}

/// The driver without Ceph: one cluster, whose monitors are at an address that nobody has.
fn driver(dir: &Path, args: &[&str]) -> Running {
    driver_of(dir, "192.0.2.1:6789", args)
}

fn driver_of(dir: &Path, monitor: &str, args: &[&str]) -> Running {
    let path = |name: &str| dir.join(name).display().to_string();
    let config = format!(r#"[{{"clusterID": "a", "monitors": ["{monitor}"]}}]"#);
    fs::write(path("config.json"), config).unwrap();
    let (endpoint, file) = (path("csi.sock"), path("config.json"));
    let endpoint = format!("--endpoint=unix://{endpoint}");
    let file = format!("--config-file={file}");
    let mut all = vec!["--type=cephfs", "--nodeid=n", "--v=3", &endpoint, &file];
    all.extend(args);
    let mut running = Running::start(&all);
    running.line("listening on unix://");
    running
}

#[test]
fn the_driver_serves_until_it_is_told_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = driver(dir.path(), &[]);
    let mut socket = UnixStream::connect(dir.path().join("csi.sock")).unwrap();
    socket
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    let mut answer = [0; 9];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(
        answer[3], 4,
        "a SETTINGS frame is HTTP/2's first answer: {answer:?}"
    );
    drop(socket);
    running.signal(Signal::TERM);
    running.line("SIGTERM: shutting down");
    assert_eq!(running.end().0, Some(0));
    assert!(UnixStream::connect(dir.path().join("csi.sock")).is_err());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody takes its calls, so that the request lasts: networks can refuse an address that nobody has at once.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let monitor = silent.local_addr().unwrap().to_string();
    let args = ["--rpc-timeout=1m", "--shutdown-grace=1m"];
    let mut running = driver_of(dir.path(), &monitor, &args);
    let socket = dir.path().join("csi.sock");
    let caller = std::thread::spawn(move || create_volume(&socket));
    running.line("GRPC call: /csi.v1.Controller/CreateVolume");
    running.signal(Signal::TERM);
    running.line("SIGTERM: shutting down");
    running.signal(Signal::TERM);
    let (code, rest) = running.end();
    assert_eq!(code, Some(1), "{rest}");
    assert!(caller.join().unwrap().is_err());
}

/// A call that takes long, since its cluster does not answer.
fn create_volume(socket: &Path) -> Result<(), tonic::Status> {
    let socket = socket.to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let connector = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move {
                tokio::net::UnixStream::connect(socket)
                    .await
                    .map(TokioIo::new)
            }
        });
        let channel = tonic::transport::Endpoint::from_static("http://localhost")
            .connect_with_connector(connector)
            .await
            .unwrap();
        let text = |fields: &[(&str, &str)]| {
            let fields = fields.iter();
            fields
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let mount = volume_capability::MountVolume::default();
        let mode = access_mode::Mode::MultiNodeMultiWriter;
        let request = CreateVolumeRequest {
            name: "pvc-1".into(),
            parameters: text(&[("clusterID", "a"), ("fsName", "fs")]),
            secrets: text(&[
                ("userID", "u"),
                ("userKey", "AQBSdFhmAAAAABAA6mZ8mRB5XJXmDsLy2oFpfw=="),
            ]),
            volume_capabilities: vec![VolumeCapability {
                access_type: Some(volume_capability::AccessType::Mount(mount)),
                access_mode: Some(volume_capability::AccessMode { mode: mode.into() }),
            }],
            ..CreateVolumeRequest::default()
        };
        ControllerClient::new(channel)
            .create_volume(request)
            .await
            .map(drop)
    })
}

#[test]
fn a_failed_start_says_why_in_the_log() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = format!("--metricsport={}", address.port());
    let mut running = Running::start(&["--type=liveness", &port, "--enableprofiling"]);
    let (code, log) = running.end();
    assert_eq!(code, Some(1));
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(
        lines[0].starts_with('W') && lines[0].contains("no profiling handlers"),
        "{log}"
    );
    assert!(lines[1].starts_with('E'), "{log}");
    let expected =
        format!("cannot listen for HTTP on {address} (POD_IP and --metricsport): Address");
    assert!(lines[1].contains(&expected), "{log}");
}

#[test]
fn the_log_is_json_if_asked_for() {
    let (mut running, _) = liveness(&["--log-format=json"]);
    running.signal(Signal::TERM);
    let line = running.line("shutting down");
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(object["msg"], "SIGTERM: shutting down");
    assert_eq!(
        (object["level"].as_str(), object["v"].as_u64()),
        (Some("info"), Some(1))
    );
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn the_log_goes_to_a_file_as_the_operator_wants_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("driver.log");
    let file = format!("--log_file={}", path.display());
    let (mut running, _) = liveness(&["--logtostderr=false", "--alsologtostderr=true", &file]);
    running.signal(Signal::TERM);
    running.line("shutting down");
    assert_eq!(running.end().0, Some(0));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let log = fs::read_to_string(&path).unwrap();
    assert!(log.lines().next().unwrap().contains("] spirula "), "{log}");
    assert!(
        log.lines()
            .last()
            .unwrap()
            .ends_with("] SIGTERM: shutting down"),
        "{log}"
    );
}
