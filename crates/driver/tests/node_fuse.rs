//! The node service on real FUSE mounts of a running Ceph.
//!
//! `SPIRULA_TEST_MONITORS`, `SPIRULA_TEST_USER`, `SPIRULA_TEST_KEYFILE` and `SPIRULA_TEST_FS` say which;
//! the user may read and write below `/volumes/csi`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "node_fuse/broken.rs"]
mod broken;
#[path = "node_fuse/key.rs"]
mod key;
#[path = "node_fuse/lab.rs"]
mod lab;
#[path = "node_fuse/refused.rs"]
mod refused;
#[path = "node_fuse/shallow.rs"]
mod shallow;

use std::io::ErrorKind;

use csi_proto::v1::volume_usage::Unit;

use lab::{Lab, mount_line, processes_of, runtime};

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn a_volume_is_shared_by_two_pods_one_of_which_only_reads() {
    runtime().block_on(async {
        let lab = Lab::new("shared");
        for _ in 0..2 {
            lab.stage().await.unwrap();
        }
        let (writer, reader) = (lab.target("writer"), lab.target("reader"));
        for _ in 0..2 {
            lab.publish(&writer).await.unwrap();
            lab.publish_read_only(&reader).await.unwrap();
        }
        std::fs::write(writer.join("file"), "content").unwrap();
        assert_eq!(
            std::fs::read_to_string(reader.join("file")).unwrap(),
            "content"
        );
        let refused = std::fs::write(reader.join("file"), "changed").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
        // The flags of the FUSE mount survive the remount.
        assert!(mount_line(&reader).contains(" ro,nosuid,nodev,"));

        let stats = lab.stats(&reader).await.unwrap();
        assert!(!stats.volume_condition.unwrap().abnormal);
        let units: Vec<_> = stats
            .usage
            .iter()
            .map(|usage| (usage.unit(), usage.used))
            .collect();
        assert!(
            matches!(units[..], [(Unit::Bytes, _), (Unit::Inodes, _)]),
            "{units:?}"
        );
        assert!(stats.usage[0].total > 0 && stats.usage[0].available > 0);

        for target in [&writer, &reader] {
            for _ in 0..2 {
                lab.unpublish(target).await.unwrap();
            }
            assert!(!target.try_exists().unwrap());
        }
        for _ in 0..2 {
            lab.unstage().await.unwrap();
        }
        lab.assert_clean().await;

        lab.stage().await.unwrap();
        assert_eq!(
            std::fs::read_to_string(lab.staging.join("file")).unwrap(),
            "content"
        );
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn a_reader_s_volume_is_mounted_read_only_from_the_start() {
    runtime().block_on(async {
        let lab = Lab::new("reader");
        let mut request = lab.stage_request();
        request.volume_capability = Some(lab::capability(lab::Mode::MultiNodeReaderOnly));
        lab.stage_with(request.clone()).await.unwrap();
        lab.stage_with(request).await.unwrap();
        let refused = std::fs::write(lab.staging.join("file"), "x").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
        let other = lab.stage().await.unwrap_err();
        assert_eq!(other.code(), tonic::Code::AlreadyExists, "{other}");
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn nothing_is_left_in_the_directories_of_ceph() {
    let list = || {
        let mut found = Vec::new();
        for directory in ["/var/run/ceph", "/var/log/ceph"] {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            found.extend(entries.map(|entry| entry.path()));
        }
        found.sort();
        found
    };
    let before = list();
    runtime().block_on(async {
        let lab = Lab::new("tidy");
        lab.stage().await.unwrap();
        assert_eq!(processes_of(&lab.staging).len(), 1);
        assert_eq!(list(), before);
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
    assert_eq!(list(), before);
}
