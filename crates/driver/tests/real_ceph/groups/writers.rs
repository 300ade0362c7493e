//! An application that keeps its data in several volumes: it writes a counter to each of them in turn, and
//! never the next number before the last one was acknowledged. Whatever shows one moment of all volumes
//! shows at most one step between them.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use csi_proto::v1 as csi;
use tempfile::TempDir;

use crate::lab::Lab;
use crate::mount::Mount;

const COUNTER: &str = "counter";

/// The volumes, each mounted by a ceph-fuse of its own, and the application on them.
pub(super) struct Writers {
    mounts: Vec<Mount>,
    /// Rounds through all volumes so far.
    rounds: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _directory: TempDir,
}

impl Writers {
    pub(super) fn start(lab: &Lab, volumes: &[csi::Volume]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let conf = directory.path().join("ceph.conf");
        let mut file = File::create(&conf).unwrap();
        // Without a cache in the client a write is acknowledged by the cluster, as one that is synced.
        let settings = "[global]\nauth_client_required = cephx\nclient_oc = false\n";
        file.write_all(settings.as_bytes()).unwrap();
        let mount = |(number, volume): (usize, &csi::Volume)| {
            let path = directory.path().join(number.to_string());
            Mount::new(lab, &conf, path, volume)
        };
        let mounts: Vec<_> = volumes.iter().enumerate().map(mount).collect();
        let files = mounts.iter().map(|mount| {
            let file = File::create(mount.path().join(COUNTER)).unwrap();
            file.write_all_at(&text(0), 0).unwrap();
            file
        });
        let files: Vec<_> = files.collect();
        let (rounds, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let thread = {
            let (rounds, stop) = (Arc::clone(&rounds), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let number = rounds.load(Ordering::SeqCst) + 1;
                    for file in &files {
                        file.write_all_at(&text(number), 0).unwrap();
                    }
                    rounds.store(number, Ordering::SeqCst);
                }
            })
        };
        let writers = Self {
            mounts,
            rounds,
            stop,
            thread: Some(thread),
            _directory: directory,
        };
        writers.go_on("from the start");
        writers
    }

    /// Waits until some more rounds are done; how long that took.
    pub(super) fn go_on(&self, when: &str) -> Duration {
        let (started, before) = (Instant::now(), self.rounds.load(Ordering::SeqCst));
        while self.rounds.load(Ordering::SeqCst) < before + 10 {
            let waited = started.elapsed();
            assert!(waited < Duration::from_mins(3), "no write {when}");
            std::thread::sleep(Duration::from_millis(2));
        }
        started.elapsed()
    }

    /// Ends the application, so that nothing is left to be written to the snapshots.
    pub(super) fn finish(mut self) -> Finished {
        self.end();
        Finished(self)
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a write failed");
        }
    }
}

/// The volumes when the application has ended.
pub(super) struct Finished(Writers);

impl Finished {
    /// What the snapshots show of the counter, in the order of its writes.
    pub(super) fn seen_in(&self, snapshots: &[csi::Snapshot]) -> Vec<u64> {
        let seen = self
            .0
            .mounts
            .iter()
            .zip(snapshots)
            .map(|(mount, snapshot)| {
                let uuid = &snapshot.snapshot_id[snapshot.snapshot_id.len() - 36..];
                // Taken further up, it is shown with the number of the directory behind its name.
                let name = format!("_csi-snap-{uuid}_");
                let directory = mount.path().join(".snap");
                let started = Instant::now();
                loop {
                    let entries = std::fs::read_dir(&directory).unwrap();
                    let mut names = entries.map(|entry| entry.unwrap().path());
                    let found = names.find(|path| {
                        let own = path.file_name().and_then(|own| own.to_str());
                        own.is_some_and(|own| own.starts_with(&name))
                    });
                    if let Some(path) = found {
                        let text = std::fs::read_to_string(path.join(COUNTER)).unwrap();
                        return text.trim().parse().unwrap();
                    }
                    assert!(started.elapsed() < Duration::from_mins(2), "no {name}");
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
        seen.collect()
    }
}

fn text(number: u64) -> Vec<u8> {
    format!("{number:020}\n").into_bytes()
}

/// Whether the counters are of one moment.
pub(super) fn is_one_moment(seen: &[u64]) -> bool {
    let first = seen[0];
    let falls = seen.windows(2).all(|pair| pair[0] >= pair[1]);
    falls && seen.iter().all(|number| number + 1 >= first)
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.end();
    }
}
