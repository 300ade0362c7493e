//! The bytes are spelled out by hand: they are shared with ceph-csi.

use std::time::Duration;

use ceph::fault::{Fault, Faults};
use ceph::memory::{Memory, ObjectState};

use super::*;

const SNAPSHOT: &str = "0001-0002-c1-0000000000000001-8a1f0f3e-0000-4000-8000-000000000001";
const OBJECT: &str = "rt-backingsnapshot-\
                      0001-0002-c1-0000000000000001-8a1f0f3e-0000-4000-8000-000000000001";
const A: &str = "csi-vol-aaaaaaaa-0000-4000-8000-00000000000a";
const B: &str = "csi-vol-bbbbbbbb-0000-4000-8000-00000000000b";

struct Lab {
    memory: Memory,
    pool: i64,
}

impl Lab {
    fn new() -> Self {
        let memory = Memory::new();
        let pool = memory.create_filesystem("cephfs").metadata_pool;
        Self { memory, pool }
    }

    fn tracker(&self) -> RefTracker {
        RefTracker::new(self.memory.client(), self.pool, "csi")
    }

    fn object(&self) -> Option<ObjectState> {
        let objects = self.memory.objects();
        assert!(objects.len() <= 1, "{objects:?}");
        let (at, state) = objects.into_iter().next()?;
        assert_eq!(
            (at.pool, &*at.namespace, &*at.name),
            (self.pool, "csi", OBJECT)
        );
        Some(state)
    }

    async fn write(&self, steps: impl Into<Vec<WriteStep>>) {
        let op = WriteOp {
            steps: steps.into(),
        };
        let object = self.tracker().object(SNAPSHOT);
        self.memory
            .client()
            .write(&cx(), &object, op)
            .await
            .unwrap();
    }
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_mins(1))
}

/// What the object has: the count's bytes, and the references.
#[track_caller]
fn assert_stored(lab: &Lab, count: [u8; 4], references: &[(&str, u8)]) {
    let state = lab.object().expect("the object is there");
    assert_eq!(state.data, count);
    let expected = references
        .iter()
        .map(|&(key, byte)| (key.to_owned(), vec![byte]));
    assert_eq!(state.omap, expected.collect());
    let xattrs = [("csi.ceph.com/rt-version".to_owned(), vec![0, 0, 0, 1])];
    assert_eq!(state.xattrs, xattrs.into());
}

#[tokio::test]
async fn the_life_of_a_snapshot_with_two_volumes() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    for _ in 0..2 {
        assert!(tracker.add(&cx(), SNAPSHOT, A).await.unwrap());
        assert_stored(&lab, [0, 0, 0, 2], &[(SNAPSHOT, 1), (A, 1)]);
    }
    tracker.add(&cx(), SNAPSHOT, B).await.unwrap();
    assert_stored(&lab, [0, 0, 0, 3], &[(SNAPSHOT, 1), (A, 1), (B, 1)]);
    for _ in 0..2 {
        let held = tracker.mask(&cx(), SNAPSHOT).await.unwrap();
        assert_eq!(held, Held::Masked);
        assert_stored(&lab, [0, 0, 0, 2], &[(SNAPSHOT, 2), (A, 1), (B, 1)]);
    }
    for _ in 0..2 {
        let held = tracker.remove(&cx(), SNAPSHOT, &[A], true).await.unwrap();
        assert_eq!(held, Held::Masked);
        assert_stored(&lab, [0, 0, 0, 1], &[(SNAPSHOT, 2), (B, 1)]);
    }
    // It is masked for good, and nobody new can hold it.
    assert!(tracker.add(&cx(), SNAPSHOT, B).await.unwrap());
    assert!(!tracker.add(&cx(), SNAPSHOT, A).await.unwrap());
    let both = [SNAPSHOT, A];
    tracker.remove(&cx(), SNAPSHOT, &both, true).await.unwrap();
    assert_stored(&lab, [0, 0, 0, 1], &[(SNAPSHOT, 2), (B, 1)]);
    for _ in 0..2 {
        let held = tracker.remove(&cx(), SNAPSHOT, &[B], true).await.unwrap();
        assert_eq!(held, Held::No);
        assert_eq!(lab.object(), None);
    }
}

#[tokio::test]
async fn a_snapshot_outlives_its_volumes_until_it_is_deleted() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    tracker.add(&cx(), SNAPSHOT, A).await.unwrap();
    let held = tracker.remove(&cx(), SNAPSHOT, &[A], true).await.unwrap();
    assert_eq!(held, Held::Yes);
    assert_stored(&lab, [0, 0, 0, 1], &[(SNAPSHOT, 1)]);
    assert_eq!(tracker.mask(&cx(), SNAPSHOT).await.unwrap(), Held::No);
    assert_eq!(lab.object(), None);
    assert_eq!(tracker.mask(&cx(), SNAPSHOT).await.unwrap(), Held::No);
}

/// The mask alone tells that the snapshot is deleted: it does not go with the last reference before that is noted.
#[tokio::test]
async fn a_mask_that_is_not_noted_stays() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    for user in [A, B] {
        tracker.add(&cx(), SNAPSHOT, user).await.unwrap();
    }
    tracker.mask(&cx(), SNAPSHOT).await.unwrap();
    for user in [A, B] {
        let held = tracker.remove(&cx(), SNAPSHOT, &[user], false).await;
        assert_eq!(held.unwrap(), Held::Masked);
        assert_stored(&lab, [0, 0, 0, 1], &[(SNAPSHOT, 2), (B, 1)]);
    }
    let held = tracker.remove(&cx(), SNAPSHOT, &[B], true).await.unwrap();
    assert_eq!((held, lab.object()), (Held::No, None));
}

/// What a creation does that finds the snapshot gone.
#[tokio::test]
async fn the_volume_s_and_the_snapshot_s_reference_go_together() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    tracker.add(&cx(), SNAPSHOT, A).await.unwrap();
    tracker.add(&cx(), SNAPSHOT, B).await.unwrap();
    let both = [SNAPSHOT, B];
    let held = tracker.remove(&cx(), SNAPSHOT, &both, true).await.unwrap();
    assert_eq!(held, Held::Yes);
    assert_stored(&lab, [0, 0, 0, 1], &[(A, 1)]);
    // ceph-csi masks what is not there, too.
    let held = tracker.mask(&cx(), SNAPSHOT).await.unwrap();
    assert_eq!(held, Held::Masked);
    assert_stored(&lab, [0, 0, 0, 1], &[(SNAPSHOT, 2), (A, 1)]);
    let both = [SNAPSHOT, A];
    let held = tracker.remove(&cx(), SNAPSHOT, &both, true).await.unwrap();
    assert_eq!((held, lab.object()), (Held::No, None));
}

#[tokio::test]
async fn what_ceph_csi_wrote_is_changed_in_place() {
    let lab = Lab::new();
    let version = |bytes: &[u8]| WriteStep::SetXattr {
        name: "csi.ceph.com/rt-version".to_owned(),
        value: bytes.to_vec(),
    };
    let references = [(SNAPSHOT.to_owned(), vec![2]), (A.to_owned(), vec![1])];
    lab.write([
        WriteStep::CreateExclusive,
        version(&[0, 0, 0, 1]),
        WriteStep::OmapSet(references.into()),
        WriteStep::WriteFull(vec![0, 0, 0, 1]),
    ])
    .await;
    let tracker = lab.tracker();
    assert!(!tracker.add(&cx(), SNAPSHOT, B).await.unwrap());
    assert!(tracker.add(&cx(), SNAPSHOT, A).await.unwrap());
    let held = tracker.remove(&cx(), SNAPSHOT, &[B], true).await.unwrap();
    assert_eq!(held, Held::Masked);
    assert_stored(&lab, [0, 0, 0, 1], &[(SNAPSHOT, 2), (A, 1)]);

    for (steps, text) in [
        (vec![version(&[0, 0, 0, 2])], "a version that is not known"),
        (
            vec![version(&[0, 0, 0, 1]), WriteStep::WriteFull(vec![2])],
            "not a count of four bytes",
        ),
        (
            vec![WriteStep::WriteFull(vec![0, 0, 0, 2, 0])],
            "not a count of four bytes",
        ),
        (
            vec![
                WriteStep::WriteFull(vec![0, 0, 0, 2]),
                WriteStep::OmapSet([(A.to_owned(), vec![3])].into()),
            ],
            "a reference is not known",
        ),
        (
            vec![
                WriteStep::WriteFull(vec![0, 0, 0, 0]),
                WriteStep::OmapSet([(A.to_owned(), vec![1])].into()),
            ],
            "counts fewer than it has",
        ),
    ] {
        lab.write(steps).await;
        let before = lab.object();
        let error = tracker
            .remove(&cx(), SNAPSHOT, &[A], true)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(lab.object(), before, "{text}");
    }
}

/// Whichever call an answer is lost or a process killed at, the repeat ends in the same bytes.
#[tokio::test]
async fn a_change_that_is_cut_short_is_repeated() {
    for number in 1..=2 {
        for fault in [Fault::TimeOut, Fault::LoseAnswer] {
            let lab = Lab::new();
            let faults = Faults::new();
            faults.at(number, fault);
            let client = faults.wrap(lab.memory.client());
            let cut_short = RefTracker::new(client, lab.pool, "csi");
            let tracker = lab.tracker();
            cut_short.add(&cx(), SNAPSHOT, A).await.unwrap_err();
            tracker.add(&cx(), SNAPSHOT, A).await.unwrap();
            assert_stored(&lab, [0, 0, 0, 2], &[(SNAPSHOT, 1), (A, 1)]);
        }
    }
}

/// Twenty writers on connections of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_lose_nothing() {
    let lab = Lab::new();
    let mut writers = Vec::new();
    for number in 0..20 {
        let tracker = lab.tracker();
        writers.push(tokio::spawn(async move {
            let user = format!("csi-vol-{number}");
            for _ in 0..20 {
                tracker.add(&cx(), SNAPSHOT, &user).await.unwrap();
                let held = tracker
                    .remove(&cx(), SNAPSHOT, &[&user], true)
                    .await
                    .unwrap();
                assert_eq!(held, Held::Yes);
            }
            tracker.add(&cx(), SNAPSHOT, &user).await.unwrap();
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let state = lab.object().unwrap();
    assert_eq!((state.data, state.omap.len()), (vec![0, 0, 0, 21], 21));
}

/// The last references go at the same time as the mask comes: exactly one learns that it was the last,
/// or several do, but never nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_always_the_last() {
    for _ in 0..50 {
        let lab = Lab::new();
        for user in [A, B] {
            lab.tracker().add(&cx(), SNAPSHOT, user).await.unwrap();
        }
        let users = [Some(A), Some(B), None].map(|user| {
            let tracker = lab.tracker();
            tokio::spawn(async move {
                match user {
                    Some(user) => tracker.remove(&cx(), SNAPSHOT, &[user], true).await,
                    None => tracker.mask(&cx(), SNAPSHOT).await,
                }
            })
        });
        let mut last = 0;
        for user in users {
            if user.await.unwrap().unwrap() == Held::No {
                last += 1;
            }
        }
        assert_eq!((last, lab.object()), (1, None));
    }
}

#[tokio::test]
async fn all_volumes_of_a_snapshot_are_told() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    assert_eq!(tracker.users(&cx(), SNAPSHOT).await.unwrap(), [""; 0]);
    // More than one page.
    let mut users: Vec<String> = (0..1100)
        .map(|number| format!("csi-vol-{number}"))
        .collect();
    users.sort();
    for user in &users {
        assert!(tracker.add(&cx(), SNAPSHOT, user).await.unwrap());
    }
    assert_eq!(tracker.users(&cx(), SNAPSHOT).await.unwrap(), users);
    tracker.mask(&cx(), SNAPSHOT).await.unwrap();
    assert_eq!(tracker.users(&cx(), SNAPSHOT).await.unwrap(), users);
}
