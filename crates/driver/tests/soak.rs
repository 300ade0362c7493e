//! All RPCs from eight clients at once, on a real Ceph with real mounts, while the driver is killed and
//! daemons of Ceph stop and go on. What was acknowledged is there afterwards, with its data, and what was
//! deleted is not. `dev/test soak` runs it for half a minute, `dev/soak --minutes N` for longer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, tells what it did, and runs programs as a user would"
)]

#[path = "soak/calls.rs"]
mod calls;
#[path = "soak/client.rs"]
mod client;
#[path = "soak/content.rs"]
mod content;
#[path = "support/driver.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod driver;
#[path = "soak/group.rs"]
mod group;
#[path = "real_ceph/lab.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod lab;
#[path = "soak/mount.rs"]
mod mount;
#[path = "support/random.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod random;
#[path = "soak/trouble.rs"]
mod trouble;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use calls::Report;
use client::Client;
use lab::Lab;
use random::Random;
use trouble::Process;

const CLIENTS: u64 = 8;

/// For how long, and the seed from which clients and troubles choose; the same seed chooses the same.
fn settings() -> (Duration, u64) {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    let seconds = number("SPIRULA_SOAK_SECONDS").unwrap_or(30);
    let seed = number("SPIRULA_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("SPIRULA_SOAK_SECONDS={seconds} SPIRULA_SOAK_SEED={seed}");
    (Duration::from_secs(seconds), seed)
}

#[test]
#[ignore = "needs a Ceph cluster and root: dev/test soak"]
fn everything_at_once_while_things_die() {
    let (duration, seed) = settings();
    let lab = Arc::new(Lab::new());
    wait_for_room();
    let mut process = Process::start(&lab);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let until = Instant::now() + duration;
    let mut random = Random(seed);
    let report = Arc::new(Report::default());

    let mut working = Vec::new();
    for number in 0..CLIENTS {
        let seed = random.next();
        let (lab, report) = (Arc::clone(&lab), Arc::clone(&report));
        let (socket, mounts) = (process.socket(), process.mounts());
        let handle = runtime.handle().clone();
        working.push(thread::spawn(move || {
            let _entered = handle.enter();
            let mut client = Client::new(number, Random(seed), lab, report, &socket, &mounts);
            handle.block_on(client.work(until));
            client
        }));
    }
    let has_failed = || working.iter().any(JoinHandle::is_finished);
    let troubles = process.trouble(&lab, random, until, has_failed);
    let clients = join(working);

    let (mut volumes, mut snapshots, mut groups, mut files) = (0, 0, 0, 0);
    for client in &clients {
        volumes += client.volumes.len();
        snapshots += client.snapshots.len();
        groups += client.groups.len();
        files += client.files();
    }
    let checking = clients.into_iter().map(|mut client| {
        let handle = runtime.handle().clone();
        thread::spawn(move || {
            handle.block_on(client.check_all());
            handle.block_on(client.delete_all());
        })
    });
    join(checking.collect());
    process.end(&lab);
    lab.expect_empty("after everything was deleted");
    println!("{report}");
    println!("{troubles}");
    println!(
        "{volumes} volumes, {snapshots} snapshots and {groups} group snapshots with {files} files were \
         there with their content; all were deleted, and nothing is left"
    );
}

/// A Ceph that has just been made tells of no pool for a moment, and then of pools without room.
fn wait_for_room() {
    let until = Instant::now() + Duration::from_mins(2);
    loop {
        let df = lab::run("ceph", &["df", "-f", "json"]);
        let df: serde_json::Value = serde_json::from_str(&df).unwrap();
        let pools = df["pools"].as_array().unwrap();
        if !pools.is_empty() && pools.iter().all(|pool| pool["stats"]["max_avail"] != 0) {
            return;
        }
        assert!(Instant::now() < until, "Ceph tells of no room: {df}");
        thread::sleep(Duration::from_millis(500));
    }
}

fn join<T>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    let ended = threads.into_iter().map(JoinHandle::join);
    ended.map(Result::unwrap).collect()
}
