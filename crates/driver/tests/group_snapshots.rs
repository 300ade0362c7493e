//! Group snapshots on a cluster in memory: what is answered, what failures leave, which is nothing, and that
//! writes are held back no longer than it takes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it did"
)]

#[path = "group_snapshots/original.rs"]
mod original;
#[allow(dead_code, reason = "each test uses its part of the support")]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ceph::fault::{Fault, Faults};
use ceph::memory::Cloner;
use ceph::{Error, ErrorKind};
use csi_proto::v1::VolumeGroupSnapshot;
use spirula::journal::Source;
use support::{End, Process, World};
use tonic::Code;

const GROUP: &str = "groupsnapshot-1";

/// A world whose Ceph can hold writes back, with two volumes of one and two GiB; their ids in order.
fn world() -> (World, [String; 2], Vec<String>) {
    let world = World::new();
    world.memory.know_quiesce();
    let process = world.start(Faults::new());
    let mut ids = [("pvc-1", 1), ("pvc-2", 2)]
        .map(|(name, gib)| process.create(name, gib).served().volume.unwrap().volume_id);
    process.kill();
    ids.sort();
    let before = world.leftovers();
    (world, ids, before)
}

fn make(process: &Process, ids: &[String]) -> End<VolumeGroupSnapshot> {
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    process.group(GROUP, &ids)
}

fn snapshots(world: &World) -> usize {
    let subvolumes = world.memory.subvolumes();
    let count = subvolumes.iter().map(|(_, state)| state.snapshots.len());
    count.sum()
}

/// Nothing of a group, and nobody's writes are held back.
fn nothing_left(world: &World, before: &[String], when: &str) {
    assert_eq!(world.leftovers(), before, "{when}");
    assert_eq!(snapshots(world), 0, "{when}");
    assert!(world.memory.quiet_sets().is_empty(), "{when}");
}

/// Waits until writes are not held back, as that may be ended after the answer.
fn written_again(world: &World, when: &str) {
    let started = Instant::now();
    while !world.memory.quiet_sets().is_empty() {
        assert!(started.elapsed() < Duration::from_mins(1), "{when}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_group_has_a_snapshot_of_each_volume() {
    let (world, ids, before) = world();
    let process = world.start(Faults::new());
    let made = make(&process, &ids).served();
    assert!(made.ready_to_use);
    for (snapshot, id) in made.snapshots.iter().zip(&ids) {
        assert_eq!(&snapshot.source_volume_id, id);
        assert_eq!(snapshot.group_snapshot_id, made.group_snapshot_id);
        assert!(snapshot.ready_to_use);
        let alone = process.get_snapshot(&snapshot.snapshot_id).served();
        assert_eq!(alone.snapshot.as_ref(), Some(snapshot));
    }
    let sizes: BTreeSet<_> = made.snapshots.iter().map(|one| one.size_bytes).collect();
    assert_eq!(sizes, [1 << 30, 2 << 30].into());
    let times = made.snapshots.iter().map(|one| one.creation_time.unwrap());
    let earliest = times.min_by_key(|time| (time.seconds, time.nanos));
    assert_eq!(made.creation_time, earliest);
    assert!(world.memory.quiet_sets().is_empty());

    // In any order, and whatever became of the volumes, the answer stays the same.
    let turned = [ids[1].clone(), ids[0].clone()];
    process.expand(&ids[0], 5).served();
    process.delete(&ids[1]).served();
    assert_eq!(make(&process, &turned).served(), made);
    let seen = process.get_group(&made.group_snapshot_id).served();
    assert_eq!(seen.group_snapshot, Some(made.clone()));

    let known: Vec<_> = made.snapshots.iter().map(|one| &*one.snapshot_id).collect();
    for _ in 0..2 {
        process
            .delete_group(&made.group_snapshot_id, &known)
            .served();
    }
    let gone = process.get_group(&made.group_snapshot_id).refused();
    assert_eq!(gone.code(), Code::NotFound);
    assert_eq!(snapshots(&world), 0);
    process.delete(&ids[0]).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    assert!(!before.is_empty());
    process.kill();
}

#[test]
fn one_volume_is_a_group_and_may_be_in_several() {
    let (world, ids, before) = world();
    let process = world.start(Faults::new());
    let first = process.group("groupsnapshot-a", &[&ids[0]]).served();
    let second = process
        .group("groupsnapshot-b", &[&ids[0], &ids[1]])
        .served();
    assert_eq!((first.snapshots.len(), second.snapshots.len()), (1, 2));
    process.delete_group(&first.group_snapshot_id, &[]).served();
    let seen = process.get_group(&second.group_snapshot_id).served();
    assert_eq!(seen.group_snapshot.as_ref(), Some(&second));
    process
        .delete_group(&second.group_snapshot_id, &[])
        .served();
    nothing_left(&world, &before, "after both");
    process.kill();
}

#[test]
fn other_volumes_do_not_get_the_name() {
    let (world, ids, _) = world();
    let process = world.start(Faults::new());
    let made = process.group(GROUP, &[&ids[0]]).served();
    let before = world.leftovers();
    for others in [vec![&*ids[1]], vec![&*ids[0], &*ids[1]]] {
        let refused = process.group(GROUP, &others).refused();
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
        assert!(refused.message().contains(&made.group_snapshot_id));
        assert_eq!((world.leftovers(), snapshots(&world)), (before.clone(), 1));
    }
    assert_eq!(process.group(GROUP, &[&ids[0]]).served(), made);
    process.kill();
}

/// Who deletes a snapshot of a group alone may do so, and is told what that means for the group.
#[test]
fn a_group_that_has_lost_a_snapshot_is_not_ready() {
    let (world, ids, before) = world();
    let process = world.start(Faults::new());
    let made = make(&process, &ids).served();
    let lost = &made.snapshots[1].snapshot_id;
    process.delete_snapshot(lost).served();
    let seen = process.get_group(&made.group_snapshot_id).served();
    let seen = seen.group_snapshot.unwrap();
    let ready: Vec<_> = seen.snapshots.iter().map(|one| one.ready_to_use).collect();
    assert_eq!((seen.ready_to_use, &*ready), (false, &[true, false][..]));
    assert_eq!(&seen.snapshots[1].snapshot_id, lost);
    let refused = make(&process, &ids).refused();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(lost), "{refused}");
    assert_eq!(snapshots(&world), 1, "what is left stays");
    process.delete_group(&made.group_snapshot_id, &[]).served();
    nothing_left(&world, &before, "after the rest");
    process.kill();
}

/// A group whose snapshots are being cloned stays whole, and who asks is told for whom.
#[test]
fn a_group_in_use_stays_whole() {
    let (world, ids, before) = world();
    let process = world.start(Faults::new());
    let made = make(&process, &ids).served();
    world.memory.set_cloner(Cloner {
        steps: 25,
        ..Cloner::default()
    });
    let source = Source::Snapshot(made.snapshots[1].snapshot_id.clone());
    process.copy_begun("pvc-3", 2, &source);
    let with_clone = world.leftovers();
    let refused = process.delete_group(&made.group_snapshot_id, &[]).refused();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let told = format!(
        "cannot be deleted yet, because volumes are being made of {} (csi-vol-",
        made.snapshots[1].snapshot_id
    );
    assert!(refused.message().contains(&told), "{refused}");
    assert_eq!((world.leftovers(), snapshots(&world)), (with_clone, 2));
    assert_eq!(make(&process, &ids).served(), made);

    let copy = process.copy("pvc-3", 2, &source).served().volume.unwrap();
    process.delete_group(&made.group_snapshot_id, &[]).served();
    process.delete(&copy.volume_id).served();
    nothing_left(&world, &before, "after the copy");
    process.kill();
}

#[test]
fn a_ceph_that_cannot_hold_writes_back_makes_nothing() {
    let world = World::new();
    let faults = Faults::new();
    let process = world.start(faults.clone());
    let id = process
        .create("pvc-1", 1)
        .served()
        .volume
        .unwrap()
        .volume_id;
    let before = world.leftovers();
    let writes = faults.count(|call| call.what.starts_with("write"));
    let refused = process.group(GROUP, &[&id]).refused();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("since 19.2 (Squid)"),
        "{refused}"
    );
    assert_eq!(world.leftovers(), before);
    let after = faults.count(|call| call.what.starts_with("write"));
    assert_eq!(writes, after, "not even for a moment: {:#?}", faults.log());
    process.kill();
}

/// What Ceph refuses for good leaves nothing, whichever step it is.
#[test]
fn a_refused_group_leaves_nothing() {
    let commands = [
        "fs quiesce",
        "fs subvolume snapshot create",
        "fs subvolume snapshot info",
        "fs subvolume info",
    ];
    for command in commands {
        for errno in [1, 22, 28, 5] {
            // The first or the second of its kind, as two are asked for at once.
            for nth in [1, 2] {
                let (world, ids, before) = world();
                let faults = Faults::new();
                let seen = std::sync::atomic::AtomicUsize::new(0);
                let failure = Error::answered(format!("mgr command `{command}`"), errno, "no");
                let chosen = move |call: &ceph::fault::Call| {
                    call.what.contains(&format!("`{command}`"))
                        && seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 == nth
                };
                faults.once(chosen, Fault::Fail(failure));
                let process = world.start(faults);
                make(&process, &ids).refused();
                let when = format!("{command}, errno {errno}, number {nth}");
                nothing_left(&world, &before, &when);
                process.kill();
            }
        }
    }
}

/// The time of quiet ran out while the snapshots were made: they may be of different moments.
#[test]
fn snapshots_of_different_moments_are_no_group() {
    let (world, ids, before) = world();
    let faults = Faults::new();
    let failure = Error::new(ErrorKind::NotQuiet, "mgr command `fs quiesce`", "");
    faults.once(
        |call| call.what.contains(r#""release":true"#),
        Fault::Fail(failure),
    );
    let process = world.start(faults);
    let refused = make(&process, &ids).refused();
    assert_eq!(refused.code(), Code::Aborted);
    nothing_left(&world, &before, "afterwards");
    let made = make(&process, &ids).served();
    assert_eq!(made.snapshots.len(), 2);
    process.kill();
}

/// Each step in turn fails, gives no answer, or takes its effect and gives none: writes go on soon, the
/// repeat makes the group, its deletion leaves nothing.
#[test]
fn every_step_may_fail() {
    let fail = Error::answered("c", 5, "");
    let faults_of_a_step = [
        ("fails", Fault::Fail(fail)),
        ("times out", Fault::TimeOut),
        ("loses its answer", Fault::LoseAnswer),
    ];
    let mut steps = 0;
    for (name, fault) in faults_of_a_step {
        for step in 1.. {
            let (world, ids, before) = world();
            let faults = Faults::new();
            faults.at(step, fault.clone());
            let process = world.start(faults.clone());
            let first = make(&process, &ids);
            let when = format!("step {step} {name}: {first:?}\n{:#?}", faults.log());
            written_again(&world, &when);
            if faults.log().len() < usize::try_from(step).unwrap() {
                break;
            }
            steps += 1;
            let made = make(&process, &ids).served();
            if let End::Answered(Ok(first)) = first {
                assert_eq!(first, made, "{when}");
            }
            assert_eq!((made.snapshots.len(), snapshots(&world)), (2, 2), "{when}");
            process.delete_group(&made.group_snapshot_id, &[]).served();
            nothing_left(&world, &before, &when);
            process.kill();
        }
    }
    println!("{steps} failures");
    assert!(steps >= 60, "{steps}");
}

/// The request comes to its deadline while writes are held back, and so do attempts to end that.
#[test]
fn writes_go_on_after_the_deadline() {
    let (world, ids, before) = world();
    let faults = Faults::new();
    faults.always(|call| call.what.contains("snapshot create"), Fault::Hang);
    faults.once(
        |call| call.what.contains(r#""cancel":true"#),
        Fault::TimeOut,
    );
    let process = world.start(faults.clone());
    let volumes: Vec<_> = ids.iter().map(String::as_str).collect();
    let limit = Duration::from_secs(2);
    let refused = process.group_within(limit, GROUP, &volumes).refused();
    assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused}");
    written_again(&world, "after the deadline");
    faults.clear();
    let made = make(&process, &ids).served();
    process.delete_group(&made.group_snapshot_id, &[]).served();
    nothing_left(&world, &before, "after the repeat");
    process.kill();
}

/// Two processes make the same group at once, as after a change of leaders: who is answered has it.
#[test]
fn two_processes_make_one_group() {
    let (mut both, mut one, mut none) = (0, 0, 0);
    for _ in 0..40 {
        let (world, ids, before) = world();
        let world = Arc::new(world);
        let processes = [(); 2].map(|()| {
            let (world, ids) = (Arc::clone(&world), ids.clone());
            std::thread::spawn(move || {
                let process = world.start(Faults::new());
                let answer = match make(&process, &ids) {
                    End::Answered(answer) => answer,
                    End::Killed => unreachable!(),
                };
                process.kill();
                answer
            })
        });
        let answers = processes.map(|process| process.join().unwrap());
        let answered = answers.iter().flatten().count();
        let process = world.start(Faults::new());
        let made = make(&process, &ids).served();
        for answer in answers {
            match answer {
                Ok(group) => assert_eq!(group, made),
                Err(refused) => assert_eq!(refused.code(), Code::Aborted, "{refused}"),
            }
        }
        match answered {
            2 => both += 1,
            1 => one += 1,
            _ => none += 1,
        }
        assert_eq!(snapshots(&world), 2);
        process.delete_group(&made.group_snapshot_id, &[]).served();
        nothing_left(&world, &before, "after two at once");
        process.kill();
    }
    println!("both were answered {both} times, one {one} times, none {none} times");
}
