//! The node service on real FUSE mounts of a running Ceph.
//!
//! `SPIRULA_TEST_MONITORS`, `SPIRULA_TEST_USER`, `SPIRULA_TEST_KEYFILE` and `SPIRULA_TEST_FS` say which;
//! the user may read and write below `/volumes/csi`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "node_fuse/broken.rs"]
mod broken;
#[path = "node_fuse/early.rs"]
mod early;
#[path = "node_fuse/group.rs"]
mod group;
#[path = "node_fuse/key.rs"]
mod key;
#[path = "node_fuse/killed.rs"]
mod killed;
#[path = "node_fuse/lab.rs"]
mod lab;
#[path = "node_fuse/launcher.rs"]
mod launcher;
#[path = "node_fuse/leftovers.rs"]
mod leftovers;
#[path = "node_fuse/library.rs"]
mod library;
#[path = "node_fuse/life.rs"]
mod life;
#[path = "node_fuse/metrics.rs"]
mod metrics;
#[path = "node_fuse/of_client.rs"]
mod of_client;
#[path = "node_fuse/original.rs"]
mod original;
#[path = "node_fuse/plugin.rs"]
mod plugin;
#[path = "support/prometheus.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod prometheus;
#[path = "node_fuse/propagation.rs"]
mod propagation;
#[path = "node_fuse/recovery.rs"]
mod recovery;
#[path = "node_fuse/refused.rs"]
mod refused;
#[path = "node_fuse/search.rs"]
mod search;
#[path = "node_fuse/sessions.rs"]
mod sessions;
#[path = "node_fuse/shallow.rs"]
mod shallow;
#[path = "node_fuse/survival.rs"]
mod survival;

use lab::{Lab, processes_of, runtime};

/// The value of the parameter `mounter`.
const MOUNTER: &str = "fuse";
/// Processes that serve one mount.
const CLIENTS: usize = 1;
/// The flags of a read-only mount without options of its own, as mountinfo shows them.
const READ_ONLY: &str = " ro,nosuid,nodev,";

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn nothing_is_left_in_the_directories_of_ceph() {
    const DIRECTORIES: [&str; 2] = ["/run/ceph", "/var/log/ceph"];
    // Of a file that is there already the client would have a descriptor.
    let in_use = |process: i32| {
        let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        let targets = descriptors.flatten().map(|entry| entry.path().read_link());
        let mut paths = targets.flatten();
        paths.find(|path| {
            DIRECTORIES
                .iter()
                .any(|directory| path.starts_with(directory))
        })
    };
    // The name of an admin socket has the process in it. Other programs may put there what they like meanwhile.
    let left_by = |process: i32| {
        let all = DIRECTORIES.map(|directory| std::fs::read_dir(directory).into_iter().flatten());
        let mut paths = all
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let process = process.to_string();
        paths.find(|path| {
            path.to_string_lossy()
                .split('.')
                .any(|part| part == process)
        })
    };
    runtime().block_on(async {
        let lab = Lab::new("tidy");
        lab.stage().await.unwrap();
        let processes = processes_of(&lab.staging);
        let [client] = processes[..] else {
            panic!("{processes:?}")
        };
        assert_eq!((in_use(client), left_by(client)), (None, None));
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
        assert_eq!(left_by(client), None);
    });
}
