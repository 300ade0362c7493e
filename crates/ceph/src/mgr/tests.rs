use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::subvolume::{CreateOptions, Removal};
use crate::{CloneState, CloneStatus, Clones, Snapshot, Snapshots, Subvolume, Subvolumes};
use crate::{ErrorKind, Lock, Object, ReadAnswer, ReadOp, WriteOp};

/// Answers every manager command with the same bytes and keeps what it was asked.
#[derive(Debug)]
struct Scripted {
    answer: &'static [u8],
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Cluster for Scripted {
    async fn read(&self, _: &Context, _: &Object, _: ReadOp) -> Result<ReadAnswer> {
        unreachable!("no object is used")
    }
    async fn write(&self, _: &Context, _: &Object, _: WriteOp) -> Result<()> {
        unreachable!("no object is used")
    }
    async fn lock(&self, _: &Context, _: &Object, _: &Lock) -> Result<()> {
        unreachable!("no object is used")
    }
    async fn unlock(&self, _: &Context, _: &Object, _: &str, _: &str) -> Result<()> {
        unreachable!("no object is used")
    }
    async fn mon_command(&self, _: &Context, _: &Command) -> Result<Vec<u8>> {
        unreachable!("no monitor is asked")
    }
    async fn mgr_command(&self, _: &Context, command: &Command) -> Result<Vec<u8>> {
        self.asked.lock().unwrap().push(command.json().to_owned());
        Ok(self.answer.to_vec())
    }
    fn is_retired(&self) -> bool {
        false
    }
    fn was_refused(&self) -> bool {
        false
    }
    fn abandoned_calls(&self) -> usize {
        0
    }
}

struct Fixture {
    cluster: Arc<Scripted>,
    subvolumes: Arc<dyn Subvolumes>,
    snapshots: Arc<dyn Snapshots>,
    clones: Arc<dyn Clones>,
    cx: Context,
}

fn answering(answer: &'static [u8]) -> Fixture {
    let asked = Mutex::default();
    let cluster = Arc::new(Scripted { answer, asked });
    let objects = Arc::clone(&cluster) as Arc<dyn Cluster>;
    let volumes = Arc::new(MgrVolumes::new(objects));
    Fixture {
        subvolumes: Arc::clone(&volumes) as _,
        snapshots: Arc::clone(&volumes) as _,
        clones: volumes,
        cluster,
        cx: Context::with_timeout(std::time::Duration::from_secs(1)),
    }
}

fn at(group: &str) -> Subvolume {
    Subvolume {
        fs: "k8scephfs".to_owned(),
        group: group.to_owned(),
        name: "csi-vol-1".to_owned(),
    }
}

#[tokio::test]
async fn commands_have_the_exact_arguments() {
    let Fixture {
        cluster,
        subvolumes,
        cx,
        ..
    } = answering(b"");
    let sized = CreateOptions {
        size: Some(1 << 30),
        pool: Some("fast".to_owned()),
    };
    let plain = CreateOptions::default();
    subvolumes.create(&cx, &at("csi"), &sized).await.unwrap();
    subvolumes.create(&cx, &at(""), &plain).await.unwrap();
    subvolumes.resize(&cx, &at("csi"), 5 << 20).await.unwrap();
    for removal in [Removal::Plain, Removal::Force, Removal::RetainSnapshots] {
        subvolumes.remove(&cx, &at("csi"), removal).await.unwrap();
    }
    let csi = at("csi");
    let set = subvolumes.set_metadata(&cx, &csi, "a/b", "5%");
    set.await.unwrap();
    let asked = cluster.asked.lock().unwrap().join("\n");
    let expected = r#"{"format":"json","group_name":"csi","pool_layout":"fast","prefix":"fs subvolume create","size":1073741824,"sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","prefix":"fs subvolume create","sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","new_size":"5242880","no_shrink":true,"prefix":"fs subvolume resize","sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","prefix":"fs subvolume rm","sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"force":true,"format":"json","group_name":"csi","prefix":"fs subvolume rm","sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","prefix":"fs subvolume rm","retain_snapshots":true,"sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","key_name":"a/b","prefix":"fs subvolume metadata set","sub_name":"csi-vol-1","value":"5%%","vol_name":"k8scephfs"}"#;
    assert_eq!(asked, expected);
}

fn snapshot() -> Snapshot {
    Snapshot {
        of: at("csi"),
        name: "csi-snap-1".to_owned(),
    }
}

#[tokio::test]
async fn commands_for_snapshots_and_clones_have_the_exact_arguments() {
    let Fixture {
        cluster,
        snapshots,
        clones,
        cx,
        ..
    } = answering(b"");
    let at_snapshot = snapshot();
    snapshots.create(&cx, &at_snapshot).await.unwrap();
    snapshots.remove(&cx, &at_snapshot).await.unwrap();
    let set = snapshots.set_metadata(&cx, &at_snapshot, "k", "v");
    set.await.unwrap();
    let (grouped, ungrouped) = (at("apps"), at(""));
    let start = clones.start(&cx, &at_snapshot, &grouped, Some("fast"));
    start.await.unwrap();
    let start = clones.start(&cx, &at_snapshot, &ungrouped, None);
    start.await.unwrap();
    clones.cancel(&cx, &grouped).await.unwrap();
    let asked = cluster.asked.lock().unwrap().join("\n");
    let expected = r#"{"format":"json","group_name":"csi","prefix":"fs subvolume snapshot create","snap_name":"csi-snap-1","sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","prefix":"fs subvolume snapshot rm","snap_name":"csi-snap-1","sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","key_name":"k","prefix":"fs subvolume snapshot metadata set","snap_name":"csi-snap-1","sub_name":"csi-vol-1","value":"v","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","pool_layout":"fast","prefix":"fs subvolume snapshot clone","snap_name":"csi-snap-1","sub_name":"csi-vol-1","target_group_name":"apps","target_sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","prefix":"fs subvolume snapshot clone","snap_name":"csi-snap-1","sub_name":"csi-vol-1","target_sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"clone_name":"csi-vol-1","format":"json","group_name":"apps","prefix":"fs clone cancel","vol_name":"k8scephfs"}"#;
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn names_that_ceph_misunderstands_are_not_sent() {
    let fixture = answering(b"");
    for name in ["", ".", "..", "a/b", "50%", "_a"] {
        let bad = Snapshot {
            name: name.to_owned(),
            ..snapshot()
        };
        let created = fixture.snapshots.create(&fixture.cx, &bad).await;
        assert_eq!(created.unwrap_err().kind, ErrorKind::Invalid, "{name}");
    }
    let elsewhere = Subvolume {
        fs: "another".to_owned(),
        ..at("csi")
    };
    let (clones, from) = (&fixture.clones, snapshot());
    let started = clones.start(&fixture.cx, &from, &elsewhere, None);
    let error = started.await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.to_string().contains("another file system"), "{error}");
    assert_eq!(*fixture.cluster.asked.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_time_without_fraction_and_a_clone_without_name_are_understood() {
    let answer = br#"{"created_at":"2026-01-02 03:04:05","has_pending_clones":"yes"}"#;
    let fixture = answering(answer);
    let info = fixture.snapshots.info(&fixture.cx, &snapshot()).await;
    let info = info.unwrap();
    let created_at: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    assert_eq!(info.created_at, created_at.into());
    assert!(info.has_pending_clones && info.pending_clones.is_empty());
}

async fn status(answer: &'static [u8]) -> Result<CloneStatus> {
    let fixture = answering(answer);
    fixture.clones.status(&fixture.cx, &at("csi")).await
}

/// The forms that other releases are known to answer with.
#[tokio::test]
async fn progress_and_failures_of_other_releases_are_understood() {
    let answer = br#"{"status":{"state":"in-progress",
        "source":{"volume":"cephfs","subvolume":"a","snapshot":"s"},
        "progress_report":{"percentage cloned":"12.24%","amount cloned":"376M/3.0G","files cloned":"4/6"}}}"#;
    let found = status(answer).await.unwrap();
    assert_eq!(found.source.unwrap().of.group, "");
    let progress = found.progress.unwrap();
    assert_eq!(progress, "12.24%, 376M/3.0G bytes, 4/6 files");

    let nothing_told = CloneState::Failed {
        errno: None,
        text: String::new(),
    };
    let quota = CloneState::Failed {
        errno: Some(122),
        text: "Disk quota exceeded".to_owned(),
    };
    let answers: [(&[u8], CloneState); 3] = [
        (br#"{"status":{"state":"failed"}}"#, nothing_told),
        (
            br#"{"status":{"state":"failed","failure":{"errno":"122","errstr":"Disk quota exceeded"}}}"#,
            quota.clone(),
        ),
        (
            br#"{"status":{"state":"failed","failure":{"errno":-122,"errstr":"Disk quota exceeded"}}}"#,
            quota,
        ),
    ];
    for (answer, state) in answers {
        assert_eq!(status(answer).await.unwrap().state, state);
    }
    let unknown = status(br#"{"status":{"state":"resting"}}"#).await;
    assert_eq!(unknown.unwrap_err().kind, ErrorKind::BadAnswer);
}

#[tokio::test]
async fn other_answers_are_bad_answers() {
    for answer in [
        "",
        "volumes/csi",
        "{}",
        "null",
        r#"{"state":"complete","bytes_quota":"many"}"#,
    ] {
        let fixture = answering(answer.as_bytes());
        let (subvolumes, cx) = (&fixture.subvolumes, &fixture.cx);
        let results = [
            subvolumes.path(cx, &at("csi")).await.map(drop),
            subvolumes.info(cx, &at("csi")).await.map(drop),
            subvolumes.list(cx, "k8scephfs", "").await.map(drop),
            fixture.snapshots.info(cx, &snapshot()).await.map(drop),
            fixture.clones.status(cx, &at("csi")).await.map(drop),
        ];
        for result in results {
            assert_eq!(result.unwrap_err().kind, ErrorKind::BadAnswer, "{answer}");
        }
    }
}
