use std::sync::Arc;

use super::*;
use crate::fault::{Fault, Faults};
use crate::memory::Memory;
use crate::{Connection, Subvolume};

fn read(answer: &[u8]) -> Result<Vec<FilesystemState>> {
    mon::parse::<FsDump>("fs dump", answer).map(Into::into)
}

#[test]
fn fs_dump_of_ceph_16_is_understood() {
    let answer = include_bytes!("../../fixtures/16.2.15/fs_dump.json");
    let state = FilesystemState {
        filesystem: Filesystem {
            name: "k8scephfs".to_owned(),
            id: 1,
            metadata_pool: 1,
            data_pools: vec![2],
        },
        ranks: Ranks {
            wanted: [0].into(),
            active: [(0, "a".to_owned())].into(),
            damaged: [].into(),
        },
    };
    assert_eq!(read(answer).unwrap(), [state]);
}

#[test]
fn a_rank_that_nobody_serves_is_wanted_and_not_active() {
    let answer = include_bytes!("../../fixtures/16.2.15/fs_dump_failed.json");
    let states = read(answer).unwrap();
    let ranks = Ranks {
        wanted: [0].into(),
        ..Ranks::default()
    };
    assert_eq!((states.len(), &states[0].ranks), (1, &ranks));
}

#[test]
fn other_answers_are_bad_answers() {
    for answer in ["", "{}", "[]", r#"{"filesystems":[{"id":1}]}"#] {
        let error = read(answer.as_bytes()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::BadAnswer, "{answer}");
        assert!(error.to_string().contains("fs dump"), "{error}");
    }
}

struct Fixture {
    memory: Memory,
    faults: Faults,
    connection: Arc<Connection>,
}

impl Fixture {
    fn new() -> Self {
        let (memory, faults) = (Memory::new(), Faults::new());
        memory.create_filesystem("one");
        memory.create_filesystem("two");
        let connection = Arc::new(Connection::new(faults.wrap(memory.client())));
        Self {
            memory,
            faults,
            connection,
        }
    }

    async fn find(&self, name: &str) -> Result<Filesystem> {
        self.connection.filesystem(&cx(), name).await
    }

    fn dumps(&self) -> usize {
        self.faults.count(|call| call.what.contains("`fs dump`"))
    }
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(30))
}

#[tokio::test(start_paused = true)]
async fn known_file_systems_are_not_asked_for_again_for_ten_minutes() {
    let fixture = Fixture::new();
    let one = fixture.find("one").await.unwrap();
    tokio::time::advance(Duration::from_secs(599)).await;
    assert_eq!(fixture.find("one").await.unwrap(), one);
    let by_id = fixture.connection.filesystem_with_id(&cx(), one.id).await;
    assert_eq!(by_id.unwrap(), one);
    assert_eq!(fixture.find("two").await.unwrap().name, "two");
    assert_eq!(fixture.dumps(), 1);

    tokio::time::advance(Duration::from_secs(2)).await;
    fixture.find("one").await.unwrap();
    assert_eq!(fixture.dumps(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_misses_asks_once() {
    let fixture = Fixture::new();
    for _ in 0..2 {
        let misses = (0..50).map(|_| fixture.find("three"));
        for miss in futures::future::join_all(misses).await {
            let error = miss.unwrap_err();
            assert_eq!(error.kind, ErrorKind::NotFound);
            assert!(error.to_string().contains("one, two"), "{error}");
        }
    }
    assert_eq!(fixture.dumps(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_file_system_is_found_after_a_miss() {
    let fixture = Fixture::new();
    fixture.find("three").await.unwrap_err();
    let three = fixture.memory.create_filesystem("three");
    fixture.find("three").await.unwrap_err();
    tokio::time::advance(MISS_INTERVAL).await;
    assert_eq!(fixture.find("three").await.unwrap(), three);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_not_remembered() {
    let fixture = Fixture::new();
    fixture.faults.at(1, Fault::TimeOut);
    let error = fixture.find("one").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    fixture.find("one").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_another_keeps_its_own_deadline() {
    let fixture = Fixture::new();
    fixture.faults.at(1, Fault::Hang);
    let slow = tokio::spawn({
        let connection = Arc::clone(&fixture.connection);
        async move { connection.filesystem(&cx(), "one").await }
    });
    tokio::task::yield_now().await;
    let started = Instant::now();
    let hurried = Context::with_timeout(Duration::from_secs(1));
    let error = fixture.connection.filesystem(&hurried, "one").await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(2));

    slow.abort();
    fixture.find("one").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_visible_hints_at_the_capability() {
    let connection = Connection::new(Memory::new().client());
    let error = connection.filesystem(&cx(), "one").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.to_string().contains("mon capability"), "{error}");
    // Whoever has an id knows that there was one.
    let error = connection.filesystem_with_id(&cx(), 1).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("mon capability"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_anew_once_the_manager_does_not_know_it() {
    let fixture = Fixture::new();
    let one = fixture.find("one").await.unwrap();
    fixture.memory.rename_filesystem("one", "three");
    let known = fixture.connection.filesystem_with_id(&cx(), one.id).await;
    assert_eq!(known.unwrap().name, "one");
    let at = Subvolume {
        fs: "one".to_owned(),
        group: String::new(),
        name: "x".to_owned(),
    };
    let path = fixture.connection.subvolumes().path(&cx(), &at).await;
    assert_eq!(path.unwrap_err().kind, ErrorKind::FilesystemNotFound);
    let known = fixture.connection.filesystem_with_id(&cx(), one.id).await;
    assert_eq!(known.unwrap().name, "three");
    assert_eq!(fixture.dumps(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_confirmed_by_a_new_look() {
    let fixture = Fixture::new();
    let one = fixture.find("one").await.unwrap();
    let confirm = || async { fixture.connection.confirm(&cx(), &one).await };
    confirm().await.unwrap();
    assert_eq!(fixture.dumps(), 2);
    fixture.memory.rename_filesystem("one", "three");
    let error = confirm().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FilesystemNotFound);
    assert!(
        error.to_string().contains("is called `three` by now"),
        "{error}"
    );
    fixture.memory.remove_filesystem("three");
    let error = confirm().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FilesystemNotFound);
    fixture
        .faults
        .once(|call| call.what.contains("fs dump"), Fault::TimeOut);
    assert_eq!(confirm().await.unwrap_err().kind, ErrorKind::TimedOut);
}
