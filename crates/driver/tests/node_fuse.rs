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
    let list = || {
        let mut found = Vec::new();
        for directory in ["/var/run/ceph", "/var/log/ceph"] {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            found.extend(entries.map(|entry| entry.path()));
        }
        found.sort();
        found
    };
    let before = list();
    runtime().block_on(async {
        let lab = Lab::new("tidy");
        lab.stage().await.unwrap();
        assert_eq!(processes_of(&lab.staging).len(), 1);
        assert_eq!(list(), before);
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
    assert_eq!(list(), before);
}
