//! Volumes that show a snapshot.

use super::*;
use crate::mount::memory::Health;
use ceph::fault::Fault;

/// The snapshot over the directory that it is of: nothing else can be reached by the path.
fn staged_at() -> [String; 2] {
    [
        format!("{STAGING} (ro)"),
        format!("{STAGING} = {SNAPSHOT} (ro)"),
    ]
}

#[tokio::test]
async fn only_the_snapshot_is_seen() {
    let lab = Lab::new();
    let before = lab.mounts.remains();
    // Its context tells all: the cluster is not asked.
    lab.cluster.remove_filesystem("cephfs");
    for _ in 0..2 {
        lab.stage(&snapshot_request()).await.unwrap();
        assert_eq!(lab.mounts.mounted(), staged_at());
    }
    let mut publish = publish_request(TARGET);
    publish.volume_capability = Some(with_flags(
        capability(Mode::MultiNodeReaderOnly),
        &["rw", "noatime"],
    ));
    for _ in 0..2 {
        lab.publish(&publish).await.unwrap();
    }
    let mut expected = staged_at().to_vec();
    expected.push(format!("{TARGET} = {SNAPSHOT} (ro)"));
    assert_eq!(lab.mounts.mounted(), expected);
    for path in [STAGING, TARGET] {
        let stats = lab.stats(path).await.unwrap();
        assert!(!stats.volume_condition.unwrap().abnormal);
    }
    lab.unpublish(TARGET).await.unwrap();
    for _ in 0..2 {
        lab.unstage().await.unwrap();
    }
    assert_eq!(lab.mounts.remains(), before);
}

/// Even if the client was told otherwise by mount options.
#[tokio::test]
async fn what_is_staged_is_read_only() {
    let lab = Lab::new();
    let mut request = snapshot_request();
    request.volume_capability = Some(with_flags(
        capability(Mode::MultiNodeReaderOnly),
        &["ro", "rw"],
    ));
    let staged = [STAGING.to_owned(), format!("{STAGING} = {SNAPSHOT} (ro)")];
    for _ in 0..2 {
        lab.stage(&request).await.unwrap();
        assert_eq!(lab.mounts.mounted(), staged);
    }
    lab.publish(&publish_request(TARGET)).await.unwrap();
    let target = format!("{TARGET} = {SNAPSHOT} (ro)");
    assert_eq!(lab.mounts.mounted().last(), Some(&target));
}

#[tokio::test]
async fn nobody_may_write_to_it() {
    for mode in [Mode::MultiNodeMultiWriter, Mode::SingleNodeWriter] {
        let lab = Lab::new();
        let before = lab.mounts.remains();
        let mut request = snapshot_request();
        request.volume_capability = Some(capability(mode));
        let staged = lab.stage(&request).await;
        assert_code(staged, Code::InvalidArgument, "ReadOnlyMany");
        assert_eq!(lab.mounts.remains(), before);
    }
}

/// The original left the directory mounted then, and called it a success the next time.
#[tokio::test]
async fn a_snapshot_that_cannot_be_shown_leaves_nothing() {
    let lab = Lab::new();
    let before = lab.mounts.remains();
    let mut request = snapshot_request();
    let name = "backingSnapshotName".to_owned();
    request.volume_context.insert(name, "other".to_owned());
    for _ in 0..2 {
        let staged = lab.stage(&request).await;
        assert_code(staged, Code::NotFound, "no snapshot `other`");
        assert_eq!(lab.mounts.remains(), before);
    }

    for what in ["find a snapshot in", "bind to"] {
        let mut lab = Lab::new();
        let faults = Faults::new();
        faults.once(move |call| call.what.starts_with(what), Fault::TimeOut);
        lab.restart(faults);
        lab.stage(&snapshot_request()).await.unwrap_err();
        assert_eq!(lab.mounts.remains(), before, "{what}");
        lab.stage(&snapshot_request()).await.unwrap();
        assert_eq!(lab.mounts.mounted(), staged_at(), "{what}");
    }
}

#[tokio::test]
async fn a_dead_one_is_replaced_with_all_that_is_under_it() {
    let lab = Lab::new();
    lab.stage(&snapshot_request()).await.unwrap();
    lab.mounts.set_health(STAGING, Health::Dead);
    lab.stage(&snapshot_request()).await.unwrap();
    assert_eq!(lab.mounts.mounted(), staged_at());
    let (_, _, clients) = lab.mounts.remains();
    assert_eq!(clients, 1);
}

#[tokio::test]
async fn a_static_volume_can_show_a_snapshot() {
    let lab = Lab::new();
    let before = lab.mounts.remains();
    let root = "/.snap/_csi-snap-1_1099511627776";
    lab.mounts.add_content(root);
    let mut request = snapshot_request();
    request.volume_id = "my-handle".to_owned();
    request.volume_context = map([
        ("monitors", "192.0.2.1"),
        ("provisionVolume", "false"),
        ("rootPath", "/shared"),
        ("backingSnapshotID", "csi-snap-1"),
    ]);
    for _ in 0..2 {
        lab.stage(&request).await.unwrap();
    }
    let shown = format!("{STAGING} = {root} (ro)");
    assert_eq!(lab.mounts.mounted()[1..], [shown]);
    lab.unstage().await.unwrap();
    assert_eq!(lab.mounts.remains(), before);

    request
        .volume_context
        .insert("backingSnapshotID".to_owned(), "none".to_owned());
    let staged = lab.stage(&request).await;
    assert_code(staged, Code::NotFound, "no snapshot `none`");
    assert_eq!(lab.mounts.remains(), before);
}

/// A volume of the original says only where its parent is; its record, the snapshot's.
#[tokio::test]
async fn the_journal_tells_which_snapshot_a_volume_of_the_original_shows() {
    const SNAPSHOT_UUID: &str = "8a1f0f3e-0000-4000-8000-000000000001";
    let lab = Lab::new();
    let mut request = snapshot_request();
    request.volume_context.remove("backingSnapshotID");
    request.volume_context.remove("backingSnapshotName");
    let id = format!("0001-0003-lab-0000000000000001-{SNAPSHOT_UUID}");
    let name = subvolume().name;
    let volume = [
        ("csi.volname", "pvc-1"),
        ("csi.imagename", &*name),
        ("csi.volume.backingsnapshotid", &*id),
    ];
    lab.store(&format!("csi.volume.{UUID}"), &volume).await;
    let staged = lab.stage(&request).await;
    assert_code(staged, Code::NotFound, "the journal has no record of it");

    let snapshot = [
        ("csi.snapname", "snapshot-1"),
        ("csi.imagename", "csi-snap-1"),
        ("csi.source", "csi-vol-parent"),
    ];
    lab.store(&format!("csi.snap.{SNAPSHOT_UUID}"), &snapshot)
        .await;
    let parsed = crate::request::StageVolume::parse(&request).unwrap();
    let fs = lab.node.ceph_fs(&cx(), &parsed).await.unwrap();
    assert_eq!(fs.root, "/volumes/csi/csi-vol-parent/");
    lab.stage(&request).await.unwrap();
    assert_eq!(lab.mounts.mounted(), staged_at());
    request.volume_capability = Some(capability(Mode::SingleNodeWriter));
    lab.unstage().await.unwrap();
    let staged = lab.stage(&request).await;
    assert_code(staged, Code::InvalidArgument, "ReadOnlyMany");
}
