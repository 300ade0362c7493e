//! Mounts go on while the driver is killed and started again.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::lab::{Lab, processes_of, runtime};
use super::plugin::{Cgroup, Plugin};

const KILLS: usize = 20;

/// Time between two records.
const PACE: Duration = Duration::from_millis(5);

/// An application that writes numbered records, and makes sure of each.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<std::io::Error>)>,
}

impl Writer {
    fn start(path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut file = File::create(path).unwrap();
            let (mut written, mut errors) = (0, Vec::new());
            let mut next = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                let record = writeln!(file, "{written}").and_then(|()| file.sync_all());
                match record {
                    Ok(()) => written += 1,
                    Err(error) => errors.push(error),
                }
                next += PACE;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            (written, errors)
        });
        Self { stop, thread }
    }

    fn stop(self) -> (usize, Vec<std::io::Error>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn a_writer_does_not_notice_that_the_driver_is_killed() {
    runtime().block_on(async {
        let lab = Lab::new("survival");
        let target = lab.target("pod");
        let cgroup = Cgroup::new();
        let start = || Plugin::start(lab.directory.path(), cgroup.as_ref(), &[]);
        let mut plugin = start();
        plugin.mount(&lab, &target).await;
        let daemons = processes_of(&lab.staging);
        assert_eq!(daemons.len(), crate::CLIENTS, "{daemons:?}");
        if let Some(cgroup) = &cgroup {
            let members = cgroup.members();
            let is_daemon = |line: &str| daemons.iter().any(|daemon| line == daemon.to_string());
            assert!(!members.lines().any(is_daemon));
            assert!(members.lines().count() >= 1);
        }

        let began = Instant::now();
        let writer = Writer::start(target.join("records"));
        let mut by_cgroup = 0;
        for kill in 0..KILLS {
            tokio::time::sleep(Duration::from_millis(100)).await;
            match &cgroup {
                Some(cgroup) if kill % 2 == 0 => {
                    plugin.kill_cgroup(cgroup);
                    by_cgroup += 1;
                }
                _ => plugin.kill_group(),
            }
            plugin = start();
            plugin.mount(&lab, &target).await;
        }
        let took = began.elapsed();
        let (written, errors) = writer.stop();
        println!(
            "{written} records in {took:.1?} through {KILLS} kills ({by_cgroup} of them of the cgroup): \
             {} errors",
            errors.len()
        );
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(processes_of(&lab.staging), daemons);

        plugin.unmount(&lab, &target).await;
        lab.assert_clean().await;

        // From the cluster, not from what the old client remembers.
        lab.stage().await.unwrap();
        let records = std::fs::read_to_string(lab.staging.join("records")).unwrap();
        let expected: Vec<_> = (0..written).map(|number| number.to_string()).collect();
        assert_eq!(records.lines().collect::<Vec<_>>(), expected);
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}
