//! Group snapshots in the journal. What ceph-csi stores is written out by hand from its format.

use super::*;
use crate::ids::{Group, GroupUuid, SnapshotId, VolumeId};

const NAME: &str = "groupsnapshot-7d0c2f7a-5f5e-4f0e-9d3c-3a1b8c6e2f10";
const UUID: &str = "2f6b3c58-11d0-4b8e-8c38-93a1a2b7d9c4";
const VOLUME: &str = "0001-0002-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
const SNAPSHOT: &str = "0001-0002-c1-0000000000000001-9b1d7c52-30cf-4d3b-8a44-1f5b6c7d8e9f";
/// 2025-11-24T16:00:00.123456Z.
const AT: i64 = 1_764_000_000_123_456_000;

fn new_group() -> NewGroup {
    NewGroup {
        name_prefix: None,
        attempt: Attempt::now(),
    }
}

fn members() -> BTreeMap<String, String> {
    [(VOLUME.to_owned(), SNAPSHOT.to_owned())].into()
}

impl Fixture {
    fn groups(&self) -> Journal<Group> {
        self.journal_of()
    }

    async fn reserved_group(&self) -> GroupRecord {
        let reserved = self.groups().reserve(&self.cx, NAME, &new_group()).await;
        record_of(reserved.unwrap())
    }

    fn no_group_is_left(&self) {
        let expected = serde_json::json!({"csi.groups.default": {}});
        assert_eq!(serde_json::json!(self.omaps()), expected);
    }
}

/// No key but the original's: it would take any other for a member.
#[tokio::test]
async fn the_stored_form_is_the_originals() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.groups(), &fixture.cx);
    let group = fixture.reserved_group().await;
    let uuid = group.uuid.clone();
    let volume = VolumeId::decode(VOLUME).unwrap();
    assert_eq!(
        group.member_name(&volume),
        format!("csi-vol-group-{uuid}-{VOLUME}")
    );
    let begun = group.created.clone().unwrap();
    begun.parse::<jiff::Timestamp>().unwrap();
    let mut expected = serde_json::json!({
        "csi.groups.default": {
            "csi.volume.group.groupsnapshot-7d0c2f7a-5f5e-4f0e-9d3c-3a1b8c6e2f10": uuid.as_str(),
        },
        format!("csi.volume.group.{uuid}"): {
            "csi.volname": "groupsnapshot-7d0c2f7a-5f5e-4f0e-9d3c-3a1b8c6e2f10",
            "csi.groupname": format!("csi-vol-group-{uuid}"),
            "csi.creationtime": begun,
        },
    });
    assert_eq!(serde_json::json!(fixture.omaps()), expected);

    let complete = journal.complete(cx, &group, members(), AT).await.unwrap();
    let record = &mut expected[format!("csi.volume.group.{uuid}")];
    record["csi.creationtime"] = "2025-11-24T16:00:00.123456Z".into();
    record[VOLUME] = SNAPSHOT.into();
    assert_eq!(serde_json::json!(fixture.omaps()), expected);

    let read = journal.lookup(cx, &uuid).await.unwrap().unwrap();
    assert_eq!(read, complete);
    assert_eq!(read.created_at(), Some(AT));
    let snapshot = SnapshotId::decode(SNAPSHOT).unwrap();
    assert_eq!(read.snapshots().unwrap(), [(VOLUME, snapshot)]);
    journal.release(cx, &read).await.unwrap();
    fixture.no_group_is_left();
}

/// Older ones have no creation time; the class of this one had a prefix.
#[tokio::test]
async fn groups_of_the_original_are_found_and_released() {
    for created in [None, Some("2025-11-24T17:00:00.123456+01:00")] {
        let fixture = Fixture::new();
        let key = format!("csi.volume.group.{NAME}");
        fixture.set("csi.groups.default", &[(&key, UUID)]).await;
        let object = format!("csi.volume.group.{UUID}");
        let name = format!("nightly-{UUID}");
        let keys = [("csi.volname", NAME), ("csi.groupname", &name)];
        fixture.set(&object, &keys).await;
        fixture.set(&object, &[(VOLUME, SNAPSHOT)]).await;
        if let Some(created) = created {
            let key = [("csi.creationtime", created)];
            fixture.set(&object, &key).await;
        }
        let (journal, cx) = (fixture.groups(), &fixture.cx);
        let found = journal.find(cx, NAME).await.unwrap().unwrap();
        let expected = GroupRecord {
            uuid: GroupUuid::at_end_of(UUID).unwrap(),
            request_name: Some(NAME.to_owned()),
            name,
            created: created.map(str::to_owned),
            members: members(),
        };
        assert_eq!(found, expected);
        assert_eq!(found.created_at(), created.map(|_| AT));
        journal.release(cx, &found).await.unwrap();
        fixture.no_group_is_left();
    }
}

/// Of two attempts at one group the one that began last completes it, and neither removes it from the
/// other.
#[tokio::test]
async fn an_attempt_that_was_overtaken_changes_nothing() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.groups(), &fixture.cx);
    let first = fixture.reserved_group().await;
    let second = journal.begin(cx, &first).await.unwrap();
    let before = fixture.omaps();
    let refused = [
        journal.complete(cx, &first, members(), AT).await,
        journal.begin(cx, &first).await,
    ];
    for refused in refused {
        assert!(matches!(refused, Err(Error::Contended(name)) if name == NAME));
    }
    journal.give_attempt_up(cx, &first).await.unwrap();
    assert_eq!(fixture.omaps(), before);

    let complete = journal.complete(cx, &second, members(), AT).await.unwrap();
    let late = journal.begin(cx, &second).await;
    assert!(matches!(late, Err(Error::Contended(_))));
    journal.give_attempt_up(cx, &second).await.unwrap();
    let read = journal.find(cx, NAME).await.unwrap();
    assert_eq!(read.as_ref(), Some(&complete));

    // Taken up again, as what ceph-csi left half done.
    let third = journal.begin(cx, &complete).await.unwrap();
    let read = journal.find(cx, NAME).await.unwrap();
    assert_eq!(read.as_ref(), Some(&third));
    assert!(third.members.is_empty());
    journal.give_attempt_up(cx, &third).await.unwrap();
    fixture.no_group_is_left();
    let gone = journal.complete(cx, &third, members(), AT).await;
    assert!(matches!(gone, Err(Error::Contended(_))));
}

/// More members than one read tells.
#[tokio::test]
async fn a_group_may_have_very_many_members() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.groups(), &fixture.cx);
    let group = fixture.reserved_group().await;
    let number = |number| VOLUME.replace("4ea1a1f2", &format!("{number:08x}"));
    let members: BTreeMap<_, _> = (0..1300)
        .map(|index| (number(index), SNAPSHOT.to_owned()))
        .collect();
    let complete = journal.complete(cx, &group, members, AT).await.unwrap();
    let read = journal.find(cx, NAME).await.unwrap();
    assert_eq!(read, Some(complete));
}

/// Those of the group, and not those of another whose name begins alike.
#[tokio::test]
async fn members_are_found_by_the_name_of_their_group() {
    let fixture = Fixture::new();
    let (journal, cx) = (fixture.journal_of::<Snapshot>(), &fixture.cx);
    let new = NewSnapshot {
        source: "csi-vol-x".to_owned(),
        ..NewSnapshot::default()
    };
    for name in ["a", "g-1", "g-2", "g2-1", "g", "z"] {
        journal.reserve(cx, name, &new).await.unwrap();
    }
    let found = journal.named_under(cx, "g-").await.unwrap();
    let names: Vec<_> = found.iter().map(|entry| &*entry.request_name).collect();
    assert_eq!(names, ["g-1", "g-2"]);
    for entry in &found {
        journal.release_entry(cx, entry).await.unwrap();
    }
    assert_eq!(journal.named_under(cx, "g-").await.unwrap(), []);
    assert_eq!(journal.named_under(cx, "").await.unwrap().len(), 4);
}

#[tokio::test]
async fn what_is_no_snapshot_id_is_nobodys_to_guess() {
    let fixture = Fixture::new();
    let object = format!("csi.volume.group.{UUID}");
    let keys = [("csi.volname", NAME), (VOLUME, "x")];
    fixture.set(&object, &keys).await;
    let uuid = GroupUuid::at_end_of(UUID).unwrap();
    let read = fixture.groups().lookup(&fixture.cx, &uuid).await;
    assert_eq!(
        read.unwrap().unwrap().snapshots().unwrap_err().to_string(),
        format!(
            "journal object `csi.volume.group.{UUID}`, key `{VOLUME}`: the value is not the id of a \
             snapshot"
        )
    );
}
