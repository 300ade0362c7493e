//! ceph-csi's node plugin before this driver, and after it: what the one has mounted the other takes away.

use std::path::Path;

use super::lab::{Lab, by_hand, mount_line, processes_of, runtime, setting, unmount};

/// The file in which the original keeps what it needs to mount a volume with ceph-fuse again.
fn record(lab: &Lab) -> std::path::PathBuf {
    let directory = lab.directory.path().join("mountinfo");
    directory.join(format!("nodestage-{}.json", lab.volume))
}

fn write_record(lab: &Lab) {
    let secrets = serde_json::json!({
        "userID": setting("SPIRULA_TEST_USER"),
        "userKey": super::lab::key(),
    });
    let capability = r#"{"mount":{},"accessMode":{"mode":"MULTI_NODE_MULTI_WRITER"}}"#;
    let content = serde_json::json!({
        "VolumeCapabilityProtoJSON": capability,
        "Secrets": secrets,
    });
    std::fs::create_dir_all(record(lab).parent().unwrap()).unwrap();
    std::fs::write(record(lab), content.to_string()).unwrap();
}

/// As the original publishes: a bind mount of the staging path.
fn bind(lab: &Lab, target: &Path) {
    std::fs::create_dir_all(target).unwrap();
    rustix::mount::mount_bind(&lab.staging, target).unwrap();
}

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
fn what_ceph_csi_has_mounted_is_taken_up_and_taken_away() {
    runtime().block_on(async {
        let lab = Lab::with("of-original", |settings, directory| {
            settings.mountinfo_dir = Some(directory.join("mountinfo"));
        });
        let (target, other) = (lab.target("pod"), lab.target("other"));
        for taken_up in [true, false] {
            by_hand(&lab.staging, &lab.root, lab.directory.path());
            bind(&lab, &target);
            write_record(&lab);
            std::fs::write(target.join("file"), "of a pod").unwrap();
            let (staged, clients) = (mount_line(&lab.staging), processes_of(&lab.staging));
            assert_eq!(clients.len(), crate::CLIENTS);
            if taken_up {
                lab.stage().await.unwrap();
                assert!(!record(&lab).try_exists().unwrap());
                lab.publish(&target).await.unwrap();
                lab.publish(&other).await.unwrap();
                let content = std::fs::read_to_string(other.join("file")).unwrap();
                assert_eq!(content, "of a pod");
                assert_eq!(mount_line(&lab.staging), staged);
                assert_eq!(processes_of(&lab.staging), clients);
                let stats = lab.stats(&target).await.unwrap();
                assert!(!stats.volume_condition.unwrap().abnormal);
                lab.unpublish(&other).await.unwrap();
            }
            lab.unpublish(&target).await.unwrap();
            assert!(!target.try_exists().unwrap());
            lab.unstage().await.unwrap();
            assert!(!record(&lab).try_exists().unwrap());
            lab.assert_clean().await;
        }
    });
}

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
fn what_this_driver_has_mounted_goes_by_a_plain_unmount() {
    runtime().block_on(async {
        let lab = Lab::new("for-original");
        let target = lab.target("pod");
        lab.stage().await.unwrap();
        lab.publish(&target).await.unwrap();
        std::fs::write(target.join("file"), "of a pod").unwrap();
        unmount(&target);
        std::fs::remove_dir(&target).unwrap();
        unmount(&lab.staging);
        lab.assert_clean().await;
        // Nothing more is to be done, also if this driver is asked once more.
        lab.unpublish(&target).await.unwrap();
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}
