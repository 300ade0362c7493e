//! Times the built driver on a real Ceph against the raw commands, in turns and in one run: a machine
//! that is busy slows both down, so their ratio tells more than any time. `dev/bench` starts the cluster.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a measurement fails by panicking, prints what it found, and runs programs as a user would"
)]

mod commands;
mod copies;
mod crowd;
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/support/driver.rs"]
mod driver;
mod kernel;
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/real_ceph/lab.rs"]
mod lab;
mod listing;
mod memory;
mod node;
mod process;
mod profile;
mod raw;
mod report;
mod samples;
mod snapshots;
mod start;
mod volumes;

use lab::Lab;
use report::Row;

/// What is measured together, by the name that selects it.
const GROUPS: &[(&str, Measure)] = &[
    ("start", start::measure),
    ("volumes", volumes::measure),
    ("snapshots", snapshots::measure),
    ("copies", copies::measure),
    ("crowd", crowd::measure),
    ("commands", commands::measure),
    ("listing", listing::measure),
    ("node", node::measure),
    ("memory", memory::measure),
    (KERNEL, kernel::measure),
];

/// Not among those that are measured if none is named: it needs another machine.
const KERNEL: &str = "kernel";

type Measure = fn(&Bench) -> Vec<Row>;

/// What measurements share.
struct Bench {
    lab: Lab,
    runs: usize,
    quick: bool,
    /// For clients: on one thread, so that what is timed is the driver.
    runtime: tokio::runtime::Runtime,
}

/// What the command line asks for.
#[derive(Default)]
struct Arguments {
    json: Option<String>,
    quick: bool,
    /// None for all.
    groups: Vec<String>,
}

impl Arguments {
    fn read() -> Self {
        let mut read = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--bench" => {} // from cargo
                "--quick" => read.quick = true,
                "--json" => read.json = arguments.next(),
                group if GROUPS.iter().any(|(name, _)| *name == group) => {
                    read.groups.push(argument);
                }
                other => {
                    let groups: Vec<_> = GROUPS.iter().map(|(name, _)| name).collect();
                    panic!("`{other}` is no group; there are {groups:?}");
                }
            }
        }
        read
    }
}

fn main() {
    let Arguments {
        json,
        quick,
        groups,
    } = Arguments::read();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let bench = Bench {
        lab: Lab::new(),
        runs: if quick { 12 } else { 60 },
        quick,
        runtime: runtime.unwrap(),
    };
    let mut rows = Vec::new();
    for (name, measure) in GROUPS {
        if (groups.is_empty() && *name != KERNEL) || groups.iter().any(|group| group == name) {
            let measured = measure(&bench);
            report::print(name, &measured);
            rows.extend(measured);
        }
    }
    if let Some(path) = json {
        report::save(&path, &bench, &rows);
    }
    bench.lab.expect_empty("after all measurements");
}
