//! The binding on a running Ceph.
//!
//! `SPIRULA_TEST_MONITORS`, `SPIRULA_TEST_USER` and `SPIRULA_TEST_KEYFILE` say which;
//! `SPIRULA_TEST_FS` names a file system whose metadata pool the user may write to, and
//! `SPIRULA_TEST_ADMIN_KEYFILE` has the key of `client.admin`. `dev/ceph env` prints them all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use librados::{Cluster, Config, Error, IoCtx, Monitors, OmapPage, ReadOp};
use secrecy::SecretString;

#[expect(
    clippy::disallowed_methods,
    reason = "tells the tests where the cluster is"
)]
fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn config() -> Config {
    config_of(
        &setting("SPIRULA_TEST_USER"),
        &setting("SPIRULA_TEST_KEYFILE"),
    )
}

/// Locks need the `x` capability, which the user of a driver need not have.
fn admin() -> Config {
    config_of("admin", &setting("SPIRULA_TEST_ADMIN_KEYFILE"))
}

fn config_of(user: &str, keyfile: &str) -> Config {
    let key = std::fs::read_to_string(keyfile).unwrap();
    Config {
        monitors: Monitors::parse(&setting("SPIRULA_TEST_MONITORS")).unwrap(),
        user: user.to_owned(),
        key: SecretString::from(key.trim()),
        conf_file: None,
        // Longer than anything takes on a busy machine.
        connect_timeout: Duration::from_secs(30),
        osd_timeout: Duration::from_mins(1),
    }
}

fn metadata_pool(cluster: &Cluster) -> i64 {
    let answer = cluster
        .mon_command(r#"{"prefix": "fs ls", "format": "json"}"#)
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let name = format!("\"name\":\"{}\"", setting("SPIRULA_TEST_FS"));
    let (_, fs) = answer.split_once(&name).unwrap();
    let (_, id) = fs.split_once("\"metadata_pool_id\":").unwrap();
    id.split(',').next().unwrap().trim().parse().unwrap()
}

/// Runs `test` on an object of its own, which is removed afterwards.
fn with_object(config: &Config, name: &str, test: impl FnOnce(&mut IoCtx<'_>, &str)) {
    let cluster = Cluster::connect(config).unwrap();
    let mut io = cluster
        .io_ctx(metadata_pool(&cluster), "spirula-test")
        .unwrap();
    let object = format!("{name}-{}", std::process::id());
    test(&mut io, &object);
    let mut op = io.write_op().unwrap();
    op.remove();
    io.write(&object, op).unwrap();
}

#[test]
#[ignore = "needs a running Ceph"]
fn connects_and_runs_commands() {
    let cluster = Cluster::connect(&config()).unwrap();
    assert_eq!(cluster.fsid().unwrap().len(), 36);
    cluster
        .mon_command(r#"{"prefix": "fs ls", "format": "json"}"#)
        .unwrap();
    let fs = setting("SPIRULA_TEST_FS");
    let list = format!(r#"{{"prefix": "fs subvolume ls", "format": "json", "vol_name": "{fs}"}}"#);
    let answer = cluster.mgr_command(&list).unwrap();
    assert!(
        answer.starts_with(b"["),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let unknown = r#"{"prefix": "fs subvolume ls", "format": "json", "vol_name": "no-such-fs"}"#;
    match cluster.mgr_command(unknown) {
        Err(Error::Answered {
            errno: 2, detail, ..
        }) => assert!(detail.contains("no-such-fs")),
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs a running Ceph"]
fn connects_by_every_form_of_address() {
    let monitors = setting("SPIRULA_TEST_MONITORS");
    let (ip, port) = monitors.rsplit_once(':').unwrap();
    for list in [
        format!("{ip}:{port}"),
        format!("[{ip}]:{port}"),
        format!("[::ffff:{ip}]:{port}"),
        format!("v1:{ip}:{port},v2:{ip}:{port}"),
        format!("{ip}:{port}/0"),
        format!("{ip}:1;{ip}:{port} no-such-host.invalid"),
        format!("{ip}:{port},{ip}:{port}"),
        format!("localhost:{port}"),
        format!("v1:localhost:{port},v2:localhost:{port}"),
        format!("[v1:{ip}:{port}/0],[v2:{ip}:{port}/0],[v1:{ip}:{port}/0]"),
        format!("[v1:localhost:{port}],[v2:localhost:{port}]"),
    ] {
        let monitors = Monitors::parse(&list).unwrap();
        let cluster = Cluster::connect(&Config {
            monitors,
            ..config()
        });
        cluster.unwrap_or_else(|error| panic!("{list}: {error}"));
    }
}

#[test]
#[ignore = "needs a running Ceph"]
fn refusals_and_silence_have_their_errno() {
    // A refusal counts once every address has answered, so only the one that works is asked; and over v1
    // a refusal by Ceph 20 may never arrive.
    let address = format!("v2:{}", setting("SPIRULA_TEST_MONITORS_V2"));
    let config = Config {
        monitors: Monitors::parse(&address).unwrap(),
        ..config()
    };
    let errno = |config: &Config| Cluster::connect(config).unwrap_err().errno();
    let unreadable = SecretString::from("not a key");
    let other = SecretString::from("AQAAAABnAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==");
    let user = "no-such-user".to_owned();
    assert_eq!(
        errno(&Config {
            key: unreadable,
            ..config.clone()
        }),
        Some(22)
    );
    assert_eq!(
        errno(&Config {
            key: other,
            ..config.clone()
        }),
        Some(13)
    );
    assert_eq!(
        errno(&Config {
            user,
            ..config.clone()
        }),
        Some(13)
    );

    let monitors = Monitors::parse("127.0.0.1:1").unwrap();
    let connect_timeout = Duration::from_secs(2);
    let begin = Instant::now();
    assert_eq!(
        errno(&Config {
            monitors,
            connect_timeout,
            ..config.clone()
        }),
        Some(110)
    );
    assert!(
        begin.elapsed() < Duration::from_secs(25),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
#[ignore = "needs a running Ceph"]
fn what_is_written_is_read_back() {
    with_object(&config(), "round-trip", |io, object| {
        let all_bytes: Vec<u8> = (0..=255).collect();
        let mut op = io.write_op().unwrap();
        op.create_exclusive();
        op.omap_set([("a", &all_bytes[..]), ("b", b""), ("csi.\u{e4}", b"x\0y")]);
        op.set_xattr("version", &all_bytes).unwrap();
        op.write_full(&all_bytes);
        io.write(object, op).unwrap();

        let keys = ["a", "b", "csi.\u{e4}", "absent"].map(str::to_owned);
        let read = ReadOp {
            omap_keys: &keys,
            xattrs: true,
            data: Some(1000),
            ..ReadOp::default()
        };
        let found = io.read(object, &read).unwrap();
        let expected: BTreeMap<Vec<u8>, Vec<u8>> = [
            (b"a".to_vec(), all_bytes.clone()),
            (b"b".to_vec(), Vec::new()),
            ("csi.\u{e4}".as_bytes().to_vec(), b"x\0y".to_vec()),
        ]
        .into();
        assert_eq!(found.omap_values, expected);
        assert_eq!(
            found.xattrs,
            [(b"version".to_vec(), all_bytes.clone())].into()
        );
        assert_eq!(found.data, all_bytes);
        let begin = ReadOp {
            data: Some(3),
            ..ReadOp::default()
        };
        assert_eq!(io.read(object, &begin).unwrap().data, [0, 1, 2]);

        let page = |after, max| ReadOp {
            omap_page: Some(OmapPage {
                after,
                prefix: "",
                max,
            }),
            ..ReadOp::default()
        };
        let first = io.read(object, &page("", 2)).unwrap();
        assert_eq!((first.omap_page.len(), first.more), (2, true));
        let second = io.read(object, &page("b", 2)).unwrap();
        assert_eq!((second.omap_page.len(), second.more), (1, false));
    });
}

#[test]
#[ignore = "needs a running Ceph"]
fn versions_and_comparisons_guard_writes() {
    with_object(&config(), "guards", |io, object| {
        let write = |io: &mut IoCtx<'_>, steps: &dyn Fn(&mut librados::WriteOp)| {
            let mut op = io.write_op().unwrap();
            steps(&mut op);
            io.write(object, op).map_err(|error| error.errno().unwrap())
        };
        assert_eq!(write(io, &|op| op.assert_exists()), Err(2));
        assert_eq!(write(io, &|op| op.create()), Ok(()));
        assert_eq!(write(io, &|op| op.create_exclusive()), Err(17));
        assert_eq!(write(io, &|op| op.omap_equals("k", b"")), Ok(()));
        assert_eq!(write(io, &|op| op.omap_equals("k", b"v")), Err(125));
        let version = io.read(object, &ReadOp::default()).unwrap().version;
        let set_at = |version, value: &'static [u8]| {
            move |op: &mut librados::WriteOp| {
                op.assert_version(version);
                op.omap_set([("k", value)]);
            }
        };
        assert_eq!(write(io, &set_at(version, b"v")), Ok(()));
        assert_eq!(write(io, &set_at(version, b"w")), Err(34));
        assert_eq!(write(io, &set_at(version + 1000, b"w")), Err(75));
        assert_eq!(write(io, &|op| op.omap_equals("k", b"v")), Ok(()));
        assert_eq!(write(io, &|op| op.omap_remove(["k", "absent"])), Ok(()));
        let stale = ReadOp {
            assert_version: Some(version),
            ..ReadOp::default()
        };
        assert_eq!(io.read(object, &stale).unwrap_err().errno(), Some(34));
    });
}

#[test]
#[ignore = "needs a running Ceph"]
fn locks_are_exclusive() {
    with_object(&admin(), "lock", |io, object| {
        let forever = Duration::ZERO;
        io.lock_exclusive(object, "l", "me", "a test", forever)
            .unwrap();
        let again = io.lock_exclusive(object, "l", "me", "a test", forever);
        assert_eq!(again.unwrap_err().errno(), Some(17));
        let other = io.lock_exclusive(object, "l", "you", "a test", forever);
        assert_eq!(other.unwrap_err().errno(), Some(16));
        assert_eq!(io.unlock(object, "l", "you").unwrap_err().errno(), Some(2));
        io.unlock(object, "l", "me").unwrap();
        io.lock_exclusive(object, "l", "you", "", Duration::from_millis(200))
            .unwrap();
        std::thread::sleep(Duration::from_millis(400));
        io.lock_exclusive(object, "l", "me", "", forever).unwrap();
    });
}

#[test]
#[ignore = "needs a running Ceph"]
fn absent_things_are_errno_2() {
    let cluster = Cluster::connect(&config()).unwrap();
    assert_eq!(cluster.io_ctx(1 << 40, "").unwrap_err().errno(), Some(2));
    let mut io = cluster
        .io_ctx(metadata_pool(&cluster), "spirula-test")
        .unwrap();
    let keys = ["k".to_owned()];
    for read in [
        ReadOp::default(),
        ReadOp {
            omap_keys: &keys,
            ..ReadOp::default()
        },
        ReadOp {
            xattrs: true,
            ..ReadOp::default()
        },
        ReadOp {
            data: Some(1),
            ..ReadOp::default()
        },
        ReadOp {
            assert_version: Some(1),
            ..ReadOp::default()
        },
    ] {
        assert_eq!(
            io.read("no-such-object", &read).unwrap_err().errno(),
            Some(2)
        );
    }
    let mut op = io.write_op().unwrap();
    op.remove();
    assert_eq!(io.write("no-such-object", op).unwrap_err().errno(), Some(2));
}

/// A conf file is read only if asked, and can neither bring back the timeout that corrupts memory, nor
/// make librados write anything; what it says beside that counts.
#[test]
#[ignore = "needs a running Ceph"]
fn a_conf_file_gives_way_to_our_settings() {
    let dir = tempfile::tempdir().unwrap();
    let conf_file = dir.path().join("ceph.conf");
    let place = dir.path().display();
    let text = format!(
        "[global]\nmon host = 127.0.0.1:1\nkeyring = {place}/keyring\nrados mon op timeout = 1\n\
         log file = {place}/log\nlog to stderr = true\nadmin socket = {place}/socket\ndebug ms = 10\n"
    );
    std::fs::write(&conf_file, &text).unwrap();
    let with_file = |conf_file| Config {
        conf_file: Some(conf_file),
        ..config()
    };
    let cluster = Cluster::connect(&with_file(conf_file.clone())).unwrap();
    cluster.mon_command(r#"{"prefix": "fs ls"}"#).unwrap();
    drop(cluster);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

    std::fs::write(&conf_file, text + "auth client required = none\n").unwrap();
    let without_login = Cluster::connect(&Config {
        connect_timeout: Duration::from_secs(5),
        ..with_file(conf_file)
    });
    assert!(without_login.is_err(), "the file does not count");
    let malformed = dir.path().join("malformed");
    std::fs::write(&malformed, "[global\n").unwrap();
    let malformed = Cluster::connect(&with_file(malformed)).unwrap_err();
    assert_eq!(malformed.errno(), Some(22));
    assert!(malformed.to_string().contains("malformed"), "{malformed}");
    let absent = Cluster::connect(&with_file(dir.path().join("absent"))).unwrap_err();
    assert_eq!(absent.errno(), Some(2));
    assert!(absent.to_string().contains("absent"), "{absent}");
}

/// `exit` would run destructors of what the threads of librados still use.
#[test]
#[ignore = "needs a running Ceph"]
fn a_process_may_end_while_connected() {
    for _ in 0..20 {
        let output = run_alone("ends_connected");
        assert!(output.status.success(), "{}", output.status);
    }
}

/// Says nothing by itself: the test above runs it.
#[test]
#[ignore = "needs a running Ceph"]
fn ends_connected() {
    let cluster = Cluster::connect(&config()).unwrap();
    cluster.mon_command(r#"{"prefix": "fs ls"}"#).unwrap();
    std::mem::forget(cluster);
}

/// Runs the tests above that make librados complain, in a process whose output can be looked at.
#[test]
#[ignore = "needs a running Ceph"]
fn librados_prints_nothing() {
    for test in [
        "refusals_and_silence_have_their_errno",
        "connects_by_every_form_of_address",
        "a_conf_file_gives_way_to_our_settings",
    ] {
        let output = run_alone(test);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.contains("1 passed"), "{test}: {stdout}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), "", "{test}");
    }
}

fn run_alone(test: &str) -> Output {
    #[expect(clippy::disallowed_methods, reason = "ends by itself")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap()
}
