//! The driver as a process.

use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use csi_proto::v1::controller_client::ControllerClient;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint, Uri};

/// A running driver; killed when dropped.
pub(crate) struct Driver {
    child: Child,
    directory: TempDir,
}

impl Driver {
    /// Starts the binary with this config.json, both services and `flags`, and waits for its socket.
    pub(crate) fn start(config: &str, flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config, flags)
    }

    /// The same in a directory that may have a socket already.
    pub(crate) fn start_in(directory: TempDir, config: &str, flags: &[&str]) -> Self {
        Self::start_with(directory, config, flags, &[])
    }

    /// The same with more variables in its environment.
    pub(crate) fn start_with(
        directory: TempDir,
        config: &str,
        flags: &[&str],
        environment: &[(&str, &OsStr)],
    ) -> Self {
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("config.json"), config).unwrap();
        let log = File::create(path("log")).unwrap();
        // Another build of it, such as one for another machine, under what runs that here.
        let program = std::env::var_os("SPIRULA_TEST_PROGRAM");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_spirula").into());
        let child = Command::new(program)
            .args(["--type=cephfs", "--nodeid=node-1", "--v=5"])
            .arg(format!("--endpoint=unix://{}", path("csi.sock").display()))
            .arg(format!("--config-file={}", path("config.json").display()))
            .args(flags)
            // Where liveness answers, if it is among the flags.
            .env("POD_IP", "127.0.0.1")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let driver = Self { child, directory };
        let started = Instant::now();
        while std::os::unix::net::UnixStream::connect(driver.socket()).is_err() {
            assert!(
                started.elapsed() < Duration::from_mins(1),
                "no socket: {}",
                driver.log()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        driver
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("csi.sock")
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.directory.path().join("config.json")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    pub(crate) async fn controller(&self) -> ControllerClient<Channel> {
        ControllerClient::new(self.channel().await)
    }

    pub(crate) async fn channel(&self) -> Channel {
        let socket = self.socket();
        let connect = move |_: Uri| {
            let socket = socket.clone();
            async move {
                tokio::net::UnixStream::connect(socket)
                    .await
                    .map(TokioIo::new)
            }
        };
        let endpoint = Endpoint::from_static("http://localhost");
        endpoint
            .connect_with_connector(tower::service_fn(connect))
            .await
            .unwrap()
    }

    /// SIGKILL.
    pub(crate) fn kill(self) {
        drop(self.kill_and_keep());
    }

    /// SIGKILL; the directory with what the driver left in it.
    pub(crate) fn kill_and_keep(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// SIGTERM; waits for the end and returns the log.
    pub(crate) fn terminate(mut self) -> String {
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        let log = self.log();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Gone already after `kill` and `terminate`.
        let _ = self.child.kill();
        let ended = self.child.wait();
        if std::thread::panicking() {
            println!("the driver ended with {ended:?}, and its last lines were:");
            self.log()
                .lines()
                .rev()
                .take(40)
                .for_each(|line| println!("  {line}"));
        }
    }
}
