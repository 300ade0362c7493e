//! A node of the kernel's client under a Ceph that stops and dies. The daemons are processes of the machine that the
//! virtual one runs on, where `dev/test.d/daemons` does to them what it finds in a file.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::lab::runtime;
use super::story::{self, Order};

/// The order that is to be carried out; gone when it is.
const ORDER: &str = "/share/order";

#[test]
#[ignore = "needs a Ceph cluster of its own and a kernel with CephFS: dev/test vm"]
fn a_node_is_drained_while_its_ceph_is_stopped_and_after_it_has_died() {
    runtime().block_on(story::run(give));
}

fn give(order: Order) {
    let word = match order {
        Order::Stop => "STOP",
        Order::GoOn => "CONT",
        Order::Kill => "KILL",
        Order::Start => "start",
    };
    // Whole from the first moment that it is seen.
    let draft = format!("{ORDER}.draft");
    fs::write(&draft, word).unwrap();
    fs::rename(&draft, ORDER).unwrap();
    while Path::new(ORDER).exists() {
        thread::sleep(Duration::from_millis(50));
    }
}
