//! What staging, publishing and stats take, beside a ceph-fuse started by hand.

use std::time::{Duration, Instant};

use super::lab::{Lab, by_hand, runtime, unmount};

const RUNS: usize = 20;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn the_driver_adds_little() {
    runtime().block_on(async {
        let lab = Lab::new("timing");
        let hand = lab.directory.path().join("hand");
        std::fs::create_dir(&hand).unwrap();
        let target = lab.target("pod");
        let mut times: [Vec<Duration>; 5] = Default::default();
        for _ in 0..RUNS {
            let start = Instant::now();
            by_hand(&hand, &lab.root, lab.directory.path());
            times[0].push(start.elapsed());
            unmount(&hand);

            let start = Instant::now();
            lab.stage().await.unwrap();
            times[1].push(start.elapsed());
            let start = Instant::now();
            lab.publish(&target).await.unwrap();
            times[2].push(start.elapsed());
            let start = Instant::now();
            lab.stats(&target).await.unwrap();
            times[3].push(start.elapsed());
            let start = Instant::now();
            lab.unpublish(&target).await.unwrap();
            lab.unstage().await.unwrap();
            times[4].push(start.elapsed());
        }
        let [hand, stage, publish, stats, unmount] = times.map(median);
        println!(
            "medians of {RUNS}: ceph-fuse by hand {hand:.1?}, stage {stage:.1?}, publish {publish:.1?}, \
             stats {stats:.1?}, unpublish and unstage {unmount:.1?}"
        );
        // Generous, for busy machines and debug builds: the targets are dev/bench's business.
        assert!(stage < hand * 2);
        assert!(publish < Duration::from_millis(50));
        assert!(stats < Duration::from_millis(50));
        lab.assert_clean().await;
    });
}
