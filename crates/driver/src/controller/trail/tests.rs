use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ceph::fault::{Fault, Faults};
use ceph::memory::Memory;
use ceph::subvolume::CreateOptions;
use ceph::{Cluster, Connect, Context, ErrorKind, Identity, Pool};

use super::*;
use crate::backend::Backend;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::journal::{
    DEFAULT_PREFIX, Details, NewRecord, NewSnapshot, Reservation, SnapshotDetails,
};

#[derive(Debug)]
struct MemoryConnect(Memory, Faults);

#[async_trait]
impl Connect for MemoryConnect {
    async fn connect(&self, _: &Context, _: &Identity) -> ceph::Result<Arc<dyn Cluster>> {
        Ok(self.1.wrap(self.0.client()))
    }
}

struct Fixture {
    memory: Memory,
    faults: Faults,
    session: Session,
    cx: Context,
}

impl Fixture {
    async fn new() -> Self {
        let (memory, faults) = (Memory::new(), Faults::new());
        memory.create_filesystem("cephfs");
        memory.create_group("cephfs", "csi");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        std::fs::write(&file, r#"[{"clusterID": "c1", "monitors": ["mon"]}]"#).unwrap();
        let config = Arc::new(Config::open(file, "csi"));
        let pool = Pool::new(Arc::new(MemoryConnect(memory.clone(), faults.clone())));
        let backend = Backend::new(config, pool, "default");
        let secrets = [
            ("userID", "k8s"),
            ("userKey", "AQBvaBRnAAAAABAAa2tra2tra2tra2tra2tra2s="),
        ];
        let secrets = secrets
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let credentials = Credentials::from_secrets(&secrets).unwrap();
        let cx = Context::with_timeout(Duration::from_hours(1));
        let session = backend
            .open_named(&cx, "c1", "cephfs", &credentials)
            .await
            .unwrap();
        Self {
            memory,
            faults,
            session,
            cx,
        }
    }

    /// A volume with one key pending.
    async fn volume(&self, name: &str) -> Record {
        let new = NewRecord {
            name_prefix: DEFAULT_PREFIX.to_owned(),
            owner: None,
            backing_snapshot: None,
            details: Details {
                size: None,
                grown: false,
                pool: None,
                group: "csi".to_owned(),
                origin: None,
            },
            pending_metadata: [("pv".to_owned(), name.to_owned())].into(),
        };
        let reservation = self
            .session
            .journal
            .reserve(&self.cx, name, &new)
            .await
            .unwrap();
        let Reservation::New(record) = reservation else {
            panic!("{reservation:?}")
        };
        let at = self.session.subvolume(&record);
        let options = CreateOptions::default();
        self.session
            .subvolumes
            .create(&self.cx, &at, &options)
            .await
            .unwrap();
        record
    }

    /// A snapshot of `of` with one key pending.
    async fn snapshot(&self, name: &str, of: &Record) -> SnapshotRecord {
        let at = self.session.subvolume(of);
        let new = NewSnapshot {
            source: at.name,
            details: SnapshotDetails {
                group: at.group,
                ..SnapshotDetails::default()
            },
            pending_metadata: [("content".to_owned(), name.to_owned())].into(),
            ..NewSnapshot::default()
        };
        let journal = &self.session.snapshot_journal;
        let reservation = journal.reserve(&self.cx, name, &new).await.unwrap();
        let Reservation::New(record) = reservation else {
            panic!("{reservation:?}")
        };
        let at = self.session.snapshot(&record);
        let snapshots = &self.session.snapshots;
        snapshots.create(&self.cx, &at).await.unwrap();
        record
    }

    /// The metadata of all snapshots, and whether anything is pending for one of `records`.
    async fn snapshots(&self, records: &[SnapshotRecord]) -> (Vec<String>, bool) {
        let mut metadata = Vec::new();
        for (_, state) in self.memory.subvolumes() {
            let snapshots = state.snapshots.into_values();
            metadata.extend(snapshots.filter_map(|mut state| state.metadata.remove("content")));
        }
        metadata.sort();
        let mut pending = false;
        for record in records {
            let journal = &self.session.snapshot_journal;
            let read = journal.lookup(&self.cx, &record.uuid).await.unwrap();
            pending |= read.is_some_and(|read| !read.pending_metadata.is_empty());
        }
        (metadata, pending)
    }

    fn metadata(&self) -> Vec<Option<String>> {
        let subvolumes = self.memory.subvolumes().into_iter();
        subvolumes
            .map(|(_, state)| state.metadata.get("pv").cloned())
            .collect()
    }

    fn sets(&self) -> usize {
        self.faults
            .count(|call| call.what.contains("fs subvolume metadata set"))
    }

    async fn pending(&self, record: &Record) -> bool {
        let record = self
            .session
            .journal
            .lookup(&self.cx, &record.uuid)
            .await
            .unwrap();
        record.is_some_and(|record| !record.pending_metadata.is_empty())
    }
}

const LONG: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn what_is_pushed_is_set_and_struck_off() {
    let fixture = Fixture::new().await;
    let trail = Trail::default();
    let record = fixture.volume("a").await;
    trail.push(&fixture.session, &record);
    trail.push(&fixture.session, &record);
    trail.drain(LONG).await;
    assert_eq!(fixture.metadata(), [Some("a".to_owned())]);
    assert!(!fixture.pending(&record).await);
    assert_eq!(fixture.sets(), 1);
}

/// Snapshots have a trail as volumes have, also after a process has died.
#[tokio::test(start_paused = true)]
async fn snapshots_are_followed_as_well() {
    let fixture = Fixture::new().await;
    let volume = fixture.volume("v").await;
    let mut records = Vec::new();
    for name in ["a", "b", "c", "d"] {
        records.push(fixture.snapshot(name, &volume).await);
    }
    let trail = Trail::default();
    trail.push_snapshot(&fixture.session, &records[0]);
    trail.push_snapshot(&fixture.session, &records[1]);
    trail.forget(&records[1].uuid);
    trail.drain(LONG).await;
    let expected = (vec!["a".to_owned()], false);
    assert_eq!(fixture.snapshots(&records[..1]).await, expected);

    // Deleted meanwhile, which is no failure.
    let at = fixture.session.snapshot(&records[3]);
    let snapshots = &fixture.session.snapshots;
    snapshots.remove(&fixture.cx, &at).await.unwrap();
    let next = Trail::default();
    drop(next.foreground(&fixture.session));
    tokio::time::sleep(Duration::from_mins(1)).await;
    let expected = (["a", "b", "c"].map(str::to_owned).to_vec(), false);
    assert_eq!(fixture.snapshots(&records[..3]).await, expected);
    assert_eq!(fixture.metadata(), [Some("v".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn it_yields_to_requests_as_long_as_it_has_patience() {
    let fixture = Fixture::new().await;
    let trail = Trail::default();
    let request = trail.foreground(&fixture.session);
    let record = fixture.volume("a").await;
    trail.push(&fixture.session, &record);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fixture.sets(), 0);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fixture.sets(), 1);
    drop(request);
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_as_soon_as_requests_have_ended() {
    let fixture = Fixture::new().await;
    let trail = Trail::default();
    let request = trail.foreground(&fixture.session);
    let record = fixture.volume("a").await;
    trail.push(&fixture.session, &record);
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(request);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(fixture.sets(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again() {
    let fixture = Fixture::new().await;
    let trail = Trail::default();
    let record = fixture.volume("a").await;
    fixture
        .faults
        .once(|call| call.what.contains("metadata set"), Fault::TimeOut);
    trail.push(&fixture.session, &record);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(fixture.metadata(), [Some("a".to_owned())]);
    assert_eq!(fixture.sets(), 2);
    assert!(!fixture.pending(&record).await);
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_ever_stays_in_the_journal() {
    let fixture = Fixture::new().await;
    let trail = Trail::default();
    let record = fixture.volume("a").await;
    fixture
        .faults
        .always(|call| call.what.contains("metadata set"), Fault::TimeOut);
    trail.push(&fixture.session, &record);
    trail.drain(LONG).await;
    assert_eq!(fixture.sets(), 8);
    assert!(fixture.pending(&record).await);
}

#[tokio::test(start_paused = true)]
async fn a_release_without_metadata_is_asked_once() {
    let fixture = Fixture::new().await;
    let trail = Trail::default();
    let unknown = ceph::Error::new(ErrorKind::Unsupported, "mgr command", "");
    fixture.faults.always(
        |call| call.what.contains("metadata set"),
        Fault::Fail(unknown),
    );
    for name in ["a", "b", "c"] {
        let record = fixture.volume(name).await;
        trail.push(&fixture.session, &record);
        trail.drain(LONG).await;
    }
    // Once more, to be sure that it is the release.
    assert_eq!(fixture.sets(), 2);
}

/// A manager that has not loaded the module uses the same words.
#[tokio::test(start_paused = true)]
async fn metadata_waits_for_the_manager_to_load_its_module() {
    let fixture = Fixture::new().await;
    let trail = Trail::default();
    let record = fixture.volume("a").await;
    let unknown = ceph::Error::answered("mgr command", 22, "No handler found for 'x'");
    fixture.faults.always(
        |call| call.what.contains("mgr command"),
        Fault::Fail(unknown),
    );
    trail.push(&fixture.session, &record);
    tokio::time::sleep(Duration::from_secs(10)).await;
    fixture.faults.clear();
    trail.drain(LONG).await;
    assert!(!fixture.pending(&record).await);
    let subvolumes = fixture.memory.subvolumes();
    assert_eq!(subvolumes[0].1.metadata["pv"], "a");
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_not_set() {
    let fixture = Fixture::new().await;
    let trail = Trail::default();
    let request = trail.foreground(&fixture.session);
    let (a, b) = (fixture.volume("a").await, fixture.volume("b").await);
    trail.push(&fixture.session, &a);
    trail.push(&fixture.session, &b);
    tokio::time::sleep(Duration::from_millis(10)).await;
    trail.forget(&a.uuid);
    trail.forget(&b.uuid);
    drop(request);
    trail.drain(LONG).await;
    assert_eq!(fixture.sets(), 0);
}

/// The next process finds what this one did not come to, and leaves the rest alone.
#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_is_found_again() {
    let fixture = Fixture::new().await;
    let mut records = Vec::new();
    for index in 0..20 {
        records.push(fixture.volume(&format!("pvc-{index}")).await);
    }
    fixture
        .session
        .journal
        .metadata_done(&fixture.cx, &records[7].uuid)
        .await
        .unwrap();

    let next = Trail::default();
    drop(next.foreground(&fixture.session));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(fixture.sets(), 19);
    assert_eq!(
        fixture
            .metadata()
            .iter()
            .filter(|set| set.is_some())
            .count(),
        19
    );
}

/// The journal, or one record of it, cannot be read when the process starts: it looks again with a later request, at
/// most once a minute, and what can be read is not left lying meanwhile.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_looked_up_is_looked_up_again() {
    for object in ["csi.volumes.default", "csi.snaps.default", "csi.volume."] {
        let fixture = Fixture::new().await;
        let volumes = [fixture.volume("a").await, fixture.volume("b").await];
        let unreadable = match object {
            "csi.volume." => format!("{object}{}", volumes[0].uuid),
            directory => directory.to_owned(),
        };
        let chosen = unreadable.clone();
        let refusal = ceph::Error::answered("read", 1, "");
        fixture.faults.always(
            move |call| call.what.contains(&chosen),
            Fault::Fail(refusal),
        );
        let looks = || fixture.faults.count(|call| call.what.contains(&unreadable));
        let next = Trail::default();
        drop(next.foreground(&fixture.session));
        tokio::time::sleep(Duration::from_secs(20)).await;
        let first = looks();
        assert!(first > 0, "{object}");
        if object == "csi.volume." {
            assert_eq!(fixture.sets(), 1, "the other one");
        }

        fixture.faults.clear();
        drop(next.foreground(&fixture.session));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(looks(), first, "{object}: too early");
        tokio::time::sleep(Duration::from_secs(40)).await;
        for _ in 0..2 {
            drop(next.foreground(&fixture.session));
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert_eq!(fixture.sets(), 2, "{object}");
        }
        for volume in &volumes {
            assert!(!fixture.pending(volume).await, "{object}");
        }
    }
}

/// Deleted by somebody else meanwhile: no error, no retry, and no record that comes back.
#[tokio::test(start_paused = true)]
async fn a_volume_that_is_gone_needs_nothing() {
    let fixture = Fixture::new().await;
    let trail = Trail::default();
    let record = fixture.volume("a").await;
    let at = fixture.session.subvolume(&record);
    let forbid = ceph::subvolume::Removal::Plain;
    fixture
        .session
        .subvolumes
        .remove(&fixture.cx, &at, forbid)
        .await
        .unwrap();
    fixture
        .session
        .journal
        .release(&fixture.cx, &record)
        .await
        .unwrap();
    trail.push(&fixture.session, &record);
    trail.drain(LONG).await;
    assert_eq!(fixture.sets(), 1);
    assert_eq!(
        fixture
            .session
            .journal
            .lookup(&fixture.cx, &record.uuid)
            .await
            .unwrap(),
        None
    );
}
