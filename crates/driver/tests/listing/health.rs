//! What is wrong with volumes.

use std::time::Instant;

use ceph::health::Check;
use ceph::memory::Mds;
use csi_proto::v1::VolumeHealthErrorType as Status;
use tonic::Code;

use crate::lab::{lab, reasons};
use crate::support::{Process, World};

/// The volumes that the listing of health has, with their reasons.
fn listed(process: &Process) -> Vec<(String, Vec<String>)> {
    let page = process.list_health(0, "").served();
    assert_eq!(page.next_token, "");
    let entries = page.entries.iter();
    entries
        .map(|entry| (entry.volume_id.clone(), reasons(entry)))
        .collect()
}

fn is_abnormal(process: &Process, id: &str) -> bool {
    let listed = process.list(0, "").served().entries;
    let mut listed = listed
        .into_iter()
        .map(|entry| (entry.volume.unwrap(), entry.status.unwrap()));
    let (_, status) = listed.find(|(volume, _)| volume.volume_id == id).unwrap();
    let got = process
        .get(id)
        .served()
        .status
        .unwrap()
        .volume_condition
        .unwrap();
    let condition = status.volume_condition.unwrap();
    assert_eq!(
        (condition.abnormal, &condition.message),
        (got.abnormal, &got.message)
    );
    assert_eq!(
        condition.abnormal,
        !condition.message.is_empty(),
        "{condition:?}"
    );
    condition.abnormal
}

fn remove_subvolume(world: &World, id: &str) {
    let uuid = &id[id.len() - 36..];
    world.subvolume_command("fs subvolume rm", "csi", &format!("csi-vol-{uuid}"));
}

#[test]
fn healthy_volumes_have_their_size_and_no_reasons() {
    let (_world, process) = lab();
    let id = process.create_id("pvc-1");
    let volume = process.get(&id).served().volume.unwrap();
    assert_eq!((volume.capacity_bytes, &volume.volume_id), (1 << 30, &id));
    assert_eq!(process.reasons(&id), Vec::<String>::new());
    assert_eq!(listed(&process), []);
    assert!(!is_abnormal(&process, &id));
    process.kill();
}

/// The manager's commands hang then: nobody may wait for them.
#[test]
fn without_metadata_servers_all_volumes_are_inaccessible_and_told_at_once() {
    let (world, process) = lab();
    let id = process.create_id("pvc-1");
    for (mds, expected) in [
        (Mds::Stopped, &["FilesystemOffline"][..]),
        (Mds::Damaged, &["MetadataDamaged", "FilesystemOffline"]),
    ] {
        world.memory.set_mds("cephfs", mds);
        let started = Instant::now();
        assert_eq!(process.reasons(&id), expected);
        assert_eq!(
            listed(&process),
            [(
                id.clone(),
                expected.iter().map(|r| (*r).to_owned()).collect()
            )]
        );
        assert!(is_abnormal(&process, &id));
        let health = process.health(&id).served().volume_health.unwrap();
        assert_eq!(
            health.health_statuses[0].status,
            i32::from(Status::Inaccessible)
        );
        assert_eq!(
            process.get(&id).served().volume.unwrap().capacity_bytes,
            1 << 30
        );
        assert!(
            started.elapsed().as_secs() < 10,
            "somebody waited for the manager"
        );
        world.memory.set_mds("cephfs", Mds::Active);
        assert_eq!(process.reasons(&id), Vec::<String>::new());
    }
    process.kill();
}

#[test]
fn a_subvolume_that_somebody_removed_is_missed() {
    let (world, process) = lab();
    let (id, other) = (process.create_id("pvc-1"), process.create_id("pvc-2"));
    remove_subvolume(&world, &id);
    assert_eq!(process.reasons(&id), ["SubvolumeMissing"]);
    assert_eq!(
        listed(&process),
        [(id.clone(), vec!["SubvolumeMissing".to_owned()])]
    );
    assert!(is_abnormal(&process, &id));
    assert!(!is_abnormal(&process, &other));
    process.delete(&id).served();
    assert_eq!(process.get(&id).refused().code(), Code::NotFound);
    assert_eq!(process.health(&id).refused().code(), Code::NotFound);
    assert_eq!(listed(&process), []);
    process.kill();
}

/// Ceph still tells of a subvolume of which only snapshots are left.
#[test]
fn a_subvolume_of_which_only_snapshots_are_left_is_missed() {
    let (world, process) = lab();
    let id = process.create_id("pvc-1");
    let snapshot = process.snapshot("snapshot-1", &id).served().snapshot_id;
    world.retain_snapshots(&id);
    assert_eq!(process.reasons(&id), ["SubvolumeMissing"]);
    let got = process.get(&id).served();
    assert_eq!(got.volume.unwrap().capacity_bytes, 1 << 30);
    assert!(got.status.unwrap().volume_condition.unwrap().abnormal);
    process.delete(&id).served();
    assert_eq!(process.get(&id).refused().code(), Code::NotFound);
    process.delete_snapshot(&snapshot).served();
    assert_eq!(world.leftovers(), [""; 0]);
    process.kill();
}

#[test]
fn pools_and_records_matter() {
    let (world, process) = lab();
    let id = process.create_id("pvc-1");
    world.memory.set_room("cephfs-data", 0);
    assert_eq!(process.reasons(&id), ["PoolFull"]);
    world.memory.set_room("cephfs-data", 1);
    world.memory.set_checks(vec![Check {
        code: "PG_AVAILABILITY".to_owned(),
        summary: "Reduced data availability: 1 pg inactive".to_owned(),
        details: vec!["pg 2.3 is stuck inactive for 3m, current state peered".to_owned()],
    }]);
    assert_eq!(process.reasons(&id), ["DataUnavailable"]);
    assert_eq!(
        listed(&process),
        [(id.clone(), vec!["DataUnavailable".to_owned()])]
    );
    world.memory.set_checks(Vec::new());
    let uuid = &id[id.len() - 36..];
    world.write_omap(&format!("csi.volume.{uuid}"), &[("spirula.volume", "{")]);
    assert_eq!(
        listed(&process),
        [(id, vec!["JournalUnreadable".to_owned()])]
    );
    process.kill();
}

#[test]
fn the_listing_of_health_has_pages() {
    let (world, process) = lab();
    let ids: Vec<_> = (0..5)
        .map(|i| process.create_id(&format!("pvc-{i}")))
        .collect();
    for id in [&ids[1], &ids[3], &ids[4]] {
        remove_subvolume(&world, id);
    }
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let page = process.list_health(2, &token).served();
        assert!(page.entries.len() <= 2);
        found.extend(page.entries.into_iter().map(|entry| entry.volume_id));
        token = page.next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found, [ids[1].clone(), ids[3].clone(), ids[4].clone()]);
    process.kill();
}

#[test]
fn ids_that_lead_nowhere_are_not_found() {
    let (_world, process) = lab();
    let absent = "0001-0002-c1-0000000000000001-12345678-9abc-4def-8123-456789abcdef";
    let other_fs = "0001-0002-c1-0000000000000009-12345678-9abc-4def-8123-456789abcdef";
    for id in [absent, other_fs, "static-volume"] {
        for refusal in [process.get(id).refused(), process.health(id).refused()] {
            assert_eq!(refusal.code(), Code::NotFound, "{refusal}");
            assert!(refusal.message().contains(id), "{refusal}");
        }
    }
    let refusal = process.get("").refused();
    assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal}");
    process.kill();
}
