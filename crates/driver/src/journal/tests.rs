use std::time::Duration;

use ceph::fault::{Fault, Faults, Pause};
use ceph::memory::Memory;
use ceph::{Context, Object, WriteOp, WriteStep};

use super::*;
use crate::ids::{Snapshot, VolumeUuid};

mod groups;
mod snapshots;

const NAME: &str = "pvc-0c9b3f1e-0f38-44f6-9f0e-6a5d7a0c2a11";

struct Fixture {
    memory: Memory,
    pool: i64,
    cx: Context,
}

impl Fixture {
    fn new() -> Self {
        let memory = Memory::new();
        let pool = memory.create_filesystem("cephfs").metadata_pool;
        Self {
            memory,
            pool,
            cx: Context::with_timeout(Duration::from_mins(1)),
        }
    }

    fn journal(&self) -> Journal {
        self.journal_of()
    }

    fn journal_of<K: Kind>(&self) -> Journal<K> {
        Journal::new(self.memory.client(), self.pool, "csi", "default")
    }

    /// All omaps of the namespace `csi`, as text.
    fn omaps(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
        let objects = self.memory.objects().into_iter();
        let objects = objects.filter(|(object, _)| object.namespace == "csi");
        objects
            .map(|(object, state)| {
                let omap = state
                    .omap
                    .iter()
                    .map(|(key, value)| (key.clone(), text(value)));
                (object.name, omap.collect())
            })
            .collect()
    }

    async fn set(&self, object: &str, pairs: &[(&str, &str)]) {
        let object = Object {
            pool: self.pool,
            namespace: "csi".to_owned(),
            name: object.to_owned(),
        };
        let omap = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        let write = WriteOp::new()
            .then(WriteStep::Create)
            .then(WriteStep::OmapSet(omap.collect()));
        self.memory
            .client()
            .write(&self.cx, &object, write)
            .await
            .unwrap();
    }
}

fn new_record() -> NewRecord {
    NewRecord {
        name_prefix: DEFAULT_PREFIX.to_owned(),
        owner: Some("shop".to_owned()),
        backing_snapshot: None,
        details: Details {
            size: Some(1 << 30),
            grown: false,
            pool: None,
            group: "csi".to_owned(),
            origin: None,
        },
        pending_metadata: [("csi.storage.k8s.io/pvc/name".to_owned(), "data".to_owned())].into(),
    }
}

pub(super) fn record_of<R>(reservation: Reservation<R>) -> R {
    match reservation {
        Reservation::New(record) | Reservation::Found(record) => record,
    }
}

/// What the original would find, written out by hand from its format.
#[tokio::test]
async fn the_stored_form_is_the_originals() {
    let fixture = Fixture::new();
    let reservation = fixture
        .journal()
        .reserve(&fixture.cx, NAME, &new_record())
        .await
        .unwrap();
    let Reservation::New(record) = reservation else {
        panic!("not new: {reservation:?}")
    };
    let uuid = record.uuid.as_str();
    let expected = serde_json::json!({
        "csi.volumes.default": {
            "csi.volume.pvc-0c9b3f1e-0f38-44f6-9f0e-6a5d7a0c2a11": uuid,
        },
        format!("csi.volume.{uuid}"): {
            "csi.volname": "pvc-0c9b3f1e-0f38-44f6-9f0e-6a5d7a0c2a11",
            "csi.imagename": format!("csi-vol-{uuid}"),
            "csi.volume.owner": "shop",
            "spirula.volume": r#"{"group":"csi","pool":null,"size":1073741824}"#,
            "spirula.metadata.pending": r#"{"csi.storage.k8s.io/pvc/name":"data"}"#,
        },
    });
    assert_eq!(serde_json::json!(fixture.omaps()), expected);
}

#[tokio::test]
async fn a_repeat_finds_the_reservation_and_release_leaves_nothing() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.journal(), &fixture.cx);
    let first = record_of(journal.reserve(cx, NAME, &new_record()).await.unwrap());
    let again = journal.reserve(cx, NAME, &new_record()).await.unwrap();
    assert_eq!(again, Reservation::Found(first.clone()));
    assert_eq!(
        journal.lookup(cx, &first.uuid).await.unwrap(),
        Some(first.clone())
    );

    journal.release(cx, &first).await.unwrap();
    journal.release(cx, &first).await.unwrap();
    assert_eq!(journal.lookup(cx, &first.uuid).await.unwrap(), None);
    assert_eq!(
        serde_json::json!(fixture.omaps()),
        serde_json::json!({"csi.volumes.default": {}})
    );
}

/// A volume that the original made: no notes of ours, the value with a pool id.
#[tokio::test]
async fn volumes_of_the_original_are_found_and_released() {
    let fixture = Fixture::new();
    let uuid = "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
    let value = format!("0000000000000002/{uuid}");
    let key = format!("csi.volume.{NAME}");
    fixture.set("csi.volumes.default", &[(&key, &value)]).await;
    let pairs = [
        ("csi.volname", NAME),
        ("csi.imagename", "k8s-4ea1a1f2"),
        ("csi.imageid", "x"),
    ];
    fixture.set(&format!("csi.volume.{uuid}"), &pairs).await;

    let (journal, cx) = (fixture.journal(), &fixture.cx);
    let record = record_of(journal.reserve(cx, NAME, &new_record()).await.unwrap());
    assert_eq!(record.uuid.as_str(), uuid);
    assert_eq!(record.subvolume, "k8s-4ea1a1f2");
    assert_eq!(record.details, None);
    journal.release(cx, &record).await.unwrap();
    assert_eq!(
        serde_json::json!(fixture.omaps()),
        serde_json::json!({"csi.volumes.default": {}})
    );
}

/// The original's interrupted undo leaves a directory key without a record.
#[tokio::test]
async fn a_key_without_record_is_completed_under_its_uuid() {
    let fixture = Fixture::new();
    let uuid = "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
    fixture
        .set(
            "csi.volumes.default",
            &[(&format!("csi.volume.{NAME}"), uuid)],
        )
        .await;
    let (journal, cx) = (fixture.journal(), &fixture.cx);
    let record = record_of(journal.reserve(cx, NAME, &new_record()).await.unwrap());
    assert_eq!(record.uuid.as_str(), uuid);
    assert_eq!(
        journal.lookup(cx, &record.uuid).await.unwrap(),
        Some(record)
    );
}

/// The original makes the object of the record before it fills it, and before the directory key.
#[tokio::test]
async fn an_object_without_keys_is_filled() {
    let fixture = Fixture::new();
    let uuid = "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
    fixture.set(&format!("csi.volume.{uuid}"), &[]).await;
    let key = format!("csi.volume.{NAME}");
    fixture.set("csi.volumes.default", &[(&key, uuid)]).await;
    let (journal, cx) = (fixture.journal(), &fixture.cx);
    let begun = VolumeUuid::at_end_of(uuid).unwrap();
    assert_eq!(journal.lookup(cx, &begun).await.unwrap(), None);
    let reservation = journal.reserve(cx, NAME, &new_record()).await.unwrap();
    let Reservation::New(record) = reservation else {
        panic!("{reservation:?}")
    };
    assert_eq!(record.uuid, begun);
    let stored = &fixture.omaps()[&format!("csi.volume.{uuid}")];
    assert_eq!(stored["csi.volname"], NAME);
    assert_eq!(stored["csi.imagename"], format!("csi-vol-{uuid}"));
    journal.release(cx, &record).await.unwrap();
    assert_eq!(
        serde_json::json!(fixture.omaps()),
        serde_json::json!({"csi.volumes.default": {}})
    );
}

#[tokio::test]
async fn keys_that_lead_to_a_volume_without_record_are_dropped() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.journal(), &fixture.cx);
    let mut keys = Vec::new();
    for index in 0..1030 {
        keys.push((
            format!("csi.volume.pvc-{index:05}"),
            VolumeUuid::random().to_string(),
        ));
    }
    let pairs: Vec<_> = keys
        .iter()
        .map(|(key, uuid)| (key.as_str(), uuid.as_str()))
        .collect();
    fixture.set("csi.volumes.default", &pairs).await;

    let uuid = VolumeUuid::at_end_of(&keys[1029].1).unwrap();
    journal.release_unrecorded(cx, &uuid).await.unwrap();
    let left = &fixture.omaps()["csi.volumes.default"];
    assert_eq!(left.len(), 1029);
    assert!(!left.contains_key("csi.volume.pvc-01029"));
}

#[tokio::test]
async fn a_name_that_is_somebody_elses_by_now_is_left_alone() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.journal(), &fixture.cx);
    let old = record_of(journal.reserve(cx, NAME, &new_record()).await.unwrap());
    let other = "9a9a1f2f-7b56-4d0c-9c3e-0f6b8a2d1c3e";
    fixture
        .set(
            "csi.volumes.default",
            &[(&format!("csi.volume.{NAME}"), other)],
        )
        .await;
    journal.release(cx, &old).await.unwrap();
    assert_eq!(
        fixture.omaps()["csi.volumes.default"][&format!("csi.volume.{NAME}")],
        other
    );
}

#[tokio::test]
async fn a_record_of_another_name_is_a_conflict() {
    let fixture = Fixture::new();
    let uuid = "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
    fixture
        .set(
            "csi.volumes.default",
            &[(&format!("csi.volume.{NAME}"), uuid)],
        )
        .await;
    fixture
        .set(
            &format!("csi.volume.{uuid}"),
            &[("csi.volname", "pvc-other")],
        )
        .await;
    let error = fixture
        .journal()
        .reserve(&fixture.cx, NAME, &new_record())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::NameConflict { stored, object, .. }
            if stored == "pvc-other" && *object == format!("csi.volume.{uuid}")),
        "{error}"
    );
}

/// Sixteen processes want the same name at once.
#[tokio::test(flavor = "multi_thread")]
async fn racing_reservations_end_with_one_uuid() {
    let fixture = Fixture::new();
    let racers = (0..16).map(|_| {
        let (journal, cx) = (fixture.journal(), fixture.cx.clone());
        tokio::spawn(async move { journal.reserve(&cx, NAME, &new_record()).await.unwrap() })
    });
    let mut new = 0;
    let mut uuids = std::collections::BTreeSet::new();
    for racer in racers.collect::<Vec<_>>() {
        let reservation = racer.await.unwrap();
        new += usize::from(matches!(reservation, Reservation::New(_)));
        uuids.insert(record_of(reservation).uuid);
    }
    assert!(new <= 1);
    assert_eq!(uuids.len(), 1);
    assert_eq!(fixture.omaps().len(), 2, "the directory and one record");
}

/// Whoever lost the answer of a step that took effect finds that effect by repeating.
#[tokio::test]
async fn a_lost_answer_costs_a_repeat_and_nothing_else() {
    for step in 1..=3 {
        let fixture = Fixture::new();
        let faults = Faults::new();
        faults.at(step, Fault::LoseAnswer);
        let cluster = faults.wrap(fixture.memory.client());
        let journal: Journal = Journal::new(cluster, fixture.pool, "csi", "default");
        assert!(
            journal
                .reserve(&fixture.cx, NAME, &new_record())
                .await
                .is_err(),
            "step {step}"
        );
        let record = record_of(
            journal
                .reserve(&fixture.cx, NAME, &new_record())
                .await
                .unwrap(),
        );
        journal.release(&fixture.cx, &record).await.unwrap();
        let left = fixture.omaps();
        assert!(
            left.values().all(BTreeMap::is_empty),
            "step {step}: {left:?}"
        );
    }
}

/// A mark takes the place of the name in one step, so that the record is found whoever dies.
#[tokio::test]
async fn a_retired_record_is_marked_until_it_is_purged() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.journal(), &fixture.cx);
    let record = record_of(journal.reserve(cx, NAME, &new_record()).await.unwrap());
    let uuid = &record.uuid;
    assert!(journal.retire(cx, &record).await.unwrap());
    let directory = &fixture.omaps()["csi.volumes.default"];
    let mark = BTreeMap::from([(format!("spirula.retired.{uuid}"), String::new())]);
    assert_eq!(*directory, mark);
    assert_eq!(journal.retired(cx).await.unwrap(), vec![uuid.clone()]);
    assert_eq!(journal.find(cx, NAME).await.unwrap(), None);
    assert!(!journal.is_reserved(cx, NAME, uuid).await.unwrap());
    let page = journal.page(cx, "", usize::MAX).await.unwrap();
    assert_eq!((page.entries, page.next), (Vec::new(), None));

    // The name is free, and another volume's by the time that the record goes.
    let next = record_of(journal.reserve(cx, NAME, &new_record()).await.unwrap());
    assert_ne!(next.uuid, *uuid);
    for _ in 0..2 {
        journal.purge(cx, uuid).await.unwrap();
    }
    assert_eq!(journal.retired(cx).await.unwrap(), []);
    assert_eq!(journal.lookup(cx, uuid).await.unwrap(), None);
    assert_eq!(journal.find(cx, NAME).await.unwrap(), Some(next.clone()));

    // Who comes late takes nobody's name away.
    assert!(!journal.retire(cx, &record).await.unwrap());
    assert_eq!(journal.find(cx, NAME).await.unwrap(), Some(next));
}

#[tokio::test]
async fn notes_never_bring_a_record_back() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.journal(), &fixture.cx);
    let record = record_of(journal.reserve(cx, NAME, &new_record()).await.unwrap());
    let details = Details {
        size: Some(2 << 30),
        grown: true,
        pool: None,
        group: "csi".to_owned(),
        origin: None,
    };
    journal.note(cx, &record.uuid, &details).await.unwrap();
    journal.metadata_done(cx, &record.uuid).await.unwrap();
    let read = journal.lookup(cx, &record.uuid).await.unwrap().unwrap();
    assert_eq!(
        (read.details, read.pending_metadata.len()),
        (Some(details.clone()), 0)
    );

    journal.release(cx, &record).await.unwrap();
    journal.note(cx, &record.uuid, &details).await.unwrap();
    journal.metadata_done(cx, &record.uuid).await.unwrap();
    assert_eq!(journal.lookup(cx, &record.uuid).await.unwrap(), None);
}

/// Of two that are at one volume either one notes that it is complete, or the other that it is given up.
#[tokio::test]
async fn a_volume_is_complete_or_given_up() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.journal(), &fixture.cx);
    let origin = Origin {
        of: Source::Snapshot("0001-snap".to_owned()),
        subvolume: "csi-vol-1".to_owned(),
        group: "csi".to_owned(),
        snapshot: Some("csi-snap-1".to_owned()),
        since: 0,
        complete: false,
    };
    let mut new = new_record();
    new.details.origin = Some(origin.clone());
    let complete = Details {
        origin: Some(Origin {
            complete: true,
            ..origin
        }),
        ..new.details.clone()
    };
    let record = record_of(journal.reserve(cx, "pvc-1", &new).await.unwrap());
    let uuid = &record.uuid;
    for _ in 0..2 {
        assert!(journal.complete(cx, uuid, &complete).await.unwrap());
        let kept = journal.give_up(cx, uuid).await.unwrap().unwrap();
        assert_eq!(kept.details.as_ref(), Some(&complete));
        assert!(!kept.given_up);
    }
    let record = record_of(journal.reserve(cx, "pvc-2", &new).await.unwrap());
    let uuid = &record.uuid;
    for _ in 0..2 {
        assert_eq!(journal.give_up(cx, uuid).await.unwrap(), None);
        assert!(!journal.complete(cx, uuid, &complete).await.unwrap());
        let stored = &fixture.omaps()[&format!("csi.volume.{uuid}")];
        assert_eq!(stored["spirula.given_up"], "1");
        let read = journal.lookup(cx, uuid).await.unwrap().unwrap();
        assert_eq!(
            (read.given_up, read.details),
            (true, record.details.clone())
        );
    }
    journal.give_back(cx, &record).await.unwrap();
    assert_eq!(journal.give_up(cx, uuid).await.unwrap(), None);
    assert!(!journal.complete(cx, uuid, &complete).await.unwrap());
    assert_eq!(journal.lookup(cx, uuid).await.unwrap(), None);
}

#[tokio::test]
async fn malformed_values_are_named() {
    let fixture = Fixture::new();
    let uuid = VolumeUuid::random();
    let object = format!("csi.volume.{uuid}");
    let record = [("csi.volname", "x"), ("spirula.volume", "{")];
    fixture.set(&object, &record).await;
    let error = fixture
        .journal()
        .lookup(&fixture.cx, &uuid)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&object) && error.contains("spirula.volume"),
        "{error}"
    );
    fixture
        .set("csi.volumes.default", &[("csi.volume.x", "short")])
        .await;
    let error = fixture
        .journal()
        .reserve(&fixture.cx, "x", &new_record())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the value is not a uuid"),
        "{error}"
    );
}

#[tokio::test]
async fn an_absent_record_reads_as_none() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture
            .journal()
            .lookup(&fixture.cx, &VolumeUuid::random())
            .await
            .unwrap(),
        None
    );
}

/// The name is retired and its record purged between two looks of a reservation: at the directory, and at the record.
/// Then the record that it writes has no key, and is taken back; the repeat gets a uuid of its own.
#[tokio::test]
async fn a_name_that_is_retired_between_two_looks_is_reserved_anew() {
    let fixture = Fixture::new();
    let cx = &fixture.cx;
    let journal = fixture.journal();
    let before = record_of(journal.reserve(cx, NAME, &new_record()).await.unwrap());
    let (faults, pause) = (Faults::new(), Pause::new());
    let object = format!("csi.volume.{}", before.uuid);
    faults.once(
        move |call| call.what.contains(&object),
        Fault::Pause(pause.clone()),
    );
    let client = faults.wrap(fixture.memory.client());
    let late: Journal = Journal::new(client, fixture.pool, "csi", "default");
    let new = new_record();
    let (reserved, ()) = tokio::join!(late.reserve(cx, NAME, &new), async {
        assert!(pause.reached().await);
        assert!(journal.retire(cx, &before).await.unwrap());
        journal.purge(cx, &before.uuid).await.unwrap();
        pause.end();
    });
    assert!(matches!(reserved, Err(Error::Contended(_))), "{reserved:?}");
    let directory = BTreeMap::from([("csi.volumes.default".to_owned(), BTreeMap::new())]);
    assert_eq!(fixture.omaps(), directory);

    let again = late.reserve(cx, NAME, &new).await.unwrap();
    let Reservation::New(again) = again else {
        panic!("not new: {again:?}")
    };
    assert_ne!(again.uuid, before.uuid);
    assert_eq!(journal.find(cx, NAME).await.unwrap(), Some(again));
}
