//! What the controller tells about all volumes and snapshots and about single ones, on a cluster in memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "listing/capacity.rs"]
mod capacity;
#[path = "listing/health.rs"]
mod health;
#[path = "listing/lab.rs"]
mod lab;
#[path = "listing/pages.rs"]
mod pages;
#[path = "listing/several.rs"]
mod several;
#[path = "listing/snapshots.rs"]
mod snapshots;
#[allow(dead_code, reason = "each test uses its part of the support")]
mod support;
