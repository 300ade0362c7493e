use std::path::PathBuf;
use std::time::{Duration, Instant};

use csi_proto::v1::identity_server::{Identity, IdentityServer};
use csi_proto::v1::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest,
    GetPluginInfoResponse, ProbeRequest, ProbeResponse,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response as Answer, Status};

use super::*;
use crate::cli::Endpoint;

/// A driver that answers Probe in one way.
#[derive(Clone)]
enum Driver {
    Ready(Option<bool>),
    Failing,
    Hanging,
}

#[tonic::async_trait]
impl Identity for Driver {
    async fn probe(&self, _: Request<ProbeRequest>) -> Result<Answer<ProbeResponse>, Status> {
        match self {
            Self::Ready(ready) => Ok(Answer::new(ProbeResponse { ready: *ready })),
            Self::Failing => Err(Status::failed_precondition("config file is missing")),
            Self::Hanging => std::future::pending().await,
        }
    }

    async fn get_plugin_info(
        &self,
        _: Request<GetPluginInfoRequest>,
    ) -> Result<Answer<GetPluginInfoResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn get_plugin_capabilities(
        &self,
        _: Request<GetPluginCapabilitiesRequest>,
    ) -> Result<Answer<GetPluginCapabilitiesResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}

fn serve(driver: Driver, path: &PathBuf) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        Server::builder()
            .add_service(IdentityServer::new(driver))
            .serve_with_incoming(UnixListenerStream::new(listener))
            .await
            .unwrap();
    })
}

async fn outcome(driver: Driver) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("csi.sock");
    let server = serve(driver, &path);
    let found = probe::run(&Endpoint::Unix(path), Duration::from_secs(2)).await;
    server.abort();
    found.map_err(|error| error.to_string())
}

#[tokio::test]
async fn outcomes_of_a_probe() {
    assert_eq!(outcome(Driver::Ready(Some(true))).await, Ok(()));
    assert_eq!(
        outcome(Driver::Ready(None)).await,
        Ok(()),
        "absent means ready"
    );
    for (driver, message) in [
        (
            Driver::Ready(Some(false)),
            "the driver says that it is not ready; its log says why",
        ),
        (
            Driver::Failing,
            "FailedPrecondition: config file is missing",
        ),
        (Driver::Hanging, "no answer within 2s"),
    ] {
        assert_eq!(outcome(driver).await, Err(message.to_owned()));
    }
}

#[tokio::test]
async fn nobody_there() {
    let dir = tempfile::tempdir().unwrap();
    let limit = Duration::from_secs(5);
    let absent = Endpoint::Unix(dir.path().join("csi.sock"));
    let error = probe::run(&absent, limit).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot connect: "), "{error}");
    assert!(error.contains("No such file"), "{error}");

    // A free port that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let refused = Endpoint::Tcp(format!("127.0.0.1:{port}"));
    let error = probe::run(&refused, limit).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
}

/// Sends a plain HTTP request and returns the whole answer.
async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Asks until `wanted` is among the metrics.
async fn wait_for(address: SocketAddr, wanted: &str) -> String {
    let started = Instant::now();
    loop {
        // The first attempts come before the server listens.
        if TcpStream::connect(address).await.is_ok() {
            let answer = get(address, "/metrics").await;
            if answer.contains(wanted) {
                return answer;
            }
        }
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "never saw {wanted}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_gauge_follows_the_driver() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("csi.sock");
    let listen = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let shutdown = CancellationToken::new();
    let settings = LivenessSettings {
        endpoint: Endpoint::Unix(path.clone()),
        driver_name: "liveness.csi.ceph.com".into(),
        listen,
        path: "/metrics".into(),
        poll_time: Duration::from_millis(10),
        timeout: Duration::from_secs(2),
    };
    let running = tokio::spawn(run(settings, shutdown.clone()));

    wait_for(listen, "\ncsi_liveness 0\n").await;
    let server = serve(Driver::Ready(Some(true)), &path);
    let answer = wait_for(listen, "\ncsi_liveness 1\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{answer}"
    );
    let answer = get(listen, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    server.abort();
    std::fs::remove_file(&path).unwrap();
    wait_for(listen, "\ncsi_liveness 0\n").await;
    let answer = get(listen, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(answer.contains("cannot connect"), "{answer}");

    // It lives, so that it need not be restarted, and cannot work.
    for (driver, message) in [
        (Driver::Ready(Some(false)), "not ready"),
        (Driver::Failing, "config file is missing"),
    ] {
        let server = serve(driver, &path);
        let answer = get(listen, "/healthz").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains(message), "{answer}");
        assert!(get(listen, "/metrics").await.contains("\ncsi_liveness 0\n"));
        server.abort();
        std::fs::remove_file(&path).unwrap();
    }

    let answer = get(listen, "/other").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    shutdown.cancel();
    tokio::time::timeout(Duration::from_mins(1), running)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    let settings = LivenessSettings {
        endpoint: Endpoint::Tcp("127.0.0.1:1".into()),
        driver_name: "liveness.csi.ceph.com".into(),
        listen,
        path: "/metrics".into(),
        poll_time: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    };
    let error = run(settings, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains(&listen.to_string()), "{error}");
}

#[test]
fn metrics_have_plausible_values() {
    let alive = Alive::default();
    alive.set(1);
    let text = metrics(&alive).text();
    let value = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse::<f64>()
            .unwrap()
    };
    assert!((value("csi_liveness") - 1.0).abs() < f64::EPSILON);
    assert!(value("process_cpu_seconds_total") > 0.0);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_start_time_seconds") > 1.7e9);
    for line in text.lines() {
        assert!(
            line.starts_with("# ") || line.split(' ').count() == 2,
            "{line}"
        );
    }
}
