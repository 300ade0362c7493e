//! CSI driver for CephFS.

mod ailment;
pub mod backend;
pub mod ceph_conf;
pub mod cli;
pub mod config;
pub mod controller;
pub mod credentials;
pub mod error;
pub mod identity;
pub mod ids;
pub mod journal;
pub mod kubernetes;
pub mod liveness;
pub mod logging;
pub mod mount;
pub mod node;
pub mod operations;
pub mod own_credentials;
pub mod pid_limit;
pub mod reftracker;
pub mod request;
pub mod rpc;
pub mod server;
pub mod shutdown;
pub mod size;
pub mod status;
pub mod suggest;
