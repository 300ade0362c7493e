//! The group of a pod on the root of its volume.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use csi_proto::v1::node_server::Node as _;
use csi_proto::v1::volume_capability::{AccessType, MountVolume};
use tonic::Request;

use super::lab::{Lab, runtime};

const GROUP: u32 = 4321;

/// Whether somebody of `group`, and otherwise nobody, can make a file in `path`.
#[expect(clippy::disallowed_methods, reason = "plays the pod")]
fn can_write(path: &Path, group: u32) -> bool {
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", "echo x > \"$0\""])
        .arg(path.join(format!("of-{group}")))
        .uid(1234)
        .gid(group)
        .stderr(std::process::Stdio::null())
        .status();
    status.unwrap().success()
}

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
fn the_group_of_the_pod_may_write_and_others_may_not() {
    runtime().block_on(async {
        let lab = Lab::with("group", |settings, _| settings.volume_mount_group = true);
        let target = lab.target("pod");
        lab.stage().await.unwrap();
        let mut request = lab.publish_request(&target);
        let capability = request.volume_capability.as_mut().unwrap();
        capability.access_type = Some(AccessType::Mount(MountVolume {
            volume_mount_group: GROUP.to_string(),
            ..MountVolume::default()
        }));
        for _ in 0..2 {
            let request = Request::new(request.clone());
            lab.service.node_publish_volume(request).await.unwrap();
        }
        let root = std::fs::metadata(&target).unwrap();
        assert_eq!(root.gid(), GROUP);
        // In the directories above the target others than root have no business.
        let seen = lab.directory.path().join("seen");
        std::fs::create_dir(&seen).unwrap();
        rustix::mount::mount_bind(&target, &seen).unwrap();
        open_to_all(lab.directory.path());
        assert!(can_write(&seen, GROUP));
        let made = std::fs::metadata(target.join(format!("of-{GROUP}"))).unwrap();
        assert_eq!(made.gid(), GROUP);
        assert!(!can_write(&seen, GROUP + 1));
        super::lab::unmount(&seen);
        lab.unpublish(&target).await.unwrap();
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}

fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let all = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory, all).unwrap();
}
