use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::kubernetes::{Access, Address};
use crate::logging::{Format, Severity, Target};
use crate::mount::CgroupSettings;

fn read(args: &[&str]) -> Result<Command, Error> {
    read_with(args, &Environment::default())
}

fn read_with(args: &[&str], environment: &Environment) -> Result<Command, Error> {
    parse(
        ["spirula"].iter().chain(args).map(OsString::from),
        environment,
    )
}

fn settings(args: &[&str]) -> Settings {
    match read(args).unwrap() {
        Command::Run(settings) => *settings,
        Command::Print(text) => panic!("asked to print {text}"),
    }
}

/// Settings of the driver with `--type` and `--nodeid` given.
fn driver(args: &[&str]) -> DriverSettings {
    match settings(&[&["--type=cephfs", "--nodeid=n"], args].concat()).role {
        Role::CephFs(settings) => *settings,
        other => panic!("{other:?}"),
    }
}

fn liveness(args: &[&str]) -> LivenessSettings {
    match settings(&[&["--type=liveness"], args].concat()).role {
        Role::Liveness(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn logging(args: &[&str]) -> crate::logging::Settings {
    settings(&[&["--type=cephfs", "--nodeid=n"], args].concat()).logging
}

fn error(args: &[&str]) -> (u8, String) {
    let error = read(args).unwrap_err();
    (error.exit_code(), error.to_string())
}

#[test]
fn defaults_are_the_originals() {
    let found = driver(&[]);
    assert_eq!(
        found.common,
        CommonSettings {
            driver_name: "cephfs.csi.ceph.com".into(),
            node_id: "n".into(),
            instance_id: "default".into(),
            endpoint: Endpoint::Unix("/tmp/csi.sock".into()),
            config_file: "/etc/ceph-csi-config/config.json".into(),
            rados_namespace: "csi".into(),
            rpc_timeout: Duration::from_mins(2),
            shutdown_grace: Duration::from_secs(30),
            slow_op_interval: Some(Duration::from_secs(30)),
            metrics_listen: None,
            kubernetes: None,
        }
    );
    assert_eq!(
        found.controller,
        Some(ControllerSettings {
            set_metadata: true,
            cluster_name: None,
            secrets_dir: None,
        })
    );
    assert_eq!(
        found.node,
        Some(NodeSettings {
            fuse_binary: "ceph-fuse".into(),
            fuse_cgroups: CgroupSettings {
                parent: Some("spirula".into()),
                memory: None,
            },
            heal_running_pods: false,
            mountinfo_dir: Some("/csi/mountinfo".into()),
            fuse_mount_options: None,
            kernel_mount_options: None,
            force_kernel_client: false,
            pid_limit: None,
            volume_mount_group: false,
            domain_labels: vec![],
            crush_location_labels: vec![],
        })
    );
    assert_eq!(
        liveness(&[]),
        LivenessSettings {
            endpoint: Endpoint::Unix("/tmp/csi.sock".into()),
            driver_name: "liveness.csi.ceph.com".into(),
            listen: "[::]:8080".parse().unwrap(),
            path: "/metrics".into(),
            poll_time: Duration::from_mins(1),
            timeout: Duration::from_secs(3),
        }
    );
    let log = logging(&[]);
    assert_eq!(
        (log.verbosity, log.format, log.target),
        (0, Format::Klog, Target::Stderr)
    );
}

#[test]
fn every_spelling_of_a_flag() {
    for args in [
        &["--instanceid=x"][..],
        &["-instanceid=x"],
        &["--instanceid", "x"],
        &["-instanceid", "x"],
        &["--instanceid=y", "-instanceid", "x"],
    ] {
        assert_eq!(driver(args).common.instance_id, "x", "{args:?}");
    }
    assert_eq!(
        driver(&["--instanceid", "-dash"]).common.instance_id,
        "-dash"
    );
    assert_eq!(driver(&["--instanceid=a=b"]).common.instance_id, "a=b");
    assert_eq!(driver(&["--instanceid="]).common.instance_id, "default");
}

#[test]
fn booleans_by_the_rule_of_go() {
    for (arg, expected) in [
        ("--setmetadata", true),
        ("-setmetadata", true),
        ("--setmetadata=true", true),
        ("--setmetadata=T", true),
        ("--setmetadata=1", true),
        ("--setmetadata=false", false),
        ("-setmetadata=FALSE", false),
        ("--setmetadata=0", false),
    ] {
        assert_eq!(
            driver(&[arg]).controller.unwrap().set_metadata,
            expected,
            "{arg}"
        );
    }
    let message =
        "stray argument `false`; a value for --setmetadata is given as --setmetadata=false";
    assert_eq!(
        error(&["--setmetadata", "false", "--nodeid=n"]),
        (2, message.into())
    );
    let message =
        "flag --setmetadata cannot have the value `yes`: it is neither `true` nor `false`";
    assert_eq!(error(&["--setmetadata=yes"]), (2, message.into()));
}

#[test]
fn durations_as_go_writes_them() {
    for (text, expected) in [
        ("0", Duration::ZERO),
        ("0s", Duration::ZERO),
        ("60s", Duration::from_mins(1)),
        ("1m30s", Duration::from_secs(90)),
        ("1h0m0.5s", Duration::from_millis(3_600_500)),
        ("+1.5h", Duration::from_mins(90)),
        ("250ms", Duration::from_millis(250)),
        ("10us", Duration::from_micros(10)),
        ("10µs", Duration::from_micros(10)),
        ("7ns", Duration::from_nanos(7)),
        (".5s", Duration::from_millis(500)),
    ] {
        assert_eq!(value::duration(text), Ok(expected), "{text}");
    }
    for text in [
        "",
        "+",
        "5",
        "s",
        "1x",
        "1s2",
        "1 s",
        ".s",
        "1..5s",
        "99999999999999999999h",
    ] {
        assert!(value::duration(text).is_err(), "{text}");
    }
    assert_eq!(
        value::duration("-1s").unwrap_err(),
        "a duration cannot be negative"
    );
}

#[test]
fn neither_role_is_both_and_metadata_is_the_same_in_each() {
    for (args, controller, node) in [
        (&[][..], true, true),
        (&["--controllerserver", "--nodeserver"], true, true),
        (&["--controllerserver=true"], true, false),
        (&["--nodeserver=true"], false, true),
        (
            &["--controllerserver=false", "--nodeserver=false"],
            true,
            true,
        ),
    ] {
        let args = [args, &["--clustername=c", "--setmetadata=true"]].concat();
        let found = driver(&args);
        assert_eq!(
            (found.controller.is_some(), found.node.is_some()),
            (controller, node),
            "{args:?}"
        );
        if let Some(found) = found.controller {
            assert!(found.set_metadata);
            assert_eq!(found.cluster_name.as_deref(), Some("c"));
        }
    }
}

#[test]
fn the_command_line_of_the_operator() {
    let found = settings(&[
        "--type=cephfs",
        "--v=5",
        "--endpoint=unix:///csi/csi.sock",
        "--nodeid=worker-1",
        "--nodeserver=true",
        "--drivername=rook-ceph.cephfs.csi.ceph.com",
        "--pidlimit=-1",
        "--enable-fencing=true",
        "--clustername=",
        "--forcecephkernelclient=true",
        "--csi-addons-endpoint=unix:///csi/csi-addons.sock",
        "--kernelmountoptions=ms_mode=prefer-crc",
        "--fusemountoptions=",
        "--domainlabels=",
        "--stagingpath=/var/lib/kubelet/plugins/kubernetes.io/csi/",
        "--logtostderr=false",
        "--alsologtostderr=true",
        "--log_file=csi-logs/csi-cephfsplugin.log",
    ]);
    let Role::CephFs(driver) = found.role else {
        panic!()
    };
    assert_eq!(driver.common.driver_name, "rook-ceph.cephfs.csi.ceph.com");
    assert_eq!(
        driver.common.endpoint,
        Endpoint::Unix("/csi/csi.sock".into())
    );
    assert_eq!(driver.controller, None);
    let node = driver.node.unwrap();
    assert_eq!(node.pid_limit, Some(PidLimit::Max));
    assert_eq!(
        node.kernel_mount_options.as_deref(),
        Some("ms_mode=prefer-crc")
    );
    assert_eq!(node.fuse_mount_options, None);
    assert!(node.force_kernel_client);
    assert_eq!(found.logging.verbosity, 5);
    assert_eq!(
        found.logging.target,
        Target::File {
            path: "csi-logs/csi-cephfsplugin.log".into(),
            max_bytes: Some(1800 << 20),
            stderr_from: Severity::Info,
        }
    );
    assert_eq!(
        found.notices,
        [
            "flag --enable-fencing has no effect in this release",
            "flag --csi-addons-endpoint has no effect in this release",
        ]
    );
}

#[test]
fn groups_are_the_kubelet_s_unless_asked_for() {
    assert!(
        driver(&["--volume-mount-group"])
            .node
            .unwrap()
            .volume_mount_group
    );
    assert!(!driver(&[]).node.unwrap().volume_mount_group);
}

#[test]
fn labels_of_the_node() {
    let node = |args: &[&str]| driver(args).node.unwrap();
    let found = node(&["--domainlabels=a/zone, rack,"]);
    assert_eq!(found.domain_labels, ["a/zone", "rack"]);
    for (list, reason) in [
        ("a/zone,b,a/zone", "it has `a/zone` twice"),
        ("a/zone,zone", "`a/zone` and `zone` are the same domain"),
    ] {
        let message = format!("flag --domainlabels cannot have the value `{list}`: {reason}");
        let flag = format!("--domainlabels={list}");
        assert_eq!(error(&["--type=cephfs", "--nodeid=n", &flag]), (1, message));
    }
    let labels = "--crush-location-labels=a/zone,b/host";
    let found = node(&["--enable-read-affinity", labels]);
    assert_eq!(found.crush_location_labels, ["a/zone", "b/host"]);
    assert!(node(&[labels]).crush_location_labels.is_empty());
    assert_eq!(
        settings(&["--type=cephfs", "--nodeid=n", labels]).notices,
        ["flag --crush-location-labels has no effect without --enable-read-affinity"]
    );
}

#[test]
fn where_lines_go() {
    let to = |path: &str, max_bytes, stderr_from| Target::File {
        path: path.into(),
        max_bytes,
        stderr_from,
    };
    let default = Some(1800 << 20);
    for (args, expected) in [
        (&["--log_file=f"][..], Target::Stderr),
        (&["--logtostderr=false"], Target::Stderr),
        (
            &["--logtostderr=false", "--log_file=f"],
            to("f", default, Severity::Error),
        ),
        (
            &["--logtostderr=false", "--log_dir=/d"],
            to("/d/spirula.log", default, Severity::Error),
        ),
        (
            &[
                "--logtostderr=false",
                "--log_dir=/d",
                "--log_file=f",
                "--log_file_max_size=0",
            ],
            to("f", None, Severity::Error),
        ),
        (
            &[
                "--logtostderr=false",
                "--log_file=f",
                "--stderrthreshold=warning",
            ],
            to("f", default, Severity::Warning),
        ),
        (
            &["--logtostderr=false", "--log_file=f", "--stderrthreshold=3"],
            to("f", default, Severity::Fatal),
        ),
    ] {
        assert_eq!(logging(args).target, expected, "{args:?}");
    }
    for (given, expected) in [("-3", 0), ("0", 0), ("4", 4), ("9", 5)] {
        assert_eq!(logging(&["--v", given]).verbosity, expected);
    }
    let log = logging(&["--log-format=json", "--skip_headers", "--add_dir_header"]);
    assert_eq!(
        (log.format, log.skip_headers, log.directory_in_source),
        (Format::Json, true, true)
    );
}

#[test]
fn endpoints() {
    for (text, expected) in [
        (
            "unix:///csi/csi.sock",
            Ok(Endpoint::Unix("/csi/csi.sock".into())),
        ),
        (
            "unix://csi/csi.sock",
            Ok(Endpoint::Unix("/csi/csi.sock".into())),
        ),
        ("UNIX:////csi.sock", Ok(Endpoint::Unix("/csi.sock".into()))),
        (
            "tcp://127.0.0.1:10000",
            Ok(Endpoint::Tcp("127.0.0.1:10000".into())),
        ),
        ("Tcp://[::1]:1", Ok(Endpoint::Tcp("[::1]:1".into()))),
        ("tcp://:10000", Ok(Endpoint::Tcp("0.0.0.0:10000".into()))),
        ("tcp://host", Err("`<host>:<port>` must follow `tcp://`")),
        (
            "tcp://host:http",
            Err("`<host>:<port>` must follow `tcp://`"),
        ),
        ("unix://", Err("a path must follow `unix://`")),
        ("unix:///", Err("a path must follow `unix://`")),
        (
            "/csi/csi.sock",
            Err("it must start with `unix://` or `tcp://`"),
        ),
        ("http://x", Err("it must start with `unix://` or `tcp://`")),
        ("", Err("it must start with `unix://` or `tcp://`")),
    ] {
        assert_eq!(
            Endpoint::parse(text),
            expected.map_err(str::to_owned),
            "{text}"
        );
        if let Ok(endpoint) = Endpoint::parse(text) {
            assert_eq!(
                Endpoint::parse(&endpoint.to_string()),
                Ok(endpoint),
                "{text}"
            );
        }
    }
}

#[test]
fn what_is_not_served_says_so() {
    for (args, message) in [
        (
            &[][..],
            "driver type not specified; give --type=cephfs, liveness or registrar",
        ),
        (
            &["--type="],
            "driver type not specified; give --type=cephfs, liveness or registrar",
        ),
        (
            &["--type=rbd"],
            "--type=rbd is not served: this driver is for CephFS only, keep ceph-csi for `rbd`",
        ),
        (
            &["--type=nvmeof"],
            "--type=nvmeof is not served: this driver is for CephFS only, keep ceph-csi for `nvmeof`",
        ),
        (
            &["--type=controller"],
            "--type=controller is not needed: it repairs journals of rbd volumes, and those of CephFS \
             need no such repair; remove that container",
        ),
        (
            &["--type=CephFS"],
            "--type=CephFS is unknown; give --type=cephfs, liveness or registrar",
        ),
        (
            &["--type=cephfs"],
            "--nodeid is missing; give it the name of the Kubernetes node",
        ),
        (
            &["--type=cephfs", "--nodeid=n", "--endpoint=csi.sock"],
            "flag --endpoint cannot have the value `csi.sock`: it must start with `unix://` or `tcp://`",
        ),
    ] {
        assert_eq!(error(args), (1, message.into()), "{args:?}");
    }
}

#[test]
fn driver_names() {
    let long = format!("{}.ceph.com", "a".repeat(54));
    for (name, good) in [
        ("cephfs.csi.ceph.com", true),
        ("Rook-Ceph.cephfs.csi.ceph.com", true),
        ("9", true),
        (long.as_str(), true),
        ("ä", false),
        ("a_b", false),
        ("-a", false),
        ("a.", false),
        ("a..b", false),
        (&format!("a{long}"), false),
    ] {
        let args = ["--type=cephfs", "--nodeid=n", "--drivername", name];
        match read(&args) {
            Ok(_) => assert!(good, "{name}"),
            Err(error) => {
                assert!(!good, "{name}: {error}");
                assert_eq!(error.exit_code(), 1);
            }
        }
    }
}

#[test]
fn wrong_usage_is_explained() {
    for (args, message) in [
        (
            &["--set-metadata"][..],
            "flag --set-metadata is unknown; did you mean --setmetadata?",
        ),
        (
            &["--logfile=x"],
            "flag --logfile is unknown; did you mean --log_file?",
        ),
        (&["--zzz"], "flag --zzz is unknown; --help lists all flags"),
        (&["--nodeid"], "flag --nodeid needs a value: --nodeid=..."),
        (
            &["x"],
            "stray argument `x`; every argument must be a flag, such as --name=value",
        ),
        (
            &["-"],
            "stray argument `-`; every argument must be a flag, such as --name=value",
        ),
        (
            &["--"],
            "stray argument `--`; every argument must be a flag, such as --name=value",
        ),
        (
            &["---v=1"],
            "stray argument `---v=1`; every argument must be a flag, such as --name=value",
        ),
        (
            &["--=1"],
            "stray argument `--=1`; every argument must be a flag, such as --name=value",
        ),
    ] {
        assert_eq!(error(args), (2, message.into()), "{args:?}");
    }
}

#[test]
fn bad_values_are_explained() {
    for (args, message) in [
        (
            &["--v=x"][..],
            "flag --v cannot have the value `x`: it is not a whole number",
        ),
        (
            &["--metricsport=70000"],
            "flag --metricsport cannot have the value `70000`: it is not a port number from 0 to 65535",
        ),
        (
            &["--polltime=60"],
            "flag --polltime cannot have the value `60`: it is not a duration such as `30s`, `1m30s` or \
             `0`",
        ),
        (
            &["--stderrthreshold=LOUD"],
            "flag --stderrthreshold cannot have the value `LOUD`: it is not one of INFO, WARNING, \
             ERROR, FATAL or 0 to 3",
        ),
        (
            &["--log-format=xml"],
            "flag --log-format cannot have the value `xml`: it is neither `klog` nor `json`",
        ),
        (
            &["--rbdhardmaxclonedepth=many"],
            "flag --rbdhardmaxclonedepth cannot have the value `many`: it is not a whole number",
        ),
        (
            &["--type=cephfs", "--nodeid=n", "--rpc-timeout=0"],
            "flag --rpc-timeout cannot have the value `0`: it must be longer than 0",
        ),
        (
            &["--type=liveness", "--polltime=0s"],
            "flag --polltime cannot have the value `0`: it must be longer than 0",
        ),
        (
            &["--type=cephfs", "--nodeid=n", "--pidlimit=-2"],
            "flag --pidlimit cannot have the value `-2`: only -1 is below 0",
        ),
        (
            &["--type=cephfs", "--nodeid=n", "--fuse-cgroup=/a/../b"],
            "flag --fuse-cgroup cannot have the value `/a/../b`: it must be a path without `..`",
        ),
        (
            &["--type=cephfs", "--nodeid=n", "--fuse-memory-limit=-1"],
            "flag --fuse-memory-limit cannot have the value `-1`: it cannot be negative",
        ),
        (
            &["--type=cephfs", "--nodeid=n", "--metrics-listen=8682"],
            "flag --metrics-listen cannot have the value `8682`: it must be `<host>:<port>` or `:<port>`",
        ),
        (
            &["--type=liveness", "--metricspath=/a?b"],
            "flag --metricspath cannot have the value `/a?b`: it must be the plain path of a URL, such \
             as /metrics",
        ),
    ] {
        assert_eq!(error(args), (2, message.into()), "{args:?}");
    }
}

#[test]
fn arguments_must_be_text() {
    use std::os::unix::ffi::OsStringExt;
    let args = [
        OsString::from("spirula"),
        OsString::from_vec(vec![b'-', b'v', b'=', 0xff]),
    ];
    let error = parse(args, &Environment::default()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn liveness_listens_on_the_address_of_the_pod() {
    let listen = |ip: &str| {
        let environment = Environment::read(|name| (name == "POD_IP").then(|| ip.into()));
        match read_with(&["--type=liveness", "--metricsport=8681"], &environment)? {
            Command::Run(settings) => match settings.role {
                Role::Liveness(settings) => Ok(settings.listen.to_string()),
                other => panic!("{other:?}"),
            },
            Command::Print(_) => panic!(),
        }
    };
    assert_eq!(listen("127.0.0.1"), Ok("127.0.0.1:8681".into()));
    assert_eq!(listen("fd00::1"), Ok("[fd00::1]:8681".into()));
    assert_eq!(listen(""), Ok("[::]:8681".into()));
    let message = "environment variable POD_IP is `node-1`, not an IP address";
    assert_eq!(listen("node-1"), Err(Error::Settings(message.into())));
    assert_eq!(liveness(&["--metricspath=metrics"]).path, "/metrics");
}

#[test]
fn registration_by_a_process_of_its_own() {
    let path = "--kubelet-registration-path=/var/lib/kubelet/plugins/d/csi.sock";
    let registration = RegistrationSettings {
        kubelet_path: "/var/lib/kubelet/plugins/d/csi.sock".into(),
        directory: "/registration".into(),
    };
    let role = |args: &[&str]| settings(&[&["--type=registrar", path], args].concat()).role;
    let registrar = |args: &[&str]| match role(args) {
        Role::Registrar(settings) => settings,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        registrar(&[]),
        RegistrarSettings {
            driver: Endpoint::Unix("/run/csi/socket".into()),
            timeout: Duration::from_secs(3),
            registration: registration.clone(),
            health: None,
        }
    );
    for address in ["/csi/csi.sock", "unix:///csi/csi.sock"] {
        let found = registrar(&["--csi-address", address]);
        assert_eq!(found.driver, Endpoint::Unix("/csi/csi.sock".into()));
    }
    for (flag, address) in [
        ("--http-endpoint=:9809", "[::]:9809"),
        ("--http-endpoint=127.0.0.1:9809", "127.0.0.1:9809"),
        ("--health-port=9809", "[::]:9809"),
    ] {
        assert_eq!(registrar(&[flag]).health.as_deref(), Some(address));
    }
    let probe = role(&["--mode=kubelet-registration-probe"]);
    assert_eq!(probe, Role::RegistrationProbe(registration));

    let missing = error(&["--type=registrar"]);
    assert_eq!(missing.0, 1);
    let starts = "--kubelet-registration-path is missing; ";
    assert!(missing.1.starts_with(starts), "{}", missing.1);
    for (flag, part) in [
        ("--mode=probe", "it must be `registration` or"),
        ("--csi-address=csi.sock", "it is no absolute path"),
        ("--http-endpoint=9809", "it must be `<host>:<port>`"),
        ("--plugin-registration-path=x", "an absolute path"),
    ] {
        let (code, message) = error(&["--type=registrar", path, flag]);
        assert!(code == 2 && message.contains(part), "{flag}: {message}");
    }
    let both = [
        "--type=registrar",
        path,
        "--http-endpoint=:1",
        "--health-port=1",
    ];
    assert!(error(&both).1.contains("exclude each other"));
}

#[test]
fn metrics_are_shown_on_all_addresses_unless_one_is_named() {
    for (flag, address) in [
        ("--metrics-listen=:8682", "[::]:8682"),
        ("--metrics-listen=127.0.0.1:8682", "127.0.0.1:8682"),
        ("--metrics-listen=[fd00::1]:8682", "[fd00::1]:8682"),
        ("--metrics-listen=fd00::1:8682", "[fd00::1]:8682"),
        ("--metrics-listen=localhost:8682", "localhost:8682"),
    ] {
        let found = driver(&[flag]).common.metrics_listen;
        assert_eq!(found.as_deref(), Some(address));
    }
}

#[test]
fn a_node_can_register_and_probe_itself() {
    let found = driver(&[]);
    assert_eq!((found.registration, found.liveness), (None, None));
    let flags = [
        "--nodeserver",
        "--kubelet-registration-path=/p/csi.sock",
        "--liveness",
        "--metricsport=8681",
        "--endpoint=unix:///csi/csi.sock",
    ];
    let found = driver(&flags);
    let registration = found.registration.unwrap();
    assert_eq!(registration.kubelet_path, "/p/csi.sock");
    let liveness = found.liveness.unwrap();
    assert_eq!(liveness.endpoint, found.common.endpoint);
    assert_eq!(liveness.listen, "[::]:8681".parse().unwrap());

    // No kubelet registers a controller.
    let flags = [
        "--controllerserver",
        "--kubelet-registration-path=/p/csi.sock",
    ];
    assert_eq!(driver(&flags).registration, None);
    let notices = settings(&[&["--type=cephfs", "--nodeid=n"], &flags[..]].concat()).notices;
    assert!(notices.iter().any(|notice| notice.contains("--nodeserver")));
}

#[test]
fn the_kubernetes_api_is_where_the_environment_says() {
    let access = |config: Option<&str>, host: Option<&str>, port: Option<&str>| {
        let environment = Environment::read(|name| match name {
            "KUBERNETES_CONFIG_PATH" => config.map(Into::into),
            "KUBERNETES_SERVICE_HOST" => host.map(Into::into),
            "KUBERNETES_SERVICE_PORT" => port.map(Into::into),
            _ => None,
        });
        match read_with(&["--type=cephfs", "--nodeid=n"], &environment)? {
            Command::Run(settings) => match settings.role {
                Role::CephFs(settings) => Ok(settings.common.kubernetes),
                other => panic!("{other:?}"),
            },
            Command::Print(_) => panic!(),
        }
    };
    let at = |host: &str, port| {
        let host = host.to_owned();
        Ok(Some(Access::Pod {
            address: Address { host, port },
            service_account: "/var/run/secrets/kubernetes.io/serviceaccount".into(),
        }))
    };
    let address = |host, port| access(None, host, port);
    let file = access(Some("/k/config"), Some("10.96.0.1"), Some("443"));
    assert_eq!(file, Ok(Some(Access::Kubeconfig("/k/config".into()))));
    assert_eq!(address(None, Some("443")), Ok(None));
    assert_eq!(address(Some("10.96.0.1"), None), at("10.96.0.1", 443));
    assert_eq!(address(Some("fd00::1"), Some("6443")), at("fd00::1", 6443));
    let message = "environment variable KUBERNETES_SERVICE_PORT is `https`, not a port";
    let refused = address(Some("10.96.0.1"), Some("https"));
    assert_eq!(refused, Err(Error::Settings(message.into())));
}

#[test]
fn every_flag_is_known_once_and_takes_its_kind_of_value() {
    let mut names: Vec<_> = table::all().map(|flag| flag.name).collect();
    for name in &names {
        let accepted = ["x", "1", "1s", "klog", "error"].iter().any(|value| {
            let args = [OsString::from(format!("-{name}={value}"))];
            syntax::read(args.into_iter()).is_ok()
        });
        assert!(accepted, "{name}");
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a flag is listed twice");
}

#[test]
fn help_is_printed_for_either_name() {
    for arg in ["--help", "-help", "-h"] {
        let Ok(Command::Print(text)) = read(&["--type=rbd", arg]) else {
            panic!("{arg}")
        };
        assert!(text.contains("Usage: spirula --type=cephfs"), "{text}");
    }
    assert_eq!(
        help::program_name("/usr/local/bin/cephcsi".as_ref()),
        "cephcsi"
    );
    assert_eq!(help::program_name("".as_ref()), "spirula");
    for line in help::text("cephcsi").lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    insta::assert_snapshot!(help::text("spirula"));
}

#[test]
fn version_has_the_labels_of_the_original() {
    let Ok(Command::Print(text)) = read(&["--version"]) else {
        panic!()
    };
    let labels: Vec<_> = text
        .lines()
        .map(|line| line.split_once(": ").unwrap().0)
        .collect();
    assert_eq!(
        labels,
        [
            "Spirula Version",
            "Git Commit",
            "Rust Version",
            "Compiler",
            "Platform",
            "Kernel"
        ]
    );
    assert!(
        text.contains(env!("CARGO_PKG_VERSION")) && text.contains("rustc 1."),
        "{text}"
    );
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(text.ends_with(&format!("Kernel: {kernel}")), "{text}");
}

proptest! {
    #[test]
    fn any_arguments_give_an_answer(args in prop::collection::vec("-{0,3}[a-z_=.0-9-]{0,12}", 0..6)) {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let _ = read(&args);
    }

    #[test]
    fn a_duration_in_pieces_is_their_sum(h in 0u64..99, m in 0u64..99, s in 0u64..99, ms in 0u64..999) {
        let text = format!("{h}h{m}m{s}s{ms}ms");
        let expected = Duration::from_millis(((h * 60 + m) * 60 + s) * 1000 + ms);
        prop_assert_eq!(value::duration(&text), Ok(expected));
    }

    #[test]
    fn unix_endpoints_are_absolute(path in "[a-z/.]{1,20}") {
        if let Ok(Endpoint::Unix(found)) = Endpoint::parse(&format!("unix://{path}")) {
            prop_assert!(found.is_absolute());
            let expected = format!("/{}", path.trim_start_matches('/'));
            prop_assert_eq!(found.as_path(), Path::new(&expected));
        }
    }
}
