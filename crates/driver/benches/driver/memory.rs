//! The controller's memory: after 200 volumes, and while volumes come and go.

use std::thread;
use std::time::Duration;

use crate::Bench;
use crate::crowd::{create, delete};
use crate::driver::Driver;
use crate::process::Memory;
use crate::raw::Raw;
use crate::report::{Row, Target};
use crate::samples::Samples;

const VOLUMES: usize = 200;
/// Volumes that come and go between two looks at the memory.
const CYCLES: usize = 100;
/// What allocators take and give back from one look to the next.
const NOISE_MIB: f64 = 1.0;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let raw = Raw::connect(&bench.lab);
    let driver = Driver::start(
        &bench.lab.config(),
        &["--controllerserver", "--setmetadata"],
    );
    let client = bench.runtime.block_on(driver.controller());
    let volumes = |prefix: &str, count: usize| {
        let names: Vec<_> = (0..count)
            .map(|index| format!("{prefix}-{index}"))
            .collect();
        bench.runtime.block_on(create(bench, &client, &names))
    };
    let remove = |volumes: Vec<csi_proto::v1::Volume>| {
        let ids = volumes.into_iter().map(|volume| volume.volume_id);
        bench
            .runtime
            .block_on(delete(bench, &client, ids.collect()));
    };

    let made = volumes("memory", VOLUMES);
    raw.wait_for_metadata(&made);
    let busy = Memory::of(driver.pid());
    // Threads without work end.
    thread::sleep(Duration::from_secs(7));
    let idle = Memory::of(driver.pid());
    remove(made);

    let looks = if bench.quick { 4 } else { 20 };
    let (mut all, mut early, mut late) = (Samples::default(), 0_f64, 0_f64);
    for look in 0..looks {
        remove(volumes(&format!("cycle-{look}"), CYCLES));
        let now = Memory::of(driver.pid());
        println!(
            "{:>5} volumes made and deleted: {now:.1?}",
            (look + 1) * CYCLES
        );
        all.value(now.rss);
        let part = if look < looks / 2 {
            &mut early
        } else {
            &mut late
        };
        *part = part.max(now.rss);
    }
    driver.terminate();
    vec![
        Row::single(
            "RSS after 200 volumes",
            "MiB",
            idle.rss,
            Some(Target::AtMost(30.0)),
        ),
        Row::single("of that anonymous", "MiB", idle.anonymous, None),
        Row::single("proportional (PSS)", "MiB", idle.proportional, None),
        Row::single("RSS right after the last", "MiB", busy.rss, None),
        Row::alone("RSS while volumes come and go", "MiB", all, None),
        Row::single(
            "growth, 2nd to 1st half",
            "MiB",
            late - early,
            Some(Target::AtMost(NOISE_MIB)),
        ),
    ]
}
