//! A cluster that stops and dies under a node with many volumes: nothing hangs, and the node can be drained.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::volumes::{
    DRAIN, SLACK, VOLUMES, Volume, refuse, resources, settle, stage, volumes, wait_until_abnormal,
    wait_until_ended,
};

/// The second that statistics may take, and what a debug build takes on a slow machine that is busy with all
/// the clients; the figure is printed.
const STATS: Duration = Duration::from_secs(20);

/// What is done to the monitor, the OSD and the metadata server of the cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Stop,
    GoOn,
    Kill,
    /// Those that were killed.
    Start,
}

/// Has the daemons serve again after a test that has failed, too.
struct Mends(fn(Order));

impl Drop for Mends {
    fn drop(&mut self) {
        self.0(Order::GoOn);
        self.0(Order::Start);
    }
}

/// The whole story; `give` carries out orders.
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
pub(crate) async fn run(give: fn(Order)) {
    let volumes = volumes();
    // What the runtime makes for its first use stays.
    stage(&volumes[..1]).await;
    volumes[0].drain().await;
    let before = resources();
    let _mends = Mends(give);
    for (away, back) in [(Order::Stop, Order::GoOn), (Order::Kill, Order::Start)] {
        stage(&volumes).await;
        give(away);
        let slowest = wait_until_abnormal(&volumes).await;
        let during = resources();
        refuse(&volumes[0], &volumes[0].lab.target("other")).await;
        let start = Instant::now();
        join_all(volumes.iter().map(Volume::drain)).await;
        let drained = start.elapsed();
        let after = resources();
        println!(
            "{away:?}: {VOLUMES} volumes, statistics within {slowest:.1?}, drained within {drained:.1?}; \
             threads and descriptors: {before:?} before, {during:?} after the statistics, {after:?} \
             after the drain, the cluster being away"
        );
        assert!(slowest < STATS, "{slowest:?}");
        assert!(drained < DRAIN, "{drained:?}");
        for threads in [during[0], after[0]] {
            assert!(threads <= before[0] + VOLUMES + SLACK, "{threads} threads");
        }
        // An unmount of the kernel's client waits itself for the cluster, where ceph-fuse has a process that does.
        if crate::MOUNTER == "fuse" {
            settle(before).await;
        }
        give(back);
        let start = Instant::now();
        wait_until_ended(&volumes).await;
        let settled = settle(before).await;
        println!(
            "{settled:?}, and the clients have ended, {:.1?} after the cluster's return",
            start.elapsed()
        );
    }
    stage(&volumes[..1]).await;
    volumes[0].drain().await;
    for volume in &volumes {
        volume.lab.assert_clean().await;
    }
}
