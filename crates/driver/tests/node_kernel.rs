//! The node service on the kernel's CephFS client: what `node_fuse` shows of ceph-fuse, shown of the
//! kernel, and what is the kernel's own. Runs in the virtual machine of `dev/vm`.
//!
//! Needs the same variables as `node_fuse`, root, and a kernel that has the module `ceph`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests run programs as an administrator would, and report figures"
)]

#[path = "node_kernel/affinity.rs"]
mod affinity;
#[path = "support/driver.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod driver;
#[path = "node_fuse/group.rs"]
mod group;
#[path = "node_kernel/key.rs"]
mod key;
#[cfg(target_arch = "x86_64")] // as are the virtual machine, and the numbers of system calls
#[path = "node_kernel/kills.rs"]
mod kills;
#[path = "node_fuse/lab.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod lab;
#[path = "node_fuse/library.rs"]
mod library;
#[path = "node_fuse/life.rs"]
mod life;
#[path = "node_kernel/module.rs"]
mod module;
#[path = "node_kernel/net_namespace.rs"]
mod net_namespace;
#[path = "node_kernel/of_client.rs"]
mod of_client;
#[path = "node_kernel/options.rs"]
mod options;
#[path = "node_fuse/original.rs"]
mod original;
#[path = "node_kernel/outage.rs"]
mod outage;
#[path = "node_fuse/plugin.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod plugin;
#[path = "node_fuse/propagation.rs"]
mod propagation;
#[path = "node_kernel/quota.rs"]
mod quota;
#[path = "node_fuse/recovery.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod recovery;
#[path = "node_fuse/refused.rs"]
mod refused;
#[path = "node_fuse/search.rs"]
mod search;
#[path = "node_fuse/sessions.rs"]
#[allow(dead_code, reason = "each test uses its part of the support")]
mod sessions;
#[path = "node_fuse/shallow.rs"]
mod shallow;
#[path = "node_outage/outage.rs"]
mod story;
#[path = "node_fuse/survival.rs"]
mod survival;
#[cfg(target_arch = "x86_64")]
#[path = "node_kernel/tracer.rs"]
mod tracer;
#[path = "node_outage/volumes.rs"]
mod volumes;

/// The value of the parameter `mounter`.
const MOUNTER: &str = "kernel";
/// Processes that serve one mount.
const CLIENTS: usize = 0;
/// The flags of a read-only mount without options of its own, as mountinfo shows them.
const READ_ONLY: &str = " ro,relatime ";
