use ceph::fault::{Fault, Pause};

use super::*;
use crate::mount::Mounts as _;
use crate::mount::memory::Health;

async fn staged() -> Lab {
    let lab = Lab::new();
    lab.stage(&stage_request()).await.unwrap();
    lab
}

#[tokio::test]
async fn the_target_and_its_parents_are_made() {
    let lab = staged().await;
    lab.publish(&publish_request("/pods/new/volumes/csi/pv/mount"))
        .await
        .unwrap();
    assert_eq!(lab.mounts.mounted().len(), 2);
}

#[tokio::test]
async fn read_only_comes_from_the_request_the_mode_or_the_mount_flags() {
    let mut readonly = publish_request(TARGET);
    readonly.readonly = true;
    let mut mode = publish_request(TARGET);
    mode.volume_capability = Some(capability(Mode::SingleNodeReaderOnly));
    let mut flags = publish_request(TARGET);
    let writer = capability(Mode::SingleNodeWriter);
    flags.volume_capability = Some(with_flags(writer, &["noatime,ro", "unknown_option"]));
    for request in [readonly, mode, flags] {
        let lab = staged().await;
        for _ in 0..2 {
            lab.publish(&request).await.unwrap();
            assert_eq!(
                lab.mounts.mounted(),
                [STAGING.to_owned(), format!("{TARGET} (ro)")]
            );
        }
        let writable = lab.publish(&publish_request(TARGET)).await;
        assert_code(writable, Code::AlreadyExists, "wanted writable");
    }
}

#[tokio::test]
async fn what_is_not_staged_is_not_published() {
    let lab = Lab::new();
    let published = lab.publish(&publish_request(TARGET)).await;
    assert_code(published, Code::FailedPrecondition, STAGING);
    lab.mounts.mount_foreign(STAGING);
    let published = lab.publish(&publish_request(TARGET)).await;
    assert_code(published, Code::FailedPrecondition, "not staged");
    let mut nowhere = publish_request(TARGET);
    nowhere.staging_target_path.clear();
    let published = lab.publish(&nowhere).await;
    assert_code(published, Code::FailedPrecondition, "staging_target_path");
}

/// As a recovery unmounts it.
#[tokio::test]
async fn what_is_unstaged_meanwhile_is_not_published() {
    for request in [stage_request(), snapshot_request()] {
        let mut lab = Lab::new();
        lab.stage(&request).await.unwrap();
        let (faults, pause) = (Faults::new(), Pause::new());
        let bind = format!("bind to `{TARGET}`");
        faults.once(move |call| call.what == bind, Fault::Pause(pause.clone()));
        lab.restart(faults);
        let meanwhile = async {
            assert!(pause.reached().await);
            lab.unstage().await.unwrap();
            pause.end();
        };
        let request = publish_request(TARGET);
        let (published, ()) = tokio::join!(lab.publish(&request), meanwhile);
        assert_code(published, Code::FailedPrecondition, "not staged");
        assert_eq!(lab.mounts.mounted(), [""; 0]);
    }
}

/// By a publish that was killed right after it, while the volume was being mounted.
#[tokio::test]
async fn what_was_bound_of_an_unfinished_stage_is_replaced() {
    for (request, step) in [(stage_request(), "mount"), (snapshot_request(), "bind to")] {
        let mut lab = Lab::new();
        lab.mounts.add_dir(TARGET);
        let (faults, pause) = (Faults::new(), Pause::new());
        let step = format!("{step} `{STAGING}`");
        faults.once(move |call| call.what == step, Fault::Pause(pause.clone()));
        lab.restart(faults);
        let meanwhile = async {
            assert!(pause.reached().await);
            let (cx, from, to) = (cx(), STAGING.as_ref(), TARGET.as_ref());
            lab.mounts.bind(&cx, from, to, None).await.unwrap();
            pause.end();
        };
        let (staged, ()) = tokio::join!(lab.stage(&request), meanwhile);
        staged.unwrap();
        lab.publish(&publish_request(TARGET)).await.unwrap();
        let table = lab.mounts.table(&cx()).await.unwrap();
        let [staged, published] = [STAGING, TARGET].map(|at| table.at(at.as_ref()).unwrap());
        assert_eq!(
            (&published.device, &published.root),
            (&staged.device, &staged.root)
        );
        lab.unpublish(TARGET).await.unwrap();
        lab.unstage().await.unwrap();
        assert_eq!(lab.mounts.mounted(), [""; 0]);
    }
}

#[tokio::test]
async fn a_dead_or_hanging_volume_is_not_given_to_a_pod() {
    let lab = staged().await;
    lab.mounts.set_health(STAGING, Health::Dead);
    let published = lab.publish(&publish_request(TARGET)).await;
    assert_code(published, Code::FailedPrecondition, "delete all pods");
    lab.mounts.set_health(STAGING, Health::Hanging);
    let published = lab.publish(&publish_request(TARGET)).await;
    assert_code(published, Code::DeadlineExceeded, "does not answer");
    assert_eq!(lab.mounts.mounted(), [STAGING]);
}

#[tokio::test]
async fn a_dead_target_is_bound_anew_and_a_foreign_one_is_left_alone() {
    let lab = staged().await;
    lab.publish(&publish_request(TARGET)).await.unwrap();
    lab.mounts.set_health(STAGING, Health::Dead);
    lab.stage(&stage_request()).await.unwrap();
    lab.publish(&publish_request(TARGET)).await.unwrap();
    assert_eq!(lab.mounts.mounted(), [STAGING, TARGET]);
    assert!(
        !lab.stats(TARGET)
            .await
            .unwrap()
            .volume_condition
            .unwrap()
            .abnormal
    );

    lab.mounts.add_dir(OTHER_TARGET);
    lab.mounts.mount_foreign(OTHER_TARGET);
    let published = lab.publish(&publish_request(OTHER_TARGET)).await;
    assert_code(published, Code::FailedPrecondition, "tmpfs");
}

#[tokio::test]
async fn a_volume_for_one_pod_has_one_target() {
    let lab = staged().await;
    let once = |target| {
        let mut request = publish_request(target);
        request.volume_capability = Some(capability(Mode::SingleNodeSingleWriter));
        request
    };
    lab.publish(&once(TARGET)).await.unwrap();
    lab.publish(&once(TARGET)).await.unwrap();
    let second = lab.publish(&once(OTHER_TARGET)).await;
    assert_code(second, Code::FailedPrecondition, TARGET);
    lab.unpublish(TARGET).await.unwrap();
    lab.publish(&once(OTHER_TARGET)).await.unwrap();

    let lab = staged().await;
    lab.publish(&publish_request(TARGET)).await.unwrap();
    lab.publish(&publish_request(OTHER_TARGET)).await.unwrap();
}

#[tokio::test]
async fn a_directory_with_files_is_not_removed() {
    let lab = Lab::new();
    lab.mounts.add_dir(&format!("{TARGET}/written-by-somebody"));
    let unpublished = lab.unpublish(TARGET).await;
    assert_code(unpublished, Code::FailedPrecondition, "not empty");
}

#[tokio::test]
async fn what_is_gone_is_unpublished() {
    let lab = Lab::new();
    for target in [TARGET, "/pods/gone/mount", "/gone/gone/mount"] {
        lab.unpublish(target).await.unwrap();
    }
}

#[tokio::test]
async fn dead_and_hanging_targets_go() {
    for health in [Health::Dead, Health::Hanging] {
        let lab = staged().await;
        lab.publish(&publish_request(TARGET)).await.unwrap();
        lab.mounts.set_health(TARGET, health);
        lab.unpublish(TARGET).await.unwrap();
        lab.unstage().await.unwrap();
        assert_eq!(lab.mounts.remains().2, 0);
    }
}

fn with_group(mut request: NodePublishVolumeRequest, group: &str) -> NodePublishVolumeRequest {
    let capability = request.volume_capability.as_mut().unwrap();
    capability.access_type = Some(AccessType::Mount(MountVolume {
        volume_mount_group: group.to_owned(),
        ..MountVolume::default()
    }));
    request
}

#[tokio::test]
async fn the_root_gets_the_group_of_the_pod_if_that_is_left_to_the_driver() {
    let mut lab = staged().await;
    let request = |target, group| with_group(publish_request(target), group);
    lab.publish(&request(TARGET, "1000")).await.unwrap();
    assert_eq!(lab.mounts.group(STAGING), None);
    let node = Arc::get_mut(&mut lab.node).unwrap();
    node.settings.volume_mount_group = true;

    let mut reader = request(OTHER_TARGET, "1000");
    reader.readonly = true;
    lab.publish(&reader).await.unwrap();
    lab.unpublish(OTHER_TARGET).await.unwrap();
    assert_eq!(lab.mounts.group(STAGING), None);

    // Also where a kill came between.
    lab.publish(&request(TARGET, "1000")).await.unwrap();
    assert_eq!(lab.mounts.group(STAGING), Some(1000));
    lab.publish(&request(OTHER_TARGET, "2000")).await.unwrap();
    assert_eq!(lab.mounts.group(STAGING), Some(2000));
    for group in ["users", "-1", "4294967295", "1 "] {
        let published = lab.publish(&request(TARGET, group)).await;
        assert_code(published, Code::InvalidArgument, "volume_mount_group");
    }
}
