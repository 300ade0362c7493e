use std::sync::Mutex;

use super::*;
use crate::fault::{Fault, Faults};
use crate::memory::Memory;
use crate::{Command, Object, ReadOp, WriteOp, WriteStep};

type Heard = (Daemon, &'static str, Result<(), ErrorKind>);

#[derive(Debug, Default)]
struct Ears(Mutex<Vec<Heard>>);

impl Observer for Ears {
    fn ended(&self, call: Call, _took: Duration, outcome: Result<(), ErrorKind>) {
        self.0.lock().unwrap().push((call.of, call.kind, outcome));
    }
}

impl Ears {
    fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

const OK: Result<(), ErrorKind> = Ok(());

#[tokio::test(start_paused = true)]
async fn every_call_is_told_of_with_its_outcome() {
    let memory = Memory::new();
    let pool = memory.create_filesystem("fs").metadata_pool;
    let faults = Faults::new();
    let ears = Arc::new(Ears::default());
    let connect = faults.wrap_connect(Arc::new(memory));
    let observed = Observed::new(connect, Arc::clone(&ears) as _);
    let identity = Identity {
        monitors: "127.0.0.1".to_owned(),
        user: "x".to_owned(),
        key: "AQ==".into(),
    };
    let cx = Context::with_timeout(Duration::from_secs(1));
    let cluster = observed.connect(&cx, &identity).await.unwrap();
    assert_eq!(ears.take(), [(Daemon::Mon, "connect", OK)]);

    let object = Object {
        pool,
        namespace: "csi".to_owned(),
        name: "o".to_owned(),
    };
    let create = || WriteOp::new().then(WriteStep::CreateExclusive);
    cluster.write(&cx, &object, create()).await.unwrap();
    cluster.write(&cx, &object, create()).await.unwrap_err();
    let remove = WriteOp::new().then(WriteStep::Remove);
    cluster.write(&cx, &object, remove).await.unwrap();
    let read = cluster.read(&cx, &object, ReadOp::default()).await;
    read.unwrap_err();
    assert_eq!(
        ears.take(),
        [
            (Daemon::Osd, "write", OK),
            (Daemon::Osd, "write", Err(ErrorKind::AlreadyExists)),
            (Daemon::Osd, "removal", OK),
            (Daemon::Osd, "read", Err(ErrorKind::NotFound)),
        ]
    );

    let none = std::collections::BTreeMap::<String, String>::new();
    let list = Command::new("fs ls", &none).unwrap();
    cluster.mon_command(&cx, &list).await.unwrap();
    let nonsense = Command::new("fs nonsense", &none).unwrap();
    cluster.mgr_command(&cx, &nonsense).await.unwrap_err();
    assert_eq!(
        ears.take(),
        [
            (Daemon::Mon, "fs ls", OK),
            (Daemon::Mgr, "fs nonsense", Err(ErrorKind::Unsupported)),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_went_away_is_told_of_too() {
    let memory = Memory::new();
    let faults = Faults::new();
    let ears = Arc::new(Ears::default());
    let cluster = ObservedCluster::new(faults.wrap(memory.client()), Arc::clone(&ears) as _);
    faults.at(1, Fault::Hang);
    let cx = Context::with_timeout(Duration::from_secs(10));
    let list = Command::new(
        "fs ls",
        &std::collections::BTreeMap::<String, String>::new(),
    )
    .unwrap();
    let left = tokio::time::timeout(Duration::from_secs(1), cluster.mon_command(&cx, &list)).await;
    left.unwrap_err();
    let told = [(Daemon::Mon, "fs ls", Err(ErrorKind::TimedOut))];
    assert_eq!(ears.take(), told);
}
