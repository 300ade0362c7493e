use std::sync::Mutex;

use super::*;
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
    fn abandoned_calls(&self) -> usize {
        0
    }
}

struct Fixture {
    cluster: Arc<Scripted>,
    subvolumes: MgrSubvolumes,
    cx: Context,
}

fn answering(answer: &'static [u8]) -> Fixture {
    let asked = Mutex::default();
    let cluster = Arc::new(Scripted { answer, asked });
    Fixture {
        subvolumes: MgrSubvolumes::new(Arc::clone(&cluster) as Arc<dyn Cluster>),
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

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../fixtures/16.2.15/", $name))
    };
}

#[tokio::test]
async fn commands_have_the_exact_arguments() {
    let Fixture {
        cluster,
        subvolumes,
        cx,
    } = answering(b"");
    let sized = CreateOptions {
        size: Some(1 << 30),
        pool: Some("fast".to_owned()),
    };
    let plain = CreateOptions::default();
    subvolumes.create(&cx, &at("csi"), &sized).await.unwrap();
    subvolumes.create(&cx, &at(""), &plain).await.unwrap();
    subvolumes.resize(&cx, &at("csi"), 5 << 20).await.unwrap();
    for snapshots in [Snapshots::Forbid, Snapshots::Retain] {
        subvolumes.remove(&cx, &at("csi"), snapshots).await.unwrap();
    }
    let csi = at("csi");
    let set = subvolumes.set_metadata(&cx, &csi, "a/b", "5%");
    set.await.unwrap();
    let asked = cluster.asked.lock().unwrap().join("\n");
    let expected = r#"{"format":"json","group_name":"csi","pool_layout":"fast","prefix":"fs subvolume create","size":1073741824,"sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","prefix":"fs subvolume create","sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","new_size":"5242880","no_shrink":true,"prefix":"fs subvolume resize","sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","prefix":"fs subvolume rm","sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","prefix":"fs subvolume rm","retain_snapshots":true,"sub_name":"csi-vol-1","vol_name":"k8scephfs"}
{"format":"json","group_name":"csi","key_name":"a/b","prefix":"fs subvolume metadata set","sub_name":"csi-vol-1","value":"5%%","vol_name":"k8scephfs"}"#;
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn path_is_the_line_without_its_end() {
    let fixture = answering(fixture!("subvolume_getpath.txt"));
    let path = fixture.subvolumes.path(&fixture.cx, &at("csi")).await;
    let path = path.unwrap();
    assert!(path.starts_with("/volumes/csi/csi-vol-"), "{path}");
    assert_eq!(path, path.trim());
}

#[tokio::test]
async fn info_of_ceph_16_is_understood() {
    let fixture = answering(fixture!("subvolume_info.json"));
    let info = fixture.subvolumes.info(&fixture.cx, &at("csi")).await;
    let info = info.unwrap();
    assert!(info.path.starts_with("/volumes/csi/csi-vol-"));
    assert_eq!(info.quota, Some(1 << 30));
    assert_eq!(info.used, 0);
    assert_eq!(info.state, "complete");
    assert_eq!(info.data_pool, "cephfs-data");
    let features = [
        "snapshot-clone",
        "snapshot-autoprotect",
        "snapshot-retention",
    ];
    assert_eq!(info.features, features);
}

#[tokio::test]
async fn infinite_is_no_quota() {
    let fixture = answering(fixture!("subvolume_info_unlimited.json"));
    let info = fixture.subvolumes.info(&fixture.cx, &at("csi")).await;
    assert_eq!(info.unwrap().quota, None);
}

#[tokio::test]
async fn retained_snapshots_have_no_path() {
    let fixture = answering(fixture!("subvolume_info_retained.json"));
    let info = fixture.subvolumes.info(&fixture.cx, &at("csi")).await;
    let info = info.unwrap();
    assert_eq!(
        (info.state.as_str(), info.path.as_str()),
        ("snapshot-retained", "")
    );
}

#[tokio::test]
async fn lists_and_metadata_of_ceph_16_are_understood() {
    let fixture = answering(fixture!("subvolume_ls.json"));
    let names = fixture.subvolumes.list(&fixture.cx, "k8scephfs", "csi");
    let names = names.await.unwrap();
    assert_eq!(names, ["csi-vol-5f1c7e2a-4d0b-4a55-9f3e-0c1d2e3f4a5b"]);

    let fixture = answering(fixture!("subvolume_metadata_ls.json"));
    let metadata = fixture.subvolumes.metadata(&fixture.cx, &at("csi")).await;
    let expected = [
        ("csi.ceph.com/cluster/name", "west"),
        ("csi.storage.k8s.io/pvc/name", "data-0"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(metadata.unwrap(), BTreeMap::from(expected));
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
        ];
        for result in results {
            assert_eq!(result.unwrap_err().kind, ErrorKind::BadAnswer, "{answer}");
        }
    }
}
