//! The values of the flags that have an effect, with their defaults.

use std::time::Duration;

use super::settings::{DEFAULT_INSTANCE, registration};
use crate::config;
use crate::logging::{Format, Severity};

/// One field per flag of [`super::table`], as given or by default.
#[expect(clippy::struct_excessive_bools, reason = "they are independent flags")]
#[derive(Clone, Debug)]
pub(super) struct Flags {
    /// `--x` of flags without an effect yet, as given: told in the log.
    pub(super) without_effect: Vec<&'static str>,

    pub(super) driver_type: String,
    pub(super) endpoint: String,
    pub(super) driver_name: String,
    pub(super) node_id: String,
    pub(super) instance_id: String,
    pub(super) controller_server: bool,
    pub(super) node_server: bool,
    pub(super) version: bool,

    pub(super) cluster_name: String,
    pub(super) set_metadata: bool,
    pub(super) rados_namespace: String,
    pub(super) controller_secrets_dir: String,

    pub(super) kernel_mount_options: String,
    pub(super) force_kernel_client: bool,
    pub(super) fuse_mount_options: String,
    pub(super) pid_limit: i64,
    pub(super) domain_labels: String,
    pub(super) volume_mount_group: bool,
    pub(super) enable_read_affinity: bool,
    pub(super) crush_location_labels: String,

    pub(super) kubelet_registration_path: String,
    pub(super) plugin_registration_path: String,
    pub(super) csi_address: String,
    pub(super) mode: String,
    pub(super) http_endpoint: String,
    pub(super) health_port: u16,

    pub(super) liveness: bool,
    pub(super) metrics_port: u16,
    pub(super) metrics_path: String,
    pub(super) poll_time: Duration,
    pub(super) timeout: Duration,
    pub(super) enable_profiling: bool,

    pub(super) verbosity: i64,
    pub(super) log_to_stderr: bool,
    pub(super) also_log_to_stderr: bool,
    pub(super) stderr_threshold: Severity,
    pub(super) log_file: String,
    pub(super) log_file_max_size: i64,
    pub(super) log_dir: String,
    pub(super) add_dir_header: bool,
    pub(super) skip_headers: bool,
    pub(super) log_slow_op_interval: Duration,

    pub(super) config_file: String,
    pub(super) log_format: Format,
    pub(super) metrics_listen: String,
    pub(super) rpc_timeout: Duration,
    pub(super) shutdown_grace: Duration,
    pub(super) fuse_binary: String,
    pub(super) fuse_cgroup: String,
    pub(super) fuse_memory_limit: i64,
    pub(super) heal_running_pods: bool,
    pub(super) mountinfo_dir: String,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            without_effect: Vec::new(),

            driver_type: String::new(),
            endpoint: "unix:///tmp/csi.sock".to_owned(),
            driver_name: String::new(),
            node_id: String::new(),
            instance_id: DEFAULT_INSTANCE.to_owned(),
            controller_server: false,
            node_server: false,
            version: false,

            cluster_name: String::new(),
            set_metadata: true,
            rados_namespace: String::new(),
            controller_secrets_dir: String::new(),

            kernel_mount_options: String::new(),
            force_kernel_client: false,
            fuse_mount_options: String::new(),
            pid_limit: 0,
            domain_labels: String::new(),
            volume_mount_group: false,
            enable_read_affinity: false,
            crush_location_labels: String::new(),

            kubelet_registration_path: String::new(),
            plugin_registration_path: "/registration".to_owned(),
            csi_address: "/run/csi/socket".to_owned(),
            mode: registration::REGISTER.to_owned(),
            http_endpoint: String::new(),
            health_port: 0,

            liveness: false,
            metrics_port: 8080,
            metrics_path: "/metrics".to_owned(),
            poll_time: Duration::from_mins(1),
            timeout: Duration::from_secs(3),
            enable_profiling: false,

            verbosity: 0,
            log_to_stderr: true,
            also_log_to_stderr: false,
            stderr_threshold: Severity::Error,
            log_file: String::new(),
            log_file_max_size: 1800,
            log_dir: String::new(),
            add_dir_header: false,
            skip_headers: false,
            log_slow_op_interval: Duration::from_secs(30),

            config_file: config::DEFAULT_PATH.to_owned(),
            log_format: Format::Klog,
            metrics_listen: String::new(),
            rpc_timeout: Duration::from_mins(2),
            shutdown_grace: Duration::from_secs(30),
            fuse_binary: "ceph-fuse".to_owned(),
            fuse_cgroup: "spirula".to_owned(),
            fuse_memory_limit: 0,
            heal_running_pods: false,
            mountinfo_dir: "/csi/mountinfo".to_owned(),
        }
    }
}
