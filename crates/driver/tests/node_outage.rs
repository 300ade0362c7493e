//! A node under a Ceph that stops and dies: nothing hangs, and the node can be drained.
//!
//! The daemons are processes of this machine, with their pids in `$SPIRULA_TEST_CEPH_DIR/run`. All of them
//! are stopped, and later killed and started again, so nothing else may use the cluster meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "node_fuse/lab.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod lab;
#[path = "node_outage/outage.rs"]
mod outage;
#[path = "node_outage/volumes.rs"]
mod volumes;

use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

use lab::{runtime, setting};
use outage::Order;

/// The value of the parameter `mounter`.
const MOUNTER: &str = "fuse";

const DAEMONS: [&str; 3] = ["mon.a", "osd.0", "mds.a"];

#[test]
#[ignore = "needs a Ceph cluster of its own, root and /dev/fuse: dev/test node-outage"]
fn a_node_is_drained_while_its_ceph_is_stopped_and_after_it_has_died() {
    runtime().block_on(outage::run(give));
}

fn give(order: Order) {
    match order {
        Order::Stop => send(Signal::STOP),
        Order::GoOn => send(Signal::CONT),
        Order::Kill => send(Signal::KILL),
        Order::Start => start(),
    }
}

fn send(signal: Signal) {
    for daemon in DAEMONS {
        let file =
            PathBuf::from(setting("SPIRULA_TEST_CEPH_DIR")).join(format!("run/{daemon}.pid"));
        let process = std::fs::read_to_string(file).unwrap();
        let process = Pid::from_raw(process.trim().parse().unwrap()).unwrap();
        // One that was killed is not there any more.
        let sent = kill_process(process, signal);
        assert!(sent.is_ok() || signal == Signal::CONT, "{daemon}: {sent:?}");
    }
}

/// Starts the daemons again that are not there.
#[expect(
    clippy::disallowed_methods,
    reason = "plays the administrator of the cluster"
)]
fn start() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dev/ceph");
    let status = std::process::Command::new(script)
        .arg("up")
        .env("SPIRULA_CEPH_DIR", setting("SPIRULA_TEST_CEPH_DIR"))
        .status();
    assert!(status.unwrap().success());
}
