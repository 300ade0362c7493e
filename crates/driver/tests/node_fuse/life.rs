//! The life of a volume on a node.

use std::io::ErrorKind;

use csi_proto::v1::volume_usage::Unit;

use super::lab::{self, Lab, mount_line, runtime};

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
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
        // The other flags survive the remount.
        let line = mount_line(&reader);
        assert!(line.contains(crate::READ_ONLY), "{line}");

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
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
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
