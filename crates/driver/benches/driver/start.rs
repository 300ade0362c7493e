//! From exec to the socket, and what an idle process needs.

use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Bench;
use crate::driver::Driver;
use crate::process::Memory;
use crate::report::{Row, Target};
use crate::samples::Samples;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let mut times = Samples::default();
    for _ in 0..bench.runs {
        times.time(exec_to_socket());
    }
    let node = Driver::start(&bench.lab.config(), &["--nodeserver"]);
    thread::sleep(Duration::from_secs(1));
    let memory = Memory::of(node.pid());
    node.terminate();
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_spirula"))
        .unwrap()
        .len();
    let mut rows = vec![Row::alone(
        "exec to socket",
        "ms",
        times,
        Some(Target::AtMost(15.0)),
    )];
    rows.extend(memory.rows_of_node());
    let size = size as f64 / f64::from(1 << 20);
    rows.push(Row::single("binary", "MiB", size, None));
    rows
}

fn exec_to_socket() -> Duration {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("csi.sock");
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_spirula"))
        .args(["--type=cephfs", "--nodeid=node-1"])
        .arg(format!("--endpoint=unix://{}", socket.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while UnixStream::connect(&socket).is_err() {
        assert!(started.elapsed() < Duration::from_secs(10), "no socket");
        thread::sleep(Duration::from_micros(200));
    }
    let time = started.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    time
}
