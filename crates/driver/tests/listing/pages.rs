//! ListVolumes: pages, and what is in them.

use std::collections::BTreeSet;

use ceph::fault::{Fault, Faults};
use ceph::memory::Cloner;
use csi_proto::v1::controller_service_capability::rpc::Type;
use spirula::journal::Source;
use tonic::Code;

use crate::lab::lab;
use crate::support::World;

const UUID: &str = "12345678-9abc-4def-8123-456789abcdef";

/// Its deletion was answered; then the driver died before it had removed the record.
#[test]
fn what_is_left_of_a_deleted_volume_is_none() {
    let world = World::new();
    world.give_credentials("c1");
    let faults = Faults::new();
    let process = world.start(faults.clone());
    let id = process.create_id("pvc-1");
    let removal = format!("csi.volume.{}`: remove", &id[id.len() - 36..]);
    faults.once(move |call| call.what.ends_with(&removal), Fault::KillBefore);
    assert!(process.delete(&id).is_killed());
    process.kill();
    let marks = || {
        let left = world.leftovers().into_iter();
        left.filter(|left| left.contains("spirula.retired."))
            .count()
    };
    assert_eq!(marks(), 1);

    let process = world.start(Faults::new());
    assert_eq!(process.get(&id).refused().code(), Code::NotFound);
    assert_eq!(process.list_all(0, |_| {}), [""; 0]);
    let again = process.create_id("pvc-1");
    assert_ne!(again, id);
    assert_eq!(
        marks(),
        0,
        "the first request that makes something finds it"
    );
    process.delete(&id).served();
    assert_eq!(process.list_all(0, |_| {}), [&*again]);
    process.delete(&again).served();
    assert_eq!(world.leftovers(), [""; 0]);
    process.kill();
}

#[test]
fn pages_of_any_size_list_each_volume_once() {
    let (_world, process) = lab();
    let made: BTreeSet<_> = (0..7)
        .map(|i| process.create_id(&format!("pvc-{i}")))
        .collect();
    for size in [0, 1, 2, 3, 6, 7, 8] {
        let listed = process.list_all(size, |page| {
            assert!(size == 0 || page.len() <= usize::try_from(size).unwrap());
        });
        assert_eq!(listed.len(), 7, "pages of {size}");
        assert_eq!(BTreeSet::from_iter(listed), made, "pages of {size}");
    }
    let all = process.list(0, "").served();
    for entry in &all.entries {
        let condition = entry
            .status
            .as_ref()
            .unwrap()
            .volume_condition
            .as_ref()
            .unwrap();
        assert!(!condition.abnormal, "{condition:?}");
        assert_eq!(entry.volume.as_ref().unwrap().capacity_bytes, 1 << 30);
    }
    assert_eq!(process.list(7, "").served().next_token, "");
    process.kill();
}

/// A clone that is being filled has no path yet; that fails no listing.
#[test]
fn a_copy_that_is_being_made_is_listed() {
    let (world, process) = lab();
    let id = process.create_id("pvc-source");
    assert_eq!(process.list(0, "").served().entries.len(), 1);
    world.memory.set_cloner(Cloner {
        steps: 1_000_000,
        ..Cloner::default()
    });
    let copy = process.copy_begun("pvc-copy", 1, &Source::Volume(id));
    assert_eq!(copy.code(), Code::Aborted);
    assert_eq!(process.list_all(1, |_| ()).len(), 2);
    process.kill();
}

#[test]
fn tokens_survive_what_happens_between_pages() {
    let (_world, process) = lab();
    let made: Vec<_> = (10..20)
        .map(|i| process.create_id(&format!("pvc-{i}")))
        .collect();
    let mut round = 0;
    let listed = process.list_all(2, |page| {
        round += 1;
        // The last of the page goes, and one comes before and one after it.
        process.delete(page.last().unwrap()).served();
        if round == 1 {
            process.create(&format!("pvc-0{round}"), 1).served();
            process.create("pvc-195", 1).served();
        }
    });
    let unique: BTreeSet<_> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len(), "{listed:#?}");
    assert!(made.iter().all(|id| unique.contains(id)), "{listed:#?}");
    assert_eq!(
        listed.len(),
        11,
        "the one that came after the place, not the one before it"
    );
    process.kill();
}

#[test]
fn volumes_of_the_original_are_listed_and_reservations_are_not() {
    let (world, process) = lab();
    world.make_foreign("csi", "pvc-old", UUID);
    let reserved = "99999999-9abc-4def-8123-456789abcdef";
    world.write_omap(
        "csi.volumes.default",
        &[("csi.volume.pvc-reserved", reserved)],
    );
    world.write_omap(
        "csi.volumes.default",
        &[("csi.volume.pvc-broken", "no uuid")],
    );
    let ids = process.list_all(1, |_| {});
    assert_eq!(ids, [format!("0001-0002-c1-0000000000000001-{UUID}")]);
    process.kill();
}

/// In pages without a single readable entry there still is a way on.
#[test]
fn unreadable_entries_end_no_listing() {
    let (world, process) = lab();
    for i in 0..20 {
        world.write_omap(
            "csi.volumes.default",
            &[(&format!("csi.volume.a-{i:02}"), "?")],
        );
    }
    let id = process.create_id("pvc-1");
    assert_eq!(process.list_all(1, |_| {}), [id]);
    process.kill();
}

#[test]
fn without_own_credentials_the_capabilities_are_not_there_and_requests_say_what_to_do() {
    let world = World::new();
    let process = world.start(Faults::new());
    let own = [
        Type::ListVolumes,
        Type::ListSnapshots,
        Type::GetVolume,
        Type::GetCapacity,
        Type::VolumeCondition,
        Type::GetVolumeHealth,
        Type::ListVolumeHealth,
    ];
    let has = |all: &[i32]| own.map(|one| all.contains(&one.into()));
    assert_eq!(has(&process.capabilities()), [false; 7]);
    let id = process.create_id("pvc-1");
    let refusals = [
        process.list(0, "").refused(),
        process.list_health(0, "").refused(),
        process.get(&id).refused(),
        process.health(&id).refused(),
        process.capacity(&[]).refused(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}");
        let cure = "put the files `userID` and `userKey` into the directory";
        assert!(refusal.message().contains("cluster `c1`"), "{refusal}");
        assert!(refusal.message().contains(cure), "{refusal}");
    }
    world.give_credentials("c1");
    assert_eq!(has(&process.capabilities()), [true; 7]);
    assert_eq!(process.list_all(0, |_| {}), [id]);
    process.kill();
}

/// Whatever step fails: no page that lacks something.
#[test]
fn a_failing_cluster_fails_the_listing() {
    let (world, process) = lab();
    process.create_id("pvc-1");
    process.kill();
    let process = world.start(Faults::new());
    process.list(0, "").served();
    let steps = process.faults.log().len() as u64;
    assert!(steps >= 6, "{:#?}", process.faults.log());
    for step in 1..=steps {
        let faults = Faults::new();
        let away = ceph::Error::new(
            ceph::ErrorKind::Unreachable,
            "connect",
            "no monitor answers",
        );
        faults.at(step, Fault::Fail(away));
        let other = world.start(faults);
        let refusal = other.list(0, "").refused();
        assert_eq!(refusal.code(), Code::Unavailable, "step {step}: {refusal}");
        assert!(refusal.message().starts_with("cluster `c1`: "), "{refusal}");
        other.kill();
    }
    process.kill();
}
