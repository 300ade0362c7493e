//! What the kernel knows about a process.

use std::fs;

use crate::report::{Row, Target};

/// Memory of a process, in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All resident pages.
    pub(crate) rss: f64,
    /// Of these, heaps and stacks: nobody else has them.
    pub(crate) anonymous: f64,
    /// Its part of all, where pages of libraries count once for all processes that map them.
    pub(crate) proportional: f64,
}

impl Memory {
    pub(crate) fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        Self {
            rss: field(&status, "VmRSS:") / 1024.0,
            anonymous: field(&status, "RssAnon:") / 1024.0,
            proportional: field(&rollup, "Pss:") / 1024.0,
        }
    }

    /// The rows about a node that has nothing to do.
    pub(crate) fn rows_of_node(self) -> Vec<Row> {
        let most = Some(Target::AtMost(8.0));
        vec![
            Row::single("RSS, idle as node", "MiB", self.rss, most),
            Row::single("of that anonymous", "MiB", self.anonymous, None),
        ]
    }
}

fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next());
    value.unwrap().parse().unwrap()
}
