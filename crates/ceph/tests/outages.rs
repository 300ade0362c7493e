//! Connections over librados while daemons of a real cluster are stopped (SIGSTOP) and go on.
//!
//! `dev/ceph env` prints the environment variables that say where the cluster is; its daemons must be
//! processes of this machine, with their pids in `$SPIRULA_TEST_CEPH_DIR/run/<daemon>.pid`.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ceph::rados::{Client, Connector, Settings};
use ceph::{Cluster, Command, Connection, Context, Error, ErrorKind, Identity};
use ceph::{Object, Pool, WriteOp, WriteStep};
use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::Mutex;

/// The tests stop what the others need.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
#[ignore = "needs a Ceph cluster whose daemons it may stop"]
async fn a_manager_that_stops_and_goes_on_fifty_times_breaks_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let connector = Connector::new(Settings::default());
    let steady = open(&connector).await;
    let threads_before = threads();
    for round in 0..50 {
        let client = open(&connector).await;
        mgr(&client, 60 * SECOND).await.unwrap();
        let stopped = Stopped::daemon("mgr.x");
        let errors = join_all((0..4).map(|_| mgr(&client, SECOND / 10))).await;
        for error in errors.into_iter().map(Result::unwrap_err) {
            assert_eq!(
                (error.kind, error.errno),
                (ErrorKind::TimedOut, None),
                "{error}"
            );
        }
        assert!(client.is_retired());
        assert_eq!(client.abandoned_calls(), 4);
        // Both orders: the manager answers while there is an owner, and after the last one went.
        if round % 2 == 0 {
            drop(client);
            drop(stopped);
        } else {
            drop(stopped);
            eventually("late answers", || client.abandoned_calls() == 0).await;
        }
        mgr(&steady, 60 * SECOND).await.unwrap();
    }
    assert!(!steady.is_retired());
    eventually("as few threads as before", || threads() <= threads_before).await;
}

#[tokio::test]
#[ignore = "needs a Ceph cluster whose daemons it may stop"]
async fn neither_file_nor_monitors_make_librados_time_out_a_command() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let directory = tempfile::tempdir().unwrap();
    let conf_file = directory.path().join("ceph.conf");
    std::fs::write(&conf_file, "[global]\nrados mon op timeout = 1\n").unwrap();
    let connector = Connector::new(Settings {
        conf_file: Some(conf_file),
        ..Settings::default()
    });
    let admin = open_as(&connector, &admin()).await.unwrap();
    let option = [
        ("who", "client"),
        ("name", "rados_mon_op_timeout"),
        ("value", "1"),
    ];
    mon(&admin, "config set", &option).await.unwrap();
    let client = open(&connector).await;
    let stopped = Stopped::daemon("mgr.x");
    // librados would answer errno 110 after a second, and leave the answer of the manager to write
    // through a dead stack.
    let error = mgr(&client, 3 * SECOND).await.unwrap_err();
    mon(&admin, "config rm", &option[..2]).await.unwrap();
    assert_eq!(
        (error.kind, error.errno),
        (ErrorKind::TimedOut, None),
        "{error}"
    );
    assert_eq!(client.abandoned_calls(), 1);
    drop(stopped);
    eventually("the late answer", || client.abandoned_calls() == 0).await;
    mgr(&client, 60 * SECOND).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a Ceph cluster whose daemons it may stop"]
async fn commands_to_a_stopped_manager_are_bounded() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let connector = Connector::new(Settings::default());
    let client = open(&connector).await;
    let object = object(&client).await;
    mgr(&client, 60 * SECOND).await.unwrap();
    let stopped = Stopped::daemon("mgr.x");
    let errors = join_all((0..40).map(|_| mgr(&client, SECOND))).await;
    let errors: Vec<Error> = errors.into_iter().map(Result::unwrap_err).collect();
    let made = |error: &&Error| error.detail.contains("the manager did not answer for");
    assert_eq!(errors.iter().filter(made).count(), 32);
    let refused = errors.iter().find(|error| !made(error)).unwrap();
    assert_eq!(refused.kind, ErrorKind::TimedOut);
    assert!(
        refused
            .detail
            .contains("32 calls are waiting for the manager"),
        "{refused}"
    );
    assert_eq!(client.abandoned_calls(), 32);
    // Objects do not need the manager.
    write(&client, &object, 60 * SECOND).await.unwrap();
    remove(&client, &object).await;
    drop(stopped);
    eventually("late answers", || client.abandoned_calls() == 0).await;
    mgr(&client, 60 * SECOND).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a Ceph cluster whose daemons it may stop"]
async fn a_pool_replaces_connections_while_the_manager_is_stopped_but_not_for_ever() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let pool = Pool::new(Arc::new(Connector::new(Settings::default())));
    let get = async || {
        let cx = Context::with_timeout(60 * SECOND);
        pool.get(&cx, &identity()).await.unwrap()
    };
    let list = async |connection: &Connection, limit| {
        let (cx, fs) = (Context::with_timeout(limit), setting("SPIRULA_TEST_FS"));
        connection.subvolumes().list(&cx, &fs, "").await
    };
    let stopped = Stopped::daemon("mgr.x");
    let mut used: Vec<Arc<Connection>> = Vec::new();
    for _ in 0..5 {
        let connection = get().await;
        let error = list(&connection, SECOND / 5).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut, "{error}");
        if !used.iter().any(|other| Arc::ptr_eq(other, &connection)) {
            used.push(connection);
        }
    }
    assert_eq!(used.len(), 3);
    drop(stopped);
    let answered = || used.iter().all(|of| of.cluster().abandoned_calls() == 0);
    eventually("late answers", answered).await;
    let fresh = get().await;
    assert!(!fresh.cluster().is_retired());
    list(&fresh, 60 * SECOND).await.unwrap();
    assert!(Arc::ptr_eq(&fresh, &get().await));
}

#[tokio::test]
#[ignore = "needs a Ceph cluster whose daemons it may stop"]
async fn a_stopped_monitor_is_named_and_old_connections_go_on_afterwards() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let connector = Connector::new(Settings::default());
    let client = open(&connector).await;
    mon(&client, "fs ls", &[]).await.unwrap();
    let stopped = Stopped::daemon("mon.a");
    let begin = Instant::now();
    let error = command(&client, "fs ls", SECOND).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(
        error.to_string().contains("the monitors did not answer"),
        "{error}"
    );
    assert!(begin.elapsed() < 20 * SECOND);
    let cx = Context::with_timeout(8 * SECOND);
    let begin = Instant::now();
    let error = connector.open(&cx, &identity()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert!(
        error
            .to_string()
            .contains(&setting("SPIRULA_TEST_MONITORS")),
        "{error}"
    );
    assert!(begin.elapsed() < 30 * SECOND);
    assert!(!client.is_retired());
    drop(stopped);
    eventually("the late answer", || client.abandoned_calls() == 0).await;
    mon(&client, "fs ls", &[]).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a Ceph cluster whose daemons it may stop"]
async fn a_stopped_osd_holds_no_call_beyond_its_timeout() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let connector = Connector::new(Settings {
        osd_timeout: 2 * SECOND,
        ..Settings::default()
    });
    let client = open(&connector).await;
    let object = object(&client).await;
    write(&client, &object, 60 * SECOND).await.unwrap();
    let stopped = Stopped::daemon("osd.0");
    let error = write(&client, &object, SECOND / 2).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(
        error.to_string().contains("omap write to spirula-outages"),
        "{error}"
    );
    assert_eq!(client.abandoned_calls(), 1);
    let error = write(&client, &object, 60 * SECOND).await.unwrap_err();
    assert_eq!(
        (error.kind, error.errno),
        (ErrorKind::TimedOut, Some(110)),
        "{error}"
    );
    eventually("the end of the first write", || {
        client.abandoned_calls() == 0
    })
    .await;
    drop(stopped);
    write(&client, &object, 60 * SECOND).await.unwrap();
    remove(&client, &object).await;
}

#[test]
#[ignore = "needs a Ceph cluster whose daemons it may stop"]
fn a_runtime_ends_although_the_manager_does_not_answer() {
    let _alone = ONE_AT_A_TIME.blocking_lock();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stopped = runtime.block_on(async {
        let connector = Connector::new(Settings::default());
        let client = open(&connector).await;
        mgr(&client, 60 * SECOND).await.unwrap();
        let stopped = Stopped::daemon("mgr.x");
        mgr(&client, SECOND / 10).await.unwrap_err();
        let begin = Instant::now();
        drop(client);
        assert!(begin.elapsed() < 5 * SECOND, "{:?}", begin.elapsed());
        stopped
    });
    let begin = Instant::now();
    drop(runtime);
    assert!(begin.elapsed() < 10 * SECOND, "{:?}", begin.elapsed());
    drop(stopped);
}

#[tokio::test]
#[ignore = "needs a Ceph cluster"]
async fn refusals_are_told_from_silence() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let connector = Connector::new(Settings::default());
    // Over v1 a refusal by Ceph 20 may never arrive.
    let monitors = setting("SPIRULA_TEST_MONITORS_V2");
    let refused = |change: fn(&mut Identity)| {
        let mut identity = identity();
        // One that is down beside the one that refuses.
        identity.monitors = format!("{monitors},127.0.0.1:1");
        change(&mut identity);
        let connector = &connector;
        async move { open_as(connector, &identity).await.unwrap_err() }
    };
    let error = refused(|of| of.key = "AQAAAABnAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==".into()).await;
    assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error}");
    let error = refused(|of| of.user = "no-such-user".to_owned()).await;
    assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("client.no-such-user"), "{error}");
    let error = refused(|of| of.key = "not a key".into()).await;
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(!error.to_string().contains("not a key"), "{error}");
    let error = refused(|of| of.monitors = "10.0.0.1:port".to_owned()).await;
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    let error = refused(|of| of.monitors = "no-such-host.invalid".to_owned()).await;
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    let error = refused(|of| of.monitors = "127.0.0.1:1".to_owned()).await;
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert!(
        error
            .to_string()
            .contains("v2:127.0.0.1:1: Connection refused"),
        "{error}"
    );

    let client = open(&connector).await;
    let cx = Context::with_timeout(60 * SECOND);
    assert_eq!(
        client.fsid(&cx).await.unwrap(),
        setting("SPIRULA_TEST_CLUSTER_ID")
    );
}

/// A daemon of the cluster that does not run until this is dropped.
struct Stopped(Pid);

impl Stopped {
    fn daemon(name: &str) -> Self {
        let directory = setting("SPIRULA_TEST_CEPH_DIR");
        let file = Path::new(&directory)
            .join("run")
            .join(format!("{name}.pid"));
        let pid = std::fs::read_to_string(file).unwrap();
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        // On a busy machine a thread may run on for a while.
        while !Self::stands(pid) {
            std::thread::sleep(SECOND / 1000);
        }
        Self(pid)
    }

    fn stands(pid: Pid) -> bool {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        // `12 (name) T ...`; a thread that has ended meanwhile has none.
        let state = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat"));
        let mut states = tasks.filter_map(|task| state(task.unwrap()).ok());
        states.all(|state| state.rsplit_once(") ").unwrap().1.starts_with('T'))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

fn identity() -> Identity {
    identity_of(&setting("SPIRULA_TEST_USER"), "SPIRULA_TEST_KEYFILE")
}

fn admin() -> Identity {
    identity_of("admin", "SPIRULA_TEST_ADMIN_KEYFILE")
}

fn identity_of(user: &str, keyfile: &str) -> Identity {
    Identity {
        monitors: setting("SPIRULA_TEST_MONITORS"),
        user: user.to_owned(),
        key: std::fs::read_to_string(setting(keyfile))
            .unwrap()
            .trim()
            .into(),
    }
}

async fn open(connector: &Connector) -> Arc<Client> {
    Arc::new(open_as(connector, &identity()).await.unwrap())
}

async fn open_as(connector: &Connector, identity: &Identity) -> Result<Client, Error> {
    let cx = Context::with_timeout(60 * SECOND);
    connector.open(&cx, identity).await
}

async fn mgr(client: &Client, limit: Duration) -> Result<Vec<u8>, Error> {
    let arguments = BTreeMap::from([("vol_name", setting("SPIRULA_TEST_FS"))]);
    let command = Command::new("fs subvolume ls", &arguments).unwrap();
    client
        .mgr_command(&Context::with_timeout(limit), &command)
        .await
}

async fn mon(
    client: &Client,
    prefix: &'static str,
    arguments: &[(&str, &str)],
) -> Result<Vec<u8>, Error> {
    let arguments: BTreeMap<_, _> = arguments.iter().copied().collect();
    let command = Command::new(prefix, &arguments).unwrap();
    let cx = Context::with_timeout(60 * SECOND);
    client.mon_command(&cx, &command).await
}

async fn command(client: &Client, prefix: &'static str, limit: Duration) -> Result<Vec<u8>, Error> {
    let command = Command::new(prefix, &BTreeMap::<String, String>::new()).unwrap();
    client
        .mon_command(&Context::with_timeout(limit), &command)
        .await
}

async fn object(client: &Arc<Client>) -> Object {
    let connection = Connection::new(Arc::clone(client) as Arc<dyn Cluster>);
    let cx = Context::with_timeout(60 * SECOND);
    let fs = setting("SPIRULA_TEST_FS");
    Object {
        pool: connection.filesystem(&cx, &fs).await.unwrap().metadata_pool,
        namespace: "spirula-test".to_owned(),
        name: "spirula-outages".to_owned(),
    }
}

async fn write(client: &Client, object: &Object, limit: Duration) -> Result<(), Error> {
    let cx = Context::with_timeout(limit);
    let entries = BTreeMap::from([("k".to_owned(), b"v".to_vec())]);
    let op = WriteOp::new().then(WriteStep::OmapSet(entries));
    client.write(&cx, object, op).await
}

async fn remove(client: &Client, object: &Object) {
    let cx = Context::with_timeout(60 * SECOND);
    let op = WriteOp::new().then(WriteStep::Remove);
    client.write(&cx, object, op).await.unwrap();
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < 120 * SECOND, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells the tests where the cluster is"
)]
fn setting(name: &str) -> String {
    std::env::var(name).unwrap()
}
