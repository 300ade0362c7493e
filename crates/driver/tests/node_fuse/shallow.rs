//! Volumes that show a snapshot.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ceph::rados::{Connector, Settings};
use ceph::subvolume::{CreateOptions, Removal};
use ceph::{Connect as _, Connection, Context, Identity, Snapshot, Subvolume};
use csi_proto::v1::NodeStageVolumeRequest;
use csi_proto::v1::node_server::Node as _;
use csi_proto::v1::volume_capability::{AccessType, MountVolume};
use tonic::{Code, Request};

use super::lab::{
    Lab, Mode, by_hand, capability, key, map, mount_line, processes_of, runtime, setting, unmount,
};

/// A subvolume with a file from before its snapshot and one from after it.
struct Parent {
    connection: Arc<Connection>,
    snapshot: Snapshot,
    /// Path of its data.
    path: String,
}

impl Parent {
    async fn new(lab: &Lab, name: &str) -> Self {
        let connection = connect().await;
        let snapshot = Snapshot {
            of: Subvolume {
                fs: setting("SPIRULA_TEST_FS"),
                group: setting("SPIRULA_TEST_GROUP"),
                name: format!("spirula-test-{name}"),
            },
            name: format!("csi-snap-{name}"),
        };
        let subvolumes = connection.subvolumes();
        let options = CreateOptions::default();
        subvolumes
            .create(&cx(), &snapshot.of, &options)
            .await
            .unwrap();
        let path = subvolumes.path(&cx(), &snapshot.of).await.unwrap();
        let at = lab.directory.path().join("parent");
        std::fs::create_dir(&at).unwrap();
        // A client learns of a snapshot a little later, and what it writes until then is in it. So nobody
        // has the directory mounted while it is made.
        by_hand(&at, &path, lab.directory.path());
        std::fs::write(at.join("before"), "content").unwrap();
        // ceph-fuse goes on sending after an unmount.
        let file = std::fs::File::open(at.join("before")).unwrap();
        file.sync_all().unwrap();
        drop(file);
        unmount(&at);
        connection
            .snapshots()
            .create(&cx(), &snapshot)
            .await
            .unwrap();
        by_hand(&at, &path, lab.directory.path());
        std::fs::write(at.join("after"), "content").unwrap();
        std::fs::write(at.join("before"), "changed").unwrap();
        unmount(&at);
        Self {
            connection,
            snapshot,
            path,
        }
    }

    /// What the controller's answer has in its context.
    fn context(&self) -> BTreeMap<String, String> {
        map([
            ("clusterID", "lab"),
            ("fsName", &self.snapshot.of.fs),
            (
                "subvolumeName",
                "csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
            ),
            ("subvolumePath", &self.snapshot.of.directory()),
            ("backingSnapshotName", &self.snapshot.name),
            ("mounter", crate::MOUNTER),
        ])
    }

    async fn remove_but_for_snapshots(&self) {
        let subvolumes = self.connection.subvolumes();
        let removal = Removal::RetainSnapshots;
        subvolumes
            .remove(&cx(), &self.snapshot.of, removal)
            .await
            .unwrap();
    }

    /// With the last snapshot goes what is left of a removed subvolume.
    async fn remove_snapshot(&self) {
        let snapshots = self.connection.snapshots();
        snapshots.remove(&cx(), &self.snapshot).await.unwrap();
    }
}

/// To the cluster, for what the controller does.
pub(crate) async fn connect() -> Arc<Connection> {
    let identity = Identity {
        monitors: setting("SPIRULA_TEST_MONITORS"),
        user: setting("SPIRULA_TEST_USER"),
        key: key().into(),
    };
    let connector = Connector::new(Settings::default());
    let cluster = connector.connect(&cx(), &identity).await.unwrap();
    Arc::new(Connection::new(cluster))
}

pub(crate) fn cx() -> Context {
    Context::with_timeout(Duration::from_mins(1))
}

fn request(lab: &Lab, context: BTreeMap<String, String>) -> NodeStageVolumeRequest {
    NodeStageVolumeRequest {
        volume_capability: Some(capability(Mode::MultiNodeReaderOnly)),
        volume_context: context,
        ..lab.stage_request()
    }
}

fn dynamic(lab: &mut Lab) {
    let id = "0001-0003-lab-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";
    id.clone_into(&mut lab.volume);
}

/// What there is at `path`, and that nobody can change it.
#[track_caller]
fn assert_shows_snapshot(path: &Path) {
    let entries = std::fs::read_dir(path).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["before"]);
    let content = std::fs::read_to_string(path.join("before")).unwrap();
    assert_eq!(content, "content");
    for name in ["before", "new"] {
        let refused = std::fs::write(path.join(name), "x").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
    }
    let refused = std::fs::create_dir(path.join(".snap/new")).unwrap_err();
    let kinds = [ErrorKind::ReadOnlyFilesystem, ErrorKind::NotFound];
    assert!(kinds.contains(&refused.kind()), "{refused}");
    assert!(mount_line(path).contains(" ro,"), "{}", mount_line(path));
}

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
fn only_the_snapshot_is_seen_and_nobody_writes_to_it() {
    runtime().block_on(async {
        let mut lab = Lab::without_volume("shallow");
        dynamic(&mut lab);
        let parent = Parent::new(&lab, "shallow").await;
        let request = request(&lab, parent.context());
        for _ in 0..2 {
            lab.stage_with(request.clone()).await.unwrap();
            assert_shows_snapshot(&lab.staging);
        }
        assert_eq!(processes_of(&lab.staging).len(), crate::CLIENTS);

        let target = lab.target("reader");
        let mut publish = lab.publish_request(&target);
        let mut reader = capability(Mode::MultiNodeReaderOnly);
        reader.access_type = Some(AccessType::Mount(MountVolume {
            mount_flags: vec!["rw".to_owned()],
            ..MountVolume::default()
        }));
        publish.volume_capability = Some(reader);
        for _ in 0..2 {
            let publish = Request::new(publish.clone());
            lab.service.node_publish_volume(publish).await.unwrap();
            assert_shows_snapshot(&target);
        }
        let stats = lab.stats(&target).await.unwrap();
        assert!(!stats.volume_condition.unwrap().abnormal);
        assert!(stats.usage[0].total > 0, "{:?}", stats.usage);
        lab.unpublish(&target).await.unwrap();
        for _ in 0..2 {
            lab.unstage().await.unwrap();
        }
        lab.assert_clean().await;

        // The volume outlives its parent.
        parent.remove_but_for_snapshots().await;
        lab.stage_with(request).await.unwrap();
        assert_shows_snapshot(&lab.staging);
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
        parent.remove_snapshot().await;
    });
}

/// A stage that was killed before it had shown the snapshot, and one of a snapshot that is gone.
#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
fn the_directory_of_a_snapshot_is_never_taken_for_it() {
    runtime().block_on(async {
        let mut lab = Lab::without_volume("uncovered");
        dynamic(&mut lab);
        let parent = Parent::new(&lab, "uncovered").await;
        let request = request(&lab, parent.context());
        lab.stage_with(request.clone()).await.unwrap();
        unmount(&lab.staging);
        assert!(lab.staging.join(".snap").try_exists().unwrap(), "uncovered");
        lab.stage_with(request.clone()).await.unwrap();
        assert_shows_snapshot(&lab.staging);
        unmount(&lab.staging);
        lab.unstage().await.unwrap();
        lab.assert_clean().await;

        let mut gone = request.clone();
        let name = "backingSnapshotName".to_owned();
        gone.volume_context.insert(name, "csi-snap-gone".to_owned());
        for _ in 0..2 {
            let refused = lab.stage_with(gone.clone()).await.unwrap_err();
            assert_eq!(refused.code(), Code::NotFound, "{refused}");
            lab.assert_clean().await;
        }
        let mut writer = request;
        writer.volume_capability = Some(capability(Mode::MultiNodeMultiWriter));
        let refused = lab.stage_with(writer).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        lab.assert_clean().await;
        parent.remove_but_for_snapshots().await;
        parent.remove_snapshot().await;
    });
}

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
fn a_static_volume_shows_a_snapshot_by_a_part_of_its_name() {
    runtime().block_on(async {
        let lab = Lab::without_volume("static-shallow");
        let parent = Parent::new(&lab, "static-shallow").await;
        let mut context = lab.stage_request().volume_context;
        context.extend(map([
            ("rootPath", &parent.path),
            ("backingSnapshotID", &parent.snapshot.name),
        ]));
        for _ in 0..2 {
            lab.stage_with(request(&lab, context.clone()))
                .await
                .unwrap();
            assert_shows_snapshot(&lab.staging);
        }
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
        parent.remove_but_for_snapshots().await;
        parent.remove_snapshot().await;
    });
}
