//! Clients that died, hang, or were started by a driver that is no more.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tonic::Code;

use super::lab::{Lab, processes_of, runtime};
use super::sessions;

/// A multiple of the second that statistics take at most, for machines where everything takes long.
const AT_ONCE: Duration = Duration::from_secs(20);

fn signal(lab: &Lab, signal: Signal) {
    for process in processes_of(&lab.staging) {
        kill_process(Pid::from_raw(process).unwrap(), signal).unwrap();
    }
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn a_dead_client_is_reported_cleared_and_replaced() {
    runtime().block_on(async {
        let lab = Lab::new("dead");
        let target = lab.target("pod");
        lab.stage().await.unwrap();
        lab.publish(&target).await.unwrap();
        std::fs::write(target.join("file"), "kept").unwrap();
        // What a killed client has not sent to the cluster is lost, as it is with any disk.
        let file = std::fs::File::open(target.join("file")).unwrap();
        file.sync_all().unwrap();
        drop(file);
        signal(&lab, Signal::KILL);
        lab.wait_until_dead(&target).await;

        let asked = Instant::now();
        let stats = lab.stats(&target).await.unwrap();
        assert!(asked.elapsed() < AT_ONCE);
        let condition = stats.volume_condition.unwrap();
        assert!(
            condition.abnormal && condition.message.contains("dead"),
            "{condition:?}"
        );
        let published = lab.publish(&lab.target("other")).await.unwrap_err();
        assert_eq!(published.code(), Code::FailedPrecondition, "{published}");

        // The mds may keep what the dead client had until its session expires; kubelet asks again.
        if let Err(waits) = lab.stage().await {
            assert_eq!(waits.code(), Code::Unavailable, "{waits}");
            lab.stage().await.unwrap();
        }
        lab.publish(&target).await.unwrap();
        assert_eq!(
            std::fs::read_to_string(target.join("file")).unwrap(),
            "kept"
        );

        signal(&lab, Signal::KILL);
        lab.wait_until_dead(&target).await;
        lab.unpublish(&target).await.unwrap();
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
        sessions::end_those_of_the_dead(&lab);
    });
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn a_hanging_client_holds_up_neither_stats_nor_a_drain() {
    runtime().block_on(async {
        let lab = Lab::new("hanging");
        let target = lab.target("pod");
        lab.stage().await.unwrap();
        lab.publish(&target).await.unwrap();
        let threads = threads();
        signal(&lab, Signal::STOP);

        for _ in 0..5 {
            let asked = Instant::now();
            let stats = lab.stats(&target).await.unwrap();
            assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
            let condition = stats.volume_condition.unwrap();
            assert!(
                condition.message.contains("has not returned for"),
                "{condition:?}"
            );
        }
        // One for the open question; others may come and go.
        let start = Instant::now();
        while self::threads() > threads + 3 {
            let now = self::threads();
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "{threads} threads, then {now}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let published = lab.publish(&lab.target("other")).await.unwrap_err();
        assert_eq!(published.code(), Code::DeadlineExceeded, "{published}");

        lab.unpublish(&target).await.unwrap();
        lab.unstage().await.unwrap();
        signal(&lab, Signal::CONT);
        lab.assert_clean().await;
        sessions::end_those_of_the_dead(&lab);
    });
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn a_client_that_a_killed_driver_was_starting_is_ended_first() {
    runtime().block_on(async {
        let lab = Lab::new("stray");
        let stray = lab.start_stray();
        lab.stage().await.unwrap();
        assert!(!processes_of(&lab.staging).contains(&stray.id()));
        assert_eq!(processes_of(&lab.staging).len(), 1);
        lab.unstage().await.unwrap();

        let stray = lab.start_stray();
        lab.unstage().await.unwrap();
        assert!(!processes_of(&lab.staging).contains(&stray.id()));
        lab.assert_clean().await;
    });
}

/// A ceph-fuse that waits for monitors that are not there, its key on standard input.
struct Stray(std::process::Child);

impl Stray {
    fn id(&self) -> i32 {
        self.0.id().try_into().unwrap()
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Lab {
    #[expect(
        clippy::disallowed_methods,
        reason = "plays the driver that was killed"
    )]
    fn start_stray(&self) -> Stray {
        use std::io::Write as _;
        use std::os::unix::process::CommandExt as _;

        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let mut key = std::fs::File::from(rustix::fs::memfd_create("key", flags).unwrap());
        key.write_all(super::lab::key().as_bytes()).unwrap();
        let child = std::process::Command::new("ceph-fuse")
            .arg(&self.staging)
            .args([
                "-m",
                "127.0.0.1:1",
                "-n",
                "client.x",
                "--keyfile=/proc/self/fd/0",
            ])
            .args([
                "--admin_socket=",
                "--log_file=",
                "--client_mount_timeout=60",
            ])
            .stdin(key)
            .stderr(std::process::Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let stray = Stray(child);
        while !processes_of(&self.staging).contains(&stray.id()) {
            std::thread::sleep(Duration::from_millis(5));
        }
        stray
    }

    async fn wait_until_dead(&self, target: &std::path::Path) {
        let start = Instant::now();
        while !self
            .stats(target)
            .await
            .unwrap()
            .volume_condition
            .unwrap()
            .abnormal
        {
            assert!(start.elapsed() < Duration::from_mins(1));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
