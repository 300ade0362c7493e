//! What staging takes, beside a bare mount(2) of the same directory.

use std::time::{Duration, Instant};

use super::lab::{Lab, by_hand, runtime, unmount};

const RUNS: usize = 15;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn the_driver_adds_little() {
    runtime().block_on(async {
        let lab = Lab::new("timing");
        let hand = lab.directory.path().join("hand");
        std::fs::create_dir(&hand).unwrap();
        let (mut bare, mut stage) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let start = Instant::now();
            by_hand(&hand, &lab.root, lab.directory.path());
            bare.push(start.elapsed());
            unmount(&hand);
            let start = Instant::now();
            lab.stage().await.unwrap();
            stage.push(start.elapsed());
            lab.unstage().await.unwrap();
        }
        let (bare, stage) = (median(bare), median(stage));
        println!(
            "medians of {RUNS}: mount(2) {bare:.1?}, NodeStageVolume {stage:.1?}: {:.2} times as long",
            stage.as_secs_f64() / bare.as_secs_f64()
        );
        lab.assert_clean().await;
    });
}
