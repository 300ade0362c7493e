use ceph::fault::{Fault, Pause};
use csi_proto::v1::volume_usage::Unit;
use csi_proto::v1::{NodeGetStorageHealthRequest, StorageHealthErrorType};

use super::super::{capabilities, info, storage_health};
use super::*;
use crate::mount::memory::Health;
use crate::mount::{Fallback, MounterKind};

#[tokio::test]
async fn a_healthy_volume_tells_bytes_and_inodes() {
    let lab = Lab::new();
    lab.stage(&stage_request()).await.unwrap();
    lab.publish(&publish_request(TARGET)).await.unwrap();
    let stats = lab.stats(TARGET).await.unwrap();
    let [bytes, inodes] = &stats.usage[..] else {
        panic!("{stats:?}")
    };
    assert_eq!(
        (bytes.unit(), bytes.total, bytes.used),
        (Unit::Bytes, 1 << 30, 4096)
    );
    assert_eq!(
        (inodes.unit(), inodes.total, inodes.available, inodes.used),
        (Unit::Inodes, 0, 0, 2)
    );
    assert!(!stats.volume_condition.unwrap().abnormal);
}

#[tokio::test]
async fn a_volume_that_another_client_mounts_says_so() {
    let lab = Lab::new();
    lab.mounts.fall_back(Fallback {
        wanted: MounterKind::Kernel,
        used: MounterKind::Fuse,
        why: "no module".to_owned(),
    });
    for _ in 0..2 {
        lab.stage(&stage_request()).await.unwrap();
        let condition = lab.stats(STAGING).await.unwrap().volume_condition.unwrap();
        assert!(!condition.abnormal);
        assert!(condition.message.contains("`kernel`"), "{condition:?}");
        assert!(condition.message.contains("no module"), "{condition:?}");
    }
}

#[tokio::test]
async fn what_is_not_mounted_has_no_stats() {
    let lab = Lab::new();
    for path in [TARGET, "/gone/gone/mount"] {
        assert_code(lab.stats(path).await, Code::NotFound, path);
    }
    lab.mounts.mount_foreign(STAGING);
    assert_code(lab.stats(STAGING).await, Code::NotFound, STAGING);
}

#[tokio::test]
async fn a_sick_volume_says_what_it_has() {
    let lab = Lab::new();
    lab.stage(&stage_request()).await.unwrap();
    lab.publish(&publish_request(TARGET)).await.unwrap();
    assert_eq!(
        lab.health([TARGET, STAGING]).await.unwrap().health_statuses,
        []
    );
    for (health, reason) in [
        (Health::Dead, "MountDead"),
        (Health::Hanging, "MountNotResponding"),
    ] {
        lab.mounts.set_health(STAGING, health);
        let stats = lab.stats(TARGET).await.unwrap();
        assert!(stats.usage.is_empty());
        assert!(stats.volume_condition.unwrap().abnormal);
        for paths in [[TARGET, STAGING], [TARGET, ""], ["", ""]] {
            let health = lab.health(paths).await.unwrap();
            assert_eq!(health.volume_id, volume_id());
            let [entry] = &health.health_statuses[..] else {
                panic!("{health:?}")
            };
            assert_eq!(entry.reason, reason);
        }
    }
}

/// The kubelet does not wait for the one with the other.
#[tokio::test]
async fn what_is_unmounted_while_it_is_asked_for_is_not_sick_for_ever() {
    let mut lab = Lab::new();
    lab.stage(&stage_request()).await.unwrap();
    lab.publish(&publish_request(TARGET)).await.unwrap();
    lab.mounts.set_health(STAGING, Health::Hanging);
    for path in [TARGET, STAGING] {
        let (faults, pause) = (Faults::new(), Pause::new());
        let unmount = format!("unmount `{path}`");
        faults.once(
            move |call| call.what == unmount,
            Fault::Pause(pause.clone()),
        );
        lab.restart(faults);
        let ask = async {
            assert!(pause.reached().await);
            let stats = lab.stats(path).await.unwrap();
            assert!(stats.volume_condition.unwrap().abnormal);
            pause.end();
        };
        let remove = async {
            match path {
                TARGET => lab.unpublish(TARGET).await.unwrap(),
                _ => lab.unstage().await.unwrap(),
            }
        };
        tokio::join!(remove, ask);
        let sick = lab.node.overview().abnormal;
        assert!(sick.iter().all(|(_, count)| *count == 0), "{sick:?}");
    }
}

#[tokio::test]
async fn health_of_volumes_that_are_not_mounted() {
    let lab = Lab::new();
    assert_code(lab.health(["", ""]).await, Code::NotFound, &volume_id());
    assert_eq!(lab.health([TARGET, ""]).await.unwrap().health_statuses, []);
    lab.mounts.mount_foreign(STAGING);
    lab.stage(&stage_request()).await.unwrap_err();
    let health = lab.health(["", STAGING]).await.unwrap();
    assert_eq!(health.health_statuses[0].reason, "StageFailed");
    lab.unstage().await.unwrap();
    assert_code(lab.health(["", ""]).await, Code::NotFound, &volume_id());
}

#[tokio::test]
async fn the_storage_is_as_healthy_as_its_mounts() {
    let lab = Lab::new();
    let health = async || {
        let request = NodeGetStorageHealthRequest::default();
        let answer = storage_health::run(&lab.node, &cx(), &request)
            .await
            .unwrap();
        let entries = answer.backend_health.iter();
        entries
            .map(|entry| (entry.status(), entry.reason.clone()))
            .collect::<Vec<_>>()
    };
    lab.stage(&stage_request()).await.unwrap();
    assert_eq!(health().await, []);
    lab.mounts.set_health(STAGING, Health::Hanging);
    let unreachable = StorageHealthErrorType::StorageUnreachable;
    assert_eq!(
        health().await,
        [(unreachable, "MountsNotResponding".to_owned())]
    );
    lab.mounts.set_health(STAGING, Health::Dead);
    let degraded = StorageHealthErrorType::StorageDegraded;
    assert_eq!(health().await, [(degraded, "MountsDead".to_owned())]);
}

#[test]
fn a_node_says_who_it_is_and_what_it_can() {
    let mut lab = Lab::new();
    let info = info::run(&lab.node);
    assert_eq!(info.node_id, "node-1");
    let topology = info.accessible_topology.unwrap();
    assert_eq!(topology.segments, map([("topology.d/zone", "z1")]));
    assert_eq!(capabilities::run(&lab.node).capabilities.len(), 6);
    let node = Arc::get_mut(&mut lab.node).unwrap();
    node.settings.volume_mount_group = true;
    assert_eq!(capabilities::run(&lab.node).capabilities.len(), 7);
}
