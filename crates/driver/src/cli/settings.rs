//! Typed settings: what each part of the driver is given.

mod check;
pub(super) mod registration;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::flags::Flags;
use super::{Endpoint, Environment, Error};
use crate::mount::CgroupSettings;
use crate::{kubernetes, logging};
use check::{driver_name, longer_than_zero, mebibytes, metrics_path, some};
pub use registration::{RegistrarSettings, RegistrationSettings};

const CEPHFS_DRIVER: &str = "cephfs.csi.ceph.com";
const LIVENESS_DRIVER: &str = "liveness.csi.ceph.com";
/// What the original takes an empty `--instanceid` for.
pub(super) const DEFAULT_INSTANCE: &str = "default";

/// Everything that the command line and the environment say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to be.
    pub role: Role,
    /// Where and how to log.
    pub logging: logging::Settings,
    /// What the log should say about flags that were given and have no effect.
    pub notices: Vec<String>,
}

/// `--type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// `cephfs`: the driver.
    CephFs(Box<DriverSettings>),
    /// `liveness`: a probe of a driver in another container.
    Liveness(LivenessSettings),
    /// `registrar`: makes a driver in another container known to the kubelet.
    Registrar(RegistrarSettings),
    /// `registrar` with `--mode=kubelet-registration-probe`: tells whether that has been done.
    RegistrationProbe(RegistrationSettings),
}

/// The driver; at least one of `controller` and `node` is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverSettings {
    /// For both services.
    pub common: CommonSettings,
    /// For the Controller service, if it is to be served.
    pub controller: Option<ControllerSettings>,
    /// For the Node service, if it is to be served.
    pub node: Option<NodeSettings>,
    /// How to make itself known to the kubelet, `None` where another container does it.
    pub registration: Option<RegistrationSettings>,
    /// How to show that it lives, `None` where another container does it.
    pub liveness: Option<LivenessSettings>,
}

/// What both services need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonSettings {
    /// Name of the driver; a DNS subdomain of at most 63 characters.
    pub driver_name: String,
    /// Name of this node, never empty.
    pub node_id: String,
    /// Suffix of the journal's directory objects.
    pub instance_id: String,
    /// Where to listen.
    pub endpoint: Endpoint,
    /// The file for [`config::Config::open`](crate::config::Config::open).
    pub config_file: PathBuf,
    /// RADOS namespace of clusters whose entry names none.
    pub rados_namespace: String,
    /// Longest time for one RPC; a shorter deadline of the caller counts.
    pub rpc_timeout: Duration,
    /// Time for running RPCs to end at shutdown.
    pub shutdown_grace: Duration,
    /// An RPC that runs this long is logged, and again after each further such time; `None` for never.
    pub slow_op_interval: Option<Duration>,
    /// `<host>:<port>` on which to show the driver's own metrics, `None` for nowhere.
    pub metrics_listen: Option<String>,
    /// How to ask the Kubernetes API, `None` outside of Kubernetes.
    pub kubernetes: Option<kubernetes::Access>,
}

/// What the Controller service needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerSettings {
    /// Whether names of Kubernetes objects go to the subvolumes' metadata.
    pub set_metadata: bool,
    /// Name of the Kubernetes cluster for that metadata.
    pub cluster_name: Option<String>,
    /// Where the driver's own credentials are, see [`crate::own_credentials`].
    pub secrets_dir: Option<PathBuf>,
}

/// What the Node service needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// The ceph-fuse program; a name without `/` is looked up in `PATH`.
    pub fuse_binary: PathBuf,
    /// Where the cgroups of FUSE daemons are.
    pub fuse_cgroups: CgroupSettings,
    /// Whether running containers get new mounts in place of dead ones.
    pub heal_running_pods: bool,
    /// Where the original keeps records of FUSE mounts.
    pub mountinfo_dir: Option<PathBuf>,
    /// Options for ceph-fuse where config.json has none, comma-separated.
    pub fuse_mount_options: Option<String>,
    /// Options for the kernel client where config.json has none, comma-separated.
    pub kernel_mount_options: Option<String>,
    /// Whether the kernel client is used whatever the kernel's version.
    pub force_kernel_client: bool,
    /// Limit of processes in the container's cgroup, `None` to leave it.
    pub pid_limit: Option<PidLimit>,
    /// Whether pods' groups are set by the driver, on the volume's root alone.
    pub volume_mount_group: bool,
    /// Labels of the node that tell its topology.
    pub domain_labels: Vec<String>,
    /// Labels of the node that tell where it is in the CRUSH map, for clusters that name none of their own;
    /// none unless read affinity is enabled.
    pub crush_location_labels: Vec<String>,
}

/// `--pidlimit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidLimit {
    /// As many as the parent cgroup allows.
    Max,
    /// This many.
    At(u64),
}

/// What the liveness probe needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivenessSettings {
    /// The socket of the driver to probe.
    pub endpoint: Endpoint,
    /// Name of the probe in log lines.
    pub driver_name: String,
    /// Where to answer with metrics.
    pub listen: SocketAddr,
    /// Path of the metrics, with a leading `/`.
    pub path: String,
    /// Time between two probes.
    pub poll_time: Duration,
    /// Time after which a probe has failed.
    pub timeout: Duration,
}

impl Settings {
    pub(super) fn new(flags: &Flags, environment: &Environment) -> Result<Self, Error> {
        let role = match flags.driver_type.as_str() {
            "cephfs" => Role::CephFs(Box::new(DriverSettings::new(flags, environment)?)),
            "liveness" => Role::Liveness(LivenessSettings::new(flags, environment)?),
            "registrar" => registration::role(flags)?,
            other => return Err(check::not_served(other)),
        };
        Ok(Self {
            role,
            notices: notices(flags),
            logging: logging::Settings {
                verbosity: u8::try_from(flags.verbosity.clamp(0, 5)).unwrap_or(0),
                format: flags.log_format,
                target: log_target(flags)?,
                directory_in_source: flags.add_dir_header,
                skip_headers: flags.skip_headers,
            },
        })
    }
}

impl DriverSettings {
    fn new(flags: &Flags, environment: &Environment) -> Result<Self, Error> {
        // Neither role given means both, and nothing else changes with it.
        let both = !flags.controller_server && !flags.node_server;
        let node = flags.node_server || both;
        let liveness = flags
            .liveness
            .then(|| LivenessSettings::new(flags, environment));
        let controller = ControllerSettings {
            set_metadata: flags.set_metadata,
            cluster_name: some(&flags.cluster_name),
            secrets_dir: some(&flags.controller_secrets_dir).map(PathBuf::from),
        };
        Ok(Self {
            common: CommonSettings::new(flags, environment)?,
            controller: (flags.controller_server || both).then_some(controller),
            node: node.then_some(NodeSettings::new(flags)?),
            registration: RegistrationSettings::new(flags)?.filter(|_| node),
            liveness: liveness.transpose()?,
        })
    }
}

impl CommonSettings {
    fn new(flags: &Flags, environment: &Environment) -> Result<Self, Error> {
        let driver_name =
            driver_name(some(&flags.driver_name).as_deref().unwrap_or(CEPHFS_DRIVER))?;
        if flags.node_id.is_empty() {
            return Err(Error::Settings(
                "--nodeid is missing; give it the name of the Kubernetes node".to_owned(),
            ));
        }
        Ok(Self {
            driver_name,
            node_id: flags.node_id.clone(),
            instance_id: some(&flags.instance_id).unwrap_or_else(|| DEFAULT_INSTANCE.to_owned()),
            endpoint: check::endpoint(&flags.endpoint)?,
            config_file: flags.config_file.clone().into(),
            rados_namespace: some(&flags.rados_namespace)
                .unwrap_or_else(|| crate::config::DEFAULT_RADOS_NAMESPACE.to_owned()),
            rpc_timeout: longer_than_zero("rpc-timeout", flags.rpc_timeout)?,
            shutdown_grace: flags.shutdown_grace,
            slow_op_interval: Some(flags.log_slow_op_interval).filter(|time| !time.is_zero()),
            metrics_listen: some(&flags.metrics_listen)
                .map(|address| check::http_address("metrics-listen", &address))
                .transpose()?,
            kubernetes: check::kubernetes(environment)?,
        })
    }
}

impl NodeSettings {
    fn new(flags: &Flags) -> Result<Self, Error> {
        Ok(Self {
            fuse_binary: flags.fuse_binary.clone().into(),
            fuse_cgroups: CgroupSettings {
                parent: check::cgroup(&flags.fuse_cgroup)?,
                memory: mebibytes("fuse-memory-limit", flags.fuse_memory_limit)?,
            },
            heal_running_pods: flags.heal_running_pods,
            mountinfo_dir: some(&flags.mountinfo_dir).map(PathBuf::from),
            fuse_mount_options: some(&flags.fuse_mount_options),
            kernel_mount_options: some(&flags.kernel_mount_options),
            force_kernel_client: flags.force_kernel_client,
            pid_limit: check::pid_limit(flags.pid_limit)?,
            volume_mount_group: flags.volume_mount_group,
            domain_labels: check::domain_labels(&flags.domain_labels)?,
            crush_location_labels: if flags.enable_read_affinity {
                check::labels(&flags.crush_location_labels)
            } else {
                vec![]
            },
        })
    }
}

impl LivenessSettings {
    fn new(flags: &Flags, environment: &Environment) -> Result<Self, Error> {
        let name = some(&flags.driver_name);
        Ok(Self {
            endpoint: check::endpoint(&flags.endpoint)?,
            driver_name: driver_name(name.as_deref().unwrap_or(LIVENESS_DRIVER))?,
            listen: (check::pod_ip(environment)?, flags.metrics_port).into(),
            path: metrics_path(&flags.metrics_path)?,
            poll_time: longer_than_zero("polltime", flags.poll_time)?,
            timeout: longer_than_zero("timeout", flags.timeout)?,
        })
    }
}

fn log_target(flags: &Flags) -> Result<logging::Target, Error> {
    let file = if flags.log_file.is_empty() && !flags.log_dir.is_empty() {
        PathBuf::from(&flags.log_dir).join("spirula.log")
    } else {
        PathBuf::from(&flags.log_file)
    };
    // As in the original a file counts only where standard error is turned off. Without a file there
    // is nowhere else to log.
    if flags.log_to_stderr || file.as_os_str().is_empty() {
        return Ok(logging::Target::Stderr);
    }
    Ok(logging::Target::File {
        path: file,
        max_bytes: mebibytes("log_file_max_size", flags.log_file_max_size)?,
        stderr_from: if flags.also_log_to_stderr {
            logging::Severity::Info
        } else {
            flags.stderr_threshold
        },
    })
}

fn notices(flags: &Flags) -> Vec<String> {
    let mut notices: Vec<_> = flags
        .without_effect
        .iter()
        .copied()
        .map(|name| format!("flag --{name} has no effect in this release"))
        .collect();
    if !flags.kubelet_registration_path.is_empty() && flags.controller_server && !flags.node_server
    {
        notices.push(
            "flag --kubelet-registration-path has no effect without --nodeserver: kubelets register \
             node plugins"
                .into(),
        );
    }
    if !flags.crush_location_labels.is_empty() && !flags.enable_read_affinity {
        notices.push(
            "flag --crush-location-labels has no effect without --enable-read-affinity".into(),
        );
    }
    if flags.enable_profiling {
        notices
            .push("flag --enableprofiling has no effect: there are no profiling handlers".into());
    }
    notices
}
