//! Snapshots in the journal. What ceph-csi stores is written out by hand from its format.

use super::*;
use crate::ids::SnapshotUuid;

const NAME: &str = "snapshot-7d0c2f7a-5f5e-4f0e-9d3c-3a1b8c6e2f10";
const UUID: &str = "9b1d7c52-30cf-4d3b-8a44-1f5b6c7d8e9f";
const SOURCE: &str = "csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";

fn new_snapshot() -> NewSnapshot {
    NewSnapshot {
        name_prefix: None,
        source: SOURCE.to_owned(),
        owner: Some("shop".to_owned()),
        details: SnapshotDetails {
            group: "csi".to_owned(),
            ..SnapshotDetails::default()
        },
        pending_metadata: [(
            "csi.storage.k8s.io/volumesnapshot/name".to_owned(),
            "nightly".to_owned(),
        )]
        .into(),
    }
}

fn record_object() -> String {
    format!("csi.snap.{UUID}")
}

fn uuid() -> SnapshotUuid {
    SnapshotUuid::at_end_of(UUID).unwrap()
}

impl Fixture {
    fn snapshots(&self) -> Journal<Snapshot> {
        self.journal_of()
    }

    /// A reservation whose record has these keys.
    async fn stored(&self, record: &[(&str, &str)]) {
        let key = format!("csi.snap.{NAME}");
        self.set("csi.snaps.default", &[(&key, UUID)]).await;
        self.set(&record_object(), record).await;
    }

    fn nothing_is_left(&self) {
        let expected = serde_json::json!({"csi.snaps.default": {}});
        assert_eq!(serde_json::json!(self.omaps()), expected);
    }
}

#[tokio::test]
async fn the_stored_form_is_the_originals() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.snapshots(), &fixture.cx);
    let made = journal.reserve(cx, NAME, &new_snapshot()).await.unwrap();
    let Reservation::New(record) = made else {
        panic!("{made:?}")
    };
    let uuid = record.uuid.as_str();
    assert_eq!(record.name, format!("csi-snap-{uuid}"));
    let taken = Taken {
        at: 1_764_000_000_123_456_000,
        size: Some(1 << 30),
    };
    let details = SnapshotDetails {
        taken: Some(taken),
        ..new_snapshot().details
    };
    journal.note(cx, &record.uuid, &details).await.unwrap();
    let expected = serde_json::json!({
        "csi.snaps.default": {
            "csi.snap.snapshot-7d0c2f7a-5f5e-4f0e-9d3c-3a1b8c6e2f10": uuid,
        },
        format!("csi.snap.{uuid}"): {
            "csi.snapname": "snapshot-7d0c2f7a-5f5e-4f0e-9d3c-3a1b8c6e2f10",
            "csi.imagename": format!("csi-snap-{uuid}"),
            "csi.source": "csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
            "csi.volume.owner": "shop",
            "spirula.snapshot":
                r#"{"group":"csi","taken":{"at":1764000000123456000,"size":1073741824}}"#,
            "spirula.metadata.pending": r#"{"csi.storage.k8s.io/volumesnapshot/name":"nightly"}"#,
        },
    });
    assert_eq!(serde_json::json!(fixture.omaps()), expected);

    let read = journal.lookup(cx, &record.uuid).await.unwrap().unwrap();
    assert_eq!(
        read,
        SnapshotRecord {
            details: Some(details),
            ..record
        }
    );
    let source = read.source_uuid().unwrap();
    assert_eq!(source.as_str(), "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e");
    journal.release(cx, &read).await.unwrap();
    fixture.nothing_is_left();
}

/// Of the original's, too, which has no notes of ours.
#[tokio::test]
async fn a_deleted_snapshot_is_told_from_others() {
    let fixture = Fixture::new();
    let record = [("csi.snapname", NAME), ("csi.source", SOURCE)];
    fixture.stored(&record).await;
    let (journal, cx) = (fixture.snapshots(), &fixture.cx);
    let found = journal.lookup(cx, &uuid()).await.unwrap().unwrap();
    assert!(!found.deleted);
    for _ in 0..2 {
        journal.note_deleted(cx, &uuid()).await.unwrap();
        let stored = serde_json::json!(fixture.omaps()).to_string();
        assert!(stored.contains(r#""spirula.deleted":"1""#), "{stored}");
    }
    let found = journal.lookup(cx, &uuid()).await.unwrap().unwrap();
    assert!(found.deleted);
    // Who has not read it is told who has noted it first.
    let unread = async || journal.note_deleted_unread(cx, &uuid()).await.unwrap();
    assert!(!unread().await);
    journal.note_kept(cx, &uuid()).await.unwrap();
    assert!(unread().await && !unread().await);
    journal.release(cx, &found).await.unwrap();
    journal.note_deleted(cx, &uuid()).await.unwrap();
    assert!(!unread().await);
    fixture.nothing_is_left();
}

/// A volume and a snapshot may have one name, and even one uuid: their objects and keys are apart.
#[tokio::test]
async fn volumes_and_snapshots_do_not_meet() {
    let fixture = Fixture::new();
    let cx = &fixture.cx;
    let volume = fixture.journal().reserve(cx, NAME, &new_record()).await;
    let volume = record_of(volume.unwrap());
    let snapshot = fixture.snapshots().reserve(cx, NAME, &new_snapshot()).await;
    let snapshot = record_of(snapshot.unwrap());
    fixture.snapshots().release(cx, &snapshot).await.unwrap();
    let found = fixture.journal().lookup(cx, &volume.uuid).await.unwrap();
    assert_eq!(found, Some(volume));
}

/// What the original writes of a snapshot of an encrypted volume: the owner under the empty key, which
/// no listing shows.
#[tokio::test]
async fn snapshots_of_the_original_are_found_and_released() {
    let fixture = Fixture::new();
    let record = [
        ("csi.snapname", NAME),
        ("csi.imagename", "k8s-9b1d7c52"),
        ("csi.source", SOURCE),
        ("csi.volume.encryptKMS", "vault"),
        ("csi.volume.encryptionType", "file"),
        ("", "shop"),
    ];
    fixture.stored(&record).await;
    let (journal, cx) = (fixture.snapshots(), &fixture.cx);
    let found = journal.reserve(cx, NAME, &new_snapshot()).await.unwrap();
    let expected = SnapshotRecord {
        uuid: uuid(),
        request_name: Some(NAME.to_owned()),
        name: "k8s-9b1d7c52".to_owned(),
        source: SOURCE.to_owned(),
        owner: Some("shop".to_owned()),
        kms_id: Some("vault".to_owned()),
        details: None,
        pending_metadata: BTreeMap::new(),
        deleted: false,
    };
    assert_eq!(found, Reservation::Found(expected.clone()));
    journal.release(cx, &expected).await.unwrap();
    fixture.nothing_is_left();
}

/// The original stores an owner even if it has none, and once it is mended it may write the right key.
#[tokio::test]
async fn the_owner_under_its_own_key_holds() {
    let cases = [
        (vec![("csi.volume.owner", "a"), ("", "b")], Some("a")),
        (vec![("", "")], None),
        (vec![], None),
    ];
    for (keys, owner) in cases {
        let fixture = Fixture::new();
        let mut record = vec![("csi.snapname", NAME), ("csi.source", SOURCE)];
        record.extend(&keys);
        fixture.stored(&record).await;
        let read = fixture.snapshots().lookup(&fixture.cx, &uuid()).await;
        let read = read.unwrap().unwrap();
        assert_eq!(read.owner.as_deref(), owner, "{keys:?}");
        assert_eq!(read.name, format!("csi-snap-{UUID}"));
    }
}

/// The original died before the directory key: its object is in nobody's way, and goes with its id.
#[tokio::test]
async fn an_object_that_no_key_leads_to_is_released_by_its_uuid() {
    let fixture = Fixture::new();
    fixture.set(&record_object(), &[]).await;
    let (journal, cx) = (fixture.snapshots(), &fixture.cx);
    let made = record_of(journal.reserve(cx, NAME, &new_snapshot()).await.unwrap());
    assert_ne!(made.uuid, uuid());
    journal.release_unrecorded(cx, &uuid()).await.unwrap();
    journal.release(cx, &made).await.unwrap();
    fixture.nothing_is_left();
}

/// The original died between the directory key and the keys of the record.
#[tokio::test]
async fn an_object_without_keys_is_filled_or_released() {
    for fill in [true, false] {
        let fixture = Fixture::new();
        fixture.stored(&[]).await;
        let (journal, cx) = (fixture.snapshots(), &fixture.cx);
        assert_eq!(journal.lookup(cx, &uuid()).await.unwrap(), None);
        if fill {
            let made = journal.reserve(cx, NAME, &new_snapshot()).await.unwrap();
            let Reservation::New(record) = made else {
                panic!("{made:?}")
            };
            assert_eq!(record.uuid, uuid());
            let stored = &fixture.omaps()[&record_object()];
            assert_eq!(
                (&*stored["csi.snapname"], &*stored["csi.source"]),
                (NAME, SOURCE)
            );
            journal.release(cx, &record).await.unwrap();
        } else {
            journal.release_unrecorded(cx, &uuid()).await.unwrap();
        }
        fixture.nothing_is_left();
    }
}

/// The original's undo removes the record and then the key, and died in between.
#[tokio::test]
async fn a_key_without_record_is_completed_or_released() {
    for complete in [true, false] {
        let fixture = Fixture::new();
        let key = format!("csi.snap.{NAME}");
        fixture.set("csi.snaps.default", &[(&key, UUID)]).await;
        let (journal, cx) = (fixture.snapshots(), &fixture.cx);
        if complete {
            let made = record_of(journal.reserve(cx, NAME, &new_snapshot()).await.unwrap());
            assert_eq!(made.uuid, uuid());
            let read = journal.lookup(cx, &uuid()).await.unwrap();
            assert_eq!(read.as_ref(), Some(&made));
            journal.release(cx, &made).await.unwrap();
        } else {
            journal.release_unrecorded(cx, &uuid()).await.unwrap();
        }
        fixture.nothing_is_left();
    }
}

#[tokio::test]
async fn a_record_without_source_is_nobodys_to_guess() {
    let fixture = Fixture::new();
    fixture.stored(&[("csi.snapname", NAME)]).await;
    let read = fixture.snapshots().lookup(&fixture.cx, &uuid()).await;
    assert_eq!(
        read.unwrap_err().to_string(),
        format!(
            "journal object `csi.snap.{UUID}` lacks the key `csi.source`, without which nobody can tell \
             what it is about; look at it with `rados listomapvals` before anything else"
        )
    );
}

/// Repeating a request whose snapshot went missing makes its notes those of a snapshot not yet taken.
#[tokio::test]
async fn a_renewed_record_is_as_new() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.snapshots(), &fixture.cx);
    let made = record_of(journal.reserve(cx, NAME, &new_snapshot()).await.unwrap());
    let taken = Some(Taken { at: 1, size: None });
    let details = SnapshotDetails {
        taken,
        ..new_snapshot().details
    };
    journal.note(cx, &made.uuid, &details).await.unwrap();
    journal.metadata_done(cx, &made.uuid).await.unwrap();
    let read = journal.lookup(cx, &made.uuid).await.unwrap().unwrap();
    let renewed = journal.renew(cx, read, &new_snapshot()).await.unwrap();
    assert_eq!(renewed, made);
    let read = journal.lookup(cx, &made.uuid).await.unwrap();
    assert_eq!(read, Some(made));
}

/// What two note who do not know of each other, the first has noted.
#[tokio::test]
async fn a_note_over_others_is_refused() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.snapshots(), &fixture.cx);
    let made = record_of(journal.reserve(cx, NAME, &new_snapshot()).await.unwrap());
    let (uuid, known) = (&made.uuid, made.details.as_ref());
    let [first, second] = [1, 2].map(|at| SnapshotDetails {
        taken: Some(Taken { at, size: None }),
        ..new_snapshot().details
    });
    let noted = journal.note_over(cx, uuid, known, &first).await.unwrap();
    assert_eq!(noted, NotedOver::Yes);
    let noted = journal.note_over(cx, uuid, known, &second).await.unwrap();
    assert_eq!(noted, NotedOver::Changed);
    let read = journal.lookup(cx, uuid).await.unwrap().unwrap();
    assert_eq!(read.details.as_ref(), Some(&first));

    let other = NewSnapshot {
        source: "csi-vol-other".to_owned(),
        pending_metadata: BTreeMap::new(),
        ..new_snapshot()
    };
    let refused = journal.renew_over(cx, made.clone(), &other).await;
    assert!(matches!(refused, Err(Error::Contended(_))), "{refused:?}");
    journal.release(cx, &made).await.unwrap();
    let noted = journal.note_over(cx, uuid, known, &second).await.unwrap();
    assert_eq!(noted, NotedOver::Gone);
}
