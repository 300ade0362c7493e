use std::time::Duration;

use super::*;
use crate::memory::Memory;
use crate::{Command, ErrorKind, Object, ReadOp, WriteOp, WriteStep};

const SECOND: Duration = Duration::from_secs(1);

fn fixture() -> (Memory, Object) {
    let memory = Memory::new();
    let fs = memory.create_filesystem("fs");
    let object = Object {
        pool: fs.metadata_pool,
        namespace: "csi".to_owned(),
        name: "o".to_owned(),
    };
    (memory, object)
}

fn create() -> WriteOp {
    WriteOp::new().then(WriteStep::CreateExclusive)
}

fn is_there(memory: &Memory, object: &Object) -> bool {
    memory.objects().contains_key(object)
}

#[tokio::test(start_paused = true)]
async fn chosen_calls_fail_and_others_do_not() {
    let (memory, object) = fixture();
    let faults = Faults::new();
    faults.at(1, Fault::Fail(Error::answered("injected", 28, "")));
    let cluster = faults.wrap(memory.client());
    let cx = Context::with_timeout(SECOND);

    let error = cluster.write(&cx, &object, create()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NoSpace);
    assert!(!is_there(&memory, &object));
    cluster.write(&cx, &object, create()).await.unwrap();
    assert!(is_there(&memory, &object));
}

#[tokio::test(start_paused = true)]
async fn hang_lasts_until_the_deadline_without_effect() {
    let (memory, object) = fixture();
    let faults = Faults::new();
    faults.once(|call| call.what.starts_with("write "), Fault::Hang);
    let cluster = faults.wrap(memory.client());
    let started = tokio::time::Instant::now();

    let cx = Context::with_timeout(SECOND);
    let error = cluster.write(&cx, &object, create()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(started.elapsed() >= SECOND);
    assert!(!is_there(&memory, &object));
}

#[tokio::test(start_paused = true)]
async fn lost_answer_has_its_effect() {
    let (memory, object) = fixture();
    let faults = Faults::new();
    faults.at(1, Fault::LoseAnswer);
    let cluster = faults.wrap(memory.client());
    let cx = Context::with_timeout(SECOND);

    let error = cluster.write(&cx, &object, create()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(is_there(&memory, &object));
}

#[tokio::test(start_paused = true)]
async fn a_pause_lasts_until_it_is_ended() {
    let (memory, object) = fixture();
    let faults = Faults::new();
    let pause = Pause::new();
    faults.at(1, Fault::Pause(pause.clone()));
    let cluster = faults.wrap(memory.client());
    let at = object.clone();
    let write = tokio::spawn(async move {
        let cx = Context::with_timeout(SECOND);
        cluster.write(&cx, &at, create()).await
    });
    assert!(pause.reached().await);
    tokio::time::sleep(SECOND / 2).await;
    assert!(!is_there(&memory, &object));
    pause.end();
    write.await.unwrap().unwrap();
    assert!(is_there(&memory, &object));
    assert!(!pause.reached().await, "nobody waits any more");
}

/// Runs a write that is killed, with a second client whose later write must not happen either.
async fn killed_write(fault: Fault) -> (bool, bool) {
    let (memory, object) = fixture();
    let faults = Faults::new();
    faults.at(1, fault);
    let cluster = faults.wrap(memory.client());
    let at = object.clone();
    let process = tokio::spawn(async move {
        let cx = Context::with_timeout(SECOND);
        cluster.write(&cx, &at, create()).await
    });
    faults.killed().await;

    let (late, cx) = (faults.wrap(memory.client()), Context::with_timeout(SECOND));
    let other = Object {
        name: "late".to_owned(),
        ..object.clone()
    };
    let late = tokio::time::timeout(2 * SECOND, late.write(&cx, &other, create())).await;
    assert!(late.is_err(), "a dead process got an answer");
    assert!(!process.is_finished());
    (is_there(&memory, &object), is_there(&memory, &other))
}

#[tokio::test(start_paused = true)]
async fn kill_before_has_no_effect() {
    assert_eq!(killed_write(Fault::KillBefore).await, (false, false));
}

#[tokio::test(start_paused = true)]
async fn kill_after_has_its_effect_and_no_other() {
    assert_eq!(killed_write(Fault::KillAfter).await, (true, false));
}

#[tokio::test(start_paused = true)]
async fn clusters_and_steps_share_one_count() {
    let (memory, object) = fixture();
    let faults = Faults::new();
    faults.always(|call| call.what.starts_with("mount"), Fault::TimeOut);
    let (one, two) = (faults.wrap(memory.client()), faults.wrap(memory.client()));
    let cx = Context::with_timeout(SECOND);
    let dump = Command::new(
        "fs dump",
        &std::collections::BTreeMap::<String, String>::new(),
    );

    let op = create().then(WriteStep::OmapSet([("k".to_owned(), vec![1])].into()));
    one.write(&cx, &object, op).await.unwrap();
    two.read(&cx, &object, ReadOp::default()).await.unwrap();
    let unlink = async { 7 };
    assert_eq!(faults.step(&cx, "unlink x", unlink).await.unwrap(), 7);
    for _ in 0..2 {
        let mount = faults.step(&cx, "mount x", async { panic!("mounted") });
        assert_eq!(mount.await.unwrap_err().kind, ErrorKind::TimedOut);
    }
    one.mon_command(&cx, &dump.unwrap()).await.unwrap();

    let log: Vec<_> = faults.log().into_iter().map(|call| call.what).collect();
    assert_eq!(
        log,
        [
            "write object `csi/o`: create-exclusive omap-set=k",
            "read object `csi/o`",
            "unlink x",
            "mount x",
            "mount x",
            "mon command `fs dump` {\"format\":\"json\",\"prefix\":\"fs dump\"}",
        ]
    );
    assert_eq!(faults.count(|call| call.what.starts_with("mon ")), 1);
}

#[tokio::test(start_paused = true)]
async fn connecting_is_a_step_too() {
    let (memory, object) = fixture();
    let faults = Faults::new();
    faults.at(1, Fault::TimeOut);
    let connect = faults.wrap_connect(Arc::new(memory));
    let identity = crate::Identity {
        monitors: "mon".to_owned(),
        user: "csi".to_owned(),
        key: "AQBsecret==".into(),
    };
    let cx = Context::with_timeout(SECOND);
    connect.connect(&cx, &identity).await.unwrap_err();
    let cluster = connect.connect(&cx, &identity).await.unwrap();
    cluster.write(&cx, &object, create()).await.unwrap();
    let log: Vec<_> = faults.log().into_iter().map(|call| call.what).collect();
    let connecting = "connect as `client.csi` to `mon`";
    let write = "write object `csi/o`: create-exclusive";
    assert_eq!(log, [connecting, connecting, write]);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_the_kill_stops_too() {
    let (memory, object) = fixture();
    let faults = Faults::new();
    let cluster = faults.wrap(memory.client());
    let cx = Context::with_timeout(SECOND);
    let mut write = cluster.write(&cx, &object, create());
    assert!(futures::poll!(&mut write).is_pending());
    faults.kill();
    faults.killed().await;

    tokio::time::sleep(2 * SECOND).await;
    for _ in 0..10 {
        assert!(futures::poll!(&mut write).is_pending());
    }
    assert!(!is_there(&memory, &object));
    assert_eq!(faults.log().len(), 1);
}
