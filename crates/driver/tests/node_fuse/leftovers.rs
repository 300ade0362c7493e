//! Clients that stay when their mount is gone.

use std::path::Path;
use std::time::Duration;

use ceph::Context;
use rustix::mount::UnmountFlags;
use rustix::process::{Pid, Signal, kill_process};
use spirula::mount::{Linux, Mounts as _};

use super::lab::{Lab, by_hand, processes_of, runtime};
use super::sessions;

/// The daemon of the mount at `at`.
fn daemon(at: &Path) -> i32 {
    let processes = processes_of(at);
    let [process] = processes[..] else {
        panic!("{processes:?}")
    };
    process
}

fn send(process: i32, signal: Signal) {
    kill_process(Pid::from_raw(process).unwrap(), signal).unwrap();
}

fn detach(at: &Path) {
    rustix::mount::unmount(at, UnmountFlags::DETACH).unwrap();
}

/// What a driver that was just started does.
async fn sweep(lab: &Lab, grace: Duration) {
    let node = Linux::new(vec![Box::new(lab.next_fuse())]);
    let cx = Context::with_timeout(Duration::from_mins(1));
    node.end_leftovers(&cx, grace).await.unwrap();
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn a_client_without_a_mount_is_ended_and_no_other_is() {
    runtime().block_on(async {
        let (ours, other) = (Lab::new("leftover"), Lab::new("leftover-of-another"));
        let by_hands = ours.directory.path().join("by-hand");
        std::fs::create_dir(&by_hands).unwrap();
        by_hand(&by_hands, &ours.root, ours.directory.path());
        ours.stage().await.unwrap();
        other.stage().await.unwrap();
        let clients = [
            daemon(&ours.staging),
            daemon(&other.staging),
            daemon(&by_hands),
        ];

        // In use at a pod, though the staging path is gone.
        let target = ours.target("pod");
        ours.publish(&target).await.unwrap();
        detach(&ours.staging);
        sweep(&ours, Duration::ZERO).await;
        std::fs::write(target.join("file"), "it serves on").unwrap();

        // As if they waited for their cluster.
        for client in clients {
            send(client, Signal::STOP);
        }
        sweep(&ours, Duration::ZERO).await;
        assert_eq!(processes_of(&ours.staging), [clients[0]], "it is mounted");
        for at in [&target, &other.staging, &by_hands] {
            detach(at);
        }
        sweep(&ours, Duration::from_hours(1)).await;
        assert_eq!(processes_of(&ours.staging), [clients[0]], "it has time");
        sweep(&ours, Duration::ZERO).await;
        ours.assert_clean().await;
        assert_eq!(processes_of(&other.staging), [clients[1]]);
        assert_eq!(processes_of(&by_hands), [clients[2]]);
        for client in &clients[1..] {
            send(*client, Signal::CONT);
        }
        other.assert_clean().await;
        sessions::end_those_of_the_dead(&ours);
    });
}
