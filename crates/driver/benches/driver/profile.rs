//! Where the driver's time goes: the steps of each RPC, from the lines that it logs at `--v=4`.
//!
//! ```text
//! ... CreateVolume took 14.20 ms: 0.30 omap read of csi.volumes.default; 12.90 mgr command `fs ...`
//! ```

use crate::report::Row;
use crate::samples::Samples;

/// Rows for `rpcs`: each of their steps, and what is in no step: the frame, and the driver's own work
/// before the first one.
pub(crate) fn rows(log: &str, rpcs: &[&str]) -> Vec<Row> {
    let mut rows = Vec::new();
    for rpc in rpcs {
        for (step, samples) in steps(log, rpc) {
            rows.push(Row::alone(&format!("  {rpc}: {step}"), "ms", samples, None));
        }
    }
    rows
}

/// By step, in the order of the calls.
fn steps(log: &str, rpc: &str) -> Vec<(String, Samples)> {
    let start = format!(" {rpc} took ");
    let calls = log
        .lines()
        .filter_map(|line| Some(line.split_once(&start)?.1));
    let mut steps: Vec<(String, Samples)> = Vec::new();
    for call in calls {
        let (total, list) = call.split_once(" ms: ").unwrap_or((call, ""));
        let total: f64 = total.trim_end_matches(" ms").parse().unwrap();
        let mut rest = total;
        let mut add = |name: String, value| {
            let index = steps.iter().position(|(known, _)| *known == name);
            let index = index.unwrap_or_else(|| {
                steps.push((name, Samples::default()));
                steps.len() - 1
            });
            steps[index].1.value(value);
        };
        for step in list.split("; ").filter(|step| !step.is_empty()) {
            let (time, what) = step.split_once(' ').unwrap();
            let time: f64 = time.parse().unwrap();
            add(kind(what), time);
            rest -= time;
        }
        add("in no step".to_owned(), rest);
        add("in all, without the frame".to_owned(), total);
    }
    steps
}

/// The step without the names of volumes: of objects only their kind, of paths nothing.
fn kind(step: &str) -> String {
    let words = step.split(' ').filter(|word| !word.contains('/'));
    let words: Vec<_> = words.map(without_uuid).collect();
    words.join(" ")
}

fn without_uuid(word: &str) -> &str {
    const LENGTH: usize = 36;
    match word.len().checked_sub(LENGTH).map(|at| word.split_at(at)) {
        Some((kind, uuid)) if uuid.matches('-').count() == 4 => kind.trim_end_matches(['.', '-']),
        _ => word,
    }
}
