//! The built binary on a real Ceph, spoken to over its socket: `dev/test` starts the cluster and says
//! where it is (see `dev/ceph`). One test at a time: each expects to find the cluster empty, and leaves
//! it so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, tells what it did, and runs programs as a user would"
)]

#[path = "real_ceph/concurrency.rs"]
mod concurrency;
#[path = "real_ceph/copies.rs"]
mod copies;
#[path = "real_ceph/crash.rs"]
mod crash;
#[path = "support/driver.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod driver;
#[path = "real_ceph/faults.rs"]
mod faults;
#[path = "real_ceph/groups.rs"]
mod groups;
#[path = "real_ceph/lab.rs"]
mod lab;
#[path = "real_ceph/listing.rs"]
mod listing;
#[path = "real_ceph/metrics.rs"]
mod metrics;
#[path = "real_ceph/mount.rs"]
mod mount;
#[path = "support/prometheus.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod prometheus;
#[path = "support/random.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod random;
#[path = "real_ceph/shallow.rs"]
mod shallow;
#[path = "real_ceph/snapshots.rs"]
mod snapshots;
