//! The flags: one row each, in the groups and the order of `--help`.

use std::time::Duration;

use super::flags::Flags;
use super::value;
use crate::logging::{Format, Severity};

/// Flags that belong together.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) flags: &'static [Flag],
}

/// One flag.
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

/// The type of a flag's value, and the field where it goes.
pub(super) enum Kind {
    Text(Field<String>),
    Bool(Field<bool>),
    Number(Field<i64>),
    Port(Field<u16>),
    Duration(Field<Duration>),
    Format(Field<Format>),
    Severity(Field<Severity>),
    /// Read by the original only for something that this driver does not do or does not need.
    Ignored(Form),
    /// Not implemented so far; giving it is told in the log.
    NotYet(Form),
}

/// A field of [`Flags`].
pub(super) type Field<T> = fn(&mut Flags) -> &mut T;

/// The type of a value that is checked and then dropped.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Text,
    Bool,
    Number,
}

use Form as F;
use Kind::{Bool, Ignored, NotYet, Number, Port, Text};

const fn flag(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag { name, kind, help }
}

impl Flag {
    /// Whether the flag may stand without a value.
    pub(super) fn is_boolean(&self) -> bool {
        matches!(
            self.kind,
            Kind::Bool(_) | Kind::Ignored(Form::Bool) | Kind::NotYet(Form::Bool)
        )
    }

    /// Stores the value that the flag was given.
    pub(super) fn set(&self, flags: &mut Flags, text: &str) -> Result<(), String> {
        match self.kind {
            Kind::Text(field) => text.clone_into(field(flags)),
            Kind::Bool(field) => *field(flags) = value::boolean(text)?,
            Kind::Number(field) => *field(flags) = value::number(text)?,
            Kind::Port(field) => *field(flags) = value::port(text)?,
            Kind::Duration(field) => *field(flags) = value::duration(text)?,
            Kind::Format(field) => *field(flags) = value::format(text)?,
            Kind::Severity(field) => *field(flags) = value::severity(text)?,
            Kind::Ignored(form) => form.check(text).map(drop)?,
            Kind::NotYet(form) => {
                if form.check(text)? {
                    flags.without_effect.push(self.name);
                }
            }
        }
        Ok(())
    }
}

impl Form {
    /// Checks a value, and tells whether it asks for anything.
    fn check(self, text: &str) -> Result<bool, String> {
        match self {
            Self::Text => Ok(!text.is_empty()),
            Self::Bool => value::boolean(text),
            Self::Number => value::number(text).map(|number| number != 0),
        }
    }
}

/// Every flag.
pub(super) fn all() -> impl Iterator<Item = &'static Flag> {
    GROUPS.iter().flat_map(|group| group.flags)
}

#[rustfmt::skip] // one row, one flag
pub(super) const GROUPS: &[Group] = &[
    Group { title: "What to run", flags: &[
        flag("type", Text(|f| &mut f.driver_type), "`cephfs` (the driver), `liveness` (a probe of it) or `registrar` (tells the kubelet of it); required"),
        flag("endpoint", Text(|f| &mut f.endpoint), "CSI socket, `unix://<path>` or `tcp://<host>:<port>`"),
        flag("drivername", Text(|f| &mut f.driver_name), "name of the driver; by default `cephfs.csi.ceph.com` or `liveness.csi.ceph.com`"),
        flag("nodeid", Text(|f| &mut f.node_id), "name of this node; required with type `cephfs`"),
        flag("instanceid", Text(|f| &mut f.instance_id), "tells this installation from others that share a Ceph file system"),
        flag("controllerserver", Bool(|f| &mut f.controller_server), "serve the Controller; with neither role given both are served"),
        flag("nodeserver", Bool(|f| &mut f.node_server), "serve the Node"),
        flag("version", Bool(|f| &mut f.version), "print the version and exit"),
    ]},
    Group { title: "Controller", flags: &[
        flag("clustername", Text(|f| &mut f.cluster_name), "name of the Kubernetes cluster, written to each subvolume's metadata"),
        flag("setmetadata", Bool(|f| &mut f.set_metadata), "write names of PersistentVolumeClaim and PersistentVolume to each subvolume's metadata"),
        flag("radosnamespacecephfs", Text(|f| &mut f.rados_namespace), "RADOS namespace of the journal for clusters without `cephFS.radosNamespace` in config.json, else `csi`"),
        flag("enable-fencing", NotYet(F::Bool), "cut off a node that is out of service"),
        flag("csi-addons-endpoint", NotYet(F::Text), "socket of the CSI-Addons services"),
    ]},
    Group { title: "Node", flags: &[
        flag("fusemountoptions", Text(|f| &mut f.fuse_mount_options), "comma-separated options for ceph-fuse; config.json has precedence"),
        flag("kernelmountoptions", Text(|f| &mut f.kernel_mount_options), "comma-separated options for the kernel client; config.json has precedence"),
        flag("pidlimit", Number(|f| &mut f.pid_limit), "limit of processes in the container's cgroup: -1 for the highest, 0 to leave it"),
        flag("forcecephkernelclient", Bool(|f| &mut f.force_kernel_client), "use the kernel client even where it is older than 4.17"),
        flag("domainlabels", Text(|f| &mut f.domain_labels), "comma-separated node labels that tell the node's topology"),
        flag("enable-read-affinity", Bool(|f| &mut f.enable_read_affinity), "let the kernel client read from the nearest OSD, for clusters with `readAffinity.enabled` in config.json"),
        flag("crush-location-labels", Text(|f| &mut f.crush_location_labels), "comma-separated node labels that tell where the node is in the CRUSH map; those of a cluster in config.json have precedence"),
    ]},
    Group { title: "Registration with the kubelet, by type `registrar`, or by the node's driver itself", flags: &[
        flag("kubelet-registration-path", Text(|f| &mut f.kubelet_registration_path), "path of the CSI socket on the host; given to type `cephfs`, it makes the driver register itself"),
        flag("plugin-registration-path", Text(|f| &mut f.plugin_registration_path), "where the kubelet's directory plugins_registry is mounted"),
        flag("csi-address", Text(|f| &mut f.csi_address), "CSI socket of the driver that is registered, for type `registrar`"),
        flag("mode", Text(|f| &mut f.mode), "`registration`, or `kubelet-registration-probe` to tell by the exit code whether type `registrar` has registered"),
        flag("http-endpoint", Text(|f| &mut f.http_endpoint), "address on which type `registrar` answers /healthz, such as `:9809`"),
        flag("health-port", Port(|f| &mut f.health_port), "the same, on this port of all addresses; 0 for none"),
    ]},
    Group { title: "Liveness, by type `liveness`, or by the driver itself", flags: &[
        flag("liveness", Bool(|f| &mut f.liveness), "with type `cephfs`: probe this driver, and answer with metrics and /healthz"),
        flag("metricsport", Port(|f| &mut f.metrics_port), "port of the metrics, on the address in POD_IP or on all"),
        flag("metricspath", Text(|f| &mut f.metrics_path), "path of the metrics"),
        flag("polltime", Kind::Duration(|f| &mut f.poll_time), "time between two probes"),
        flag("timeout", Kind::Duration(|f| &mut f.timeout), "time after which a probe, or a question of the registrar, has failed"),
    ]},
    Group { title: "Logging", flags: &[
        flag("v", Number(|f| &mut f.verbosity), "verbosity: 0 errors and warnings, 1 what was done, 2 useful, 3 each call, 4 debug, 5 requests and responses"),
        flag("log-format", Kind::Format(|f| &mut f.log_format), "`klog` or `json`"),
        flag("logslowopinterval", Kind::Duration(|f| &mut f.log_slow_op_interval), "a call that runs this long is told in the log, and again after each further such time; 0 for never"),
        flag("logtostderr", Bool(|f| &mut f.log_to_stderr), "log to standard error and not to a file"),
        flag("alsologtostderr", Bool(|f| &mut f.also_log_to_stderr), "log to standard error as well as to a file"),
        flag("stderrthreshold", Kind::Severity(|f| &mut f.stderr_threshold), "lines of this severity and above go to standard error besides the file"),
        flag("log_file", Text(|f| &mut f.log_file), "file to append to, with --logtostderr=false"),
        flag("log_file_max_size", Number(|f| &mut f.log_file_max_size), "MiB after which the file is renamed to `<file>.1`; 0 for no limit"),
        flag("log_dir", Text(|f| &mut f.log_dir), "directory of the log file `spirula.log`, where --log_file is not given"),
        flag("add_dir_header", Bool(|f| &mut f.add_dir_header), "put the directory before the name of the source file"),
        flag("skip_headers", Bool(|f| &mut f.skip_headers), "leave out time and source"),
    ]},
    Group { title: "Not in the original", flags: &[
        flag("controller-secrets-dir", Text(|f| &mut f.controller_secrets_dir), "directory with the driver's own credentials, for listings: a directory per clusterID, with the files `userID` and `userKey`"),
        flag("config-file", Text(|f| &mut f.config_file), "file with the monitors and settings of each clusterID"),
        flag("metrics-listen", Text(|f| &mut f.metrics_listen), "address on which the driver shows its own metrics at /metrics, such as `127.0.0.1:8682` or `:8682`"),
        flag("rpc-timeout", Kind::Duration(|f| &mut f.rpc_timeout), "longest time for one call, whatever the caller allows"),
        flag("shutdown-grace", Kind::Duration(|f| &mut f.shutdown_grace), "time for running calls to end after SIGTERM"),
        flag("volume-mount-group", Bool(|f| &mut f.volume_mount_group), "take a pod's fsGroup over from the kubelet: the volume's root gets this group, the files in it stay as they are"),
        flag("fuse-binary", Text(|f| &mut f.fuse_binary), "the ceph-fuse program"),
        flag("fuse-cgroup", Text(|f| &mut f.fuse_cgroup), "cgroup for the cgroups of FUSE daemons, from the root of the host's hierarchies, so that they outlive this container; empty to leave them in the driver's own"),
        flag("fuse-memory-limit", Number(|f| &mut f.fuse_memory_limit), "MiB of memory that one FUSE daemon may use; 0 for no limit"),
        flag("heal-running-pods", Bool(|f| &mut f.heal_running_pods), "put the new mount of a volume whose client has died into running containers too"),
        flag("mountinfo-dir", Text(|f| &mut f.mountinfo_dir), "where ceph-csi keeps records of FUSE mounts, with secrets: they are taken over and removed"),
    ]},
    Group { title: "Accepted for compatibility and ignored", flags: &[
        flag("enableprofiling", Bool(|f| &mut f.enable_profiling), "this driver has no profiling handlers, and says so in the log [ignored]"),
        flag("feature-gates", Ignored(F::Text), "no feature of this driver has a gate; SlowGRPCRestart: every call has a deadline"),
        flag("pluginpath", Ignored(F::Text), "unused"),
        flag("connection-timeout", Ignored(F::Text), "deprecated in node-driver-registrar"),
        flag("enable-pprof", Ignored(F::Bool), "there are no profiling handlers"),
        flag("stagingpath", Ignored(F::Text), "used by the rbd driver"),
        flag("drivernamespace", Ignored(F::Text), "used by type `controller`"),
        flag("rbdhardmaxclonedepth", Ignored(F::Number), "used by the rbd driver"),
        flag("rbdsoftmaxclonedepth", Ignored(F::Number), "used by the rbd driver"),
        flag("maxsnapshotsonimage", Ignored(F::Number), "used by the rbd driver"),
        flag("minsnapshotsonimage", Ignored(F::Number), "used by the rbd driver"),
        flag("skipforceflatten", Ignored(F::Bool), "used by the rbd driver"),
        flag("one_output", Ignored(F::Bool), "there is one log file for all severities"),
        flag("skip_log_headers", Ignored(F::Bool), "log files have no header"),
        flag("vmodule", Ignored(F::Text), "verbosity is the same everywhere"),
        flag("log_backtrace_at", Ignored(F::Text), "no line is logged with a stack trace"),
    ]},
];
