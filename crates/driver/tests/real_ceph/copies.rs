//! Volumes made of snapshots and of other volumes on a real Ceph: their data, byte for byte, many at
//! once, and the deletion of what is not complete.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use csi_proto::v1::volume_content_source::{SnapshotSource, Type, VolumeSource};
use csi_proto::v1::{self as csi};
use tonic::Code;

use crate::driver::Driver;
use crate::lab::{Lab, run};
use crate::mount::Mount;
use crate::snapshots::subvolume_of;

impl Lab {
    pub(crate) fn copy(&self, name: &str, gib: i64, of: Type) -> csi::CreateVolumeRequest {
        csi::CreateVolumeRequest {
            volume_content_source: Some(csi::VolumeContentSource { r#type: Some(of) }),
            ..self.create(name, gib)
        }
    }

    /// Does something in the volume's directory.
    pub(crate) fn mounted<T>(&self, volume: &csi::Volume, work: impl FnOnce(&Path) -> T) -> T {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mount");
        let mount = Mount::new(self, Path::new("/dev/null"), path, volume);
        let result = work(mount.path());
        mount.end();
        result
    }
}

pub(crate) fn of_volume(volume: &csi::Volume) -> Type {
    Type::Volume(VolumeSource {
        volume_id: volume.volume_id.clone(),
    })
}

/// Sizes and contents that no two files share.
pub(crate) fn write_files(root: &Path, seed: u8) {
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    for (n, len) in [(1, 0), (2, 1), (3, 70_000), (4, 5_000_000)] {
        let content: Vec<u8> = (0..len)
            .map(|i: usize| i.wrapping_mul(31).to_le_bytes()[1] ^ seed)
            .collect();
        std::fs::write(root.join(format!("a/b/file{n}-{seed}")), content).unwrap();
    }
    std::os::unix::fs::symlink("b/file3", root.join(format!("a/link-{seed}"))).unwrap();
}

/// Every file with the hash of its content, and every link with its target.
pub(crate) fn content(root: &Path) -> BTreeMap<String, String> {
    let list = "find . -type f -exec sha256sum {} + ; find . -type l -printf '%l  %p\\n'";
    let root = root.to_str().unwrap();
    let listed = run("sh", &["-c", &format!("cd {root} && {list}")]);
    let lines = listed.lines().map(|line| line.split_once("  ").unwrap());
    lines
        .map(|(hash, path)| (path.to_owned(), hash.to_owned()))
        .collect()
}

/// A restore has what the snapshot has, a copy what the volume has; a larger size is given; the sources
/// can go; and nothing is left.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Ceph cluster and root: dev/test copies"]
async fn copies_have_the_data_of_their_sources() {
    let lab = Lab::new();
    let driver = Driver::start(&lab.config(), &[]);
    let mut client = driver.controller().await;
    let made = client.create_volume(lab.create("source", 1)).await.unwrap();
    let source = made.into_inner().volume.unwrap();
    let before = lab.mounted(&source, |root| {
        write_files(root, 1);
        content(root)
    });
    let snapshot = client
        .create_snapshot(lab.snapshot("snap", &source.volume_id))
        .await;
    let snapshot_id = snapshot.unwrap().into_inner().snapshot.unwrap().snapshot_id;
    let after = lab.mounted(&source, |root| {
        write_files(root, 2);
        content(root)
    });
    assert_ne!(before, after);
    let of_snapshot = Type::Snapshot(SnapshotSource {
        snapshot_id: snapshot_id.clone(),
    });
    let mut copies = Vec::new();
    for (name, gib, of, expected) in [
        ("restored", 1, of_snapshot, &before),
        ("copied", 3, of_volume(&source), &after),
    ] {
        let began = Instant::now();
        let request = lab.copy(name, gib, of);
        let sent = request.volume_content_source.clone();
        let made = client.create_volume(request.clone()).await.unwrap();
        println!("{name} after {:.2?}", began.elapsed());
        let made = made.into_inner().volume.unwrap();
        assert_eq!(made.content_source, sent);
        let info = lab.subvolume(&["info"], &[&subvolume_of(&made)]);
        assert_eq!(info["bytes_quota"].as_i64(), Some(gib << 30));
        assert_eq!(lab.mounted(&made, content), *expected, "{name}");
        let again = client.create_volume(request).await.unwrap();
        assert_eq!(again.into_inner().volume.as_ref(), Some(&made));
        copies.push(made);
    }
    let left = lab.snapshots(&subvolume_of(&source));
    assert_eq!(left.len(), 1, "{left:?}");
    lab.drop_snapshot(&mut client, &snapshot_id).await.unwrap();
    client
        .delete_volume(lab.delete(&source.volume_id))
        .await
        .unwrap();
    for (copy, expected) in copies.iter().zip([&before, &after]) {
        assert_eq!(lab.mounted(copy, content), *expected);
        client
            .delete_volume(lab.delete(&copy.volume_id))
            .await
            .unwrap();
    }
    driver.terminate();
    lab.expect_empty("after copies");
}

/// Many restores at once, each within its one call if the machine is quick enough.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Ceph cluster and root: dev/test copies"]
async fn twelve_copies_at_once() {
    let lab = Arc::new(Lab::new());
    let driver = Driver::start(&lab.config(), &[]);
    let mut client = driver.controller().await;
    let made = client.create_volume(lab.create("source", 1)).await.unwrap();
    let source = made.into_inner().volume.unwrap();
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..12 {
        let (lab, mut client) = (Arc::clone(&lab), client.clone());
        let request = lab.copy(&format!("copy-{n}"), 1, of_volume(&source));
        tasks.spawn(async move {
            loop {
                match client.create_volume(request.clone()).await {
                    Ok(made) => return made.into_inner().volume.unwrap(),
                    // A slow machine; the sidecar would ask again too.
                    Err(status) if status.code() == Code::Aborted => println!("{status:?}"),
                    Err(status) => panic!("{status:?}"),
                }
            }
        });
    }
    let made = tasks.join_all().await;
    println!("twelve copies at once after {:.2?}", began.elapsed());
    assert!(lab.snapshots(&subvolume_of(&source)).is_empty());
    for volume in made.iter().chain([&source]) {
        client
            .delete_volume(lab.delete(&volume.volume_id))
            .await
            .unwrap();
    }
    driver.terminate();
    lab.expect_empty("after twelve copies");
}

/// A copy that is not complete can be deleted; what was made for it goes too.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Ceph cluster and root: dev/test copies"]
async fn an_unfinished_copy_is_cancelled_and_deleted() {
    let lab = Lab::new();
    let driver = Driver::start(&lab.config(), &[]);
    let mut client = driver.controller().await;
    let made = client.create_volume(lab.create("source", 1)).await.unwrap();
    let source = made.into_inner().volume.unwrap();
    lab.mounted(&source, |root| {
        for n in 0..600 {
            std::fs::write(root.join(format!("file{n}")), [1; 4096]).unwrap();
        }
    });
    loop {
        let mut request = tonic::Request::new(lab.copy("copy", 1, of_volume(&source)));
        request.set_timeout(Duration::from_millis(1500));
        let status = client.create_volume(request).await.unwrap_err();
        println!("{status:?}");
        match status.code() {
            Code::Aborted => break,
            // A slow machine, on which it has not even begun, or the client gave up before it was answered.
            Code::DeadlineExceeded | Code::Cancelled => {}
            _ => panic!("{status:?}"),
        }
    }
    let name = subvolume_of(&source);
    let copy = lab
        .subvolumes()
        .into_iter()
        .find(|other| *other != name)
        .unwrap();
    let (shape, _) = source.volume_id.split_at(source.volume_id.len() - 36);
    let id = format!("{shape}{}", copy.strip_prefix("csi-vol-").unwrap());
    client.delete_volume(lab.delete(&id)).await.unwrap();
    assert_eq!(lab.subvolumes(), [&*name]);
    assert!(lab.snapshots(&name).is_empty());
    client
        .delete_volume(lab.delete(&source.volume_id))
        .await
        .unwrap();
    driver.terminate();
    lab.expect_empty("after an unfinished copy");
}
