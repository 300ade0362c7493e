//! Of a series of snapshots Ceph tells when the first was taken. Whoever takes another, and however often it is
//! asked for, tells one time of it.

use std::time::{Duration, SystemTime};

use ceph::fault::Faults;
use support::{End, Process, World};

use crate::{support, with_volume};

/// A process that has taken a snapshot, and so knows what time it is for Ceph.
fn with_clock(world: &World, volume: &str, first: &str) -> Process {
    let process = world.start(Faults::new());
    process.snapshot(first, volume).served();
    process
}

#[test]
fn ceph_is_asked_for_the_first_and_no_time_is_too_late() {
    let (world, volume, _) = with_volume();
    let process = world.start(Faults::new());
    let names = (0..20).map(|number| format!("snapshot-{number}"));
    let taken: Vec<_> = names
        .map(|name| process.snapshot(&name, &volume).served())
        .collect();
    let is_info = |call: &ceph::fault::Call| call.what.contains("snapshot info");
    let asked = process.faults.count(is_info);
    // It is asked again of one that took long, on a machine that is busy.
    assert!((1..taken.len()).contains(&asked), "{asked}");
    assert!(taken.is_sorted_by_key(|snapshot| {
        let at = snapshot.creation_time.unwrap();
        (at.seconds, at.nanos)
    }));

    let snapshots = &world.memory.subvolumes()[0].1.snapshots;
    for snapshot in &taken {
        let uuid = snapshot.snapshot_id.get(snapshot.snapshot_id.len() - 36..);
        let truth = snapshots[&format!("csi-snap-{}", uuid.unwrap())].created_at;
        let truth = truth.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let truth = SystemTime::from(truth.timestamp());
        let told = SystemTime::try_from(snapshot.creation_time.unwrap()).unwrap();
        let early = truth.duration_since(told).unwrap();
        assert!(early < Duration::from_secs(1), "{early:?}");
    }
    process.kill();
}

#[test]
fn two_drivers_tell_the_same_time() {
    let mut met = 0;
    for step in 1.. {
        let (world, volume, _) = with_volume();
        let other = with_clock(&world, &volume, "first-of-other");
        let late = with_clock(&world, &volume, "first-of-late");
        let take = |process: &Process| process.snapshot("snapshot-1", &volume);
        let mut told = None;
        let done = late.faults.log().len() as u64;
        let (reached, end) = late.stopped_at(done + step, take, || {
            told = Some(take(&other).served());
        });
        if let End::Answered(Ok(answer)) = end {
            assert_eq!(Some(&answer), told.as_ref(), "stopped at {step}");
            met += usize::from(reached);
        }
        assert_eq!(Some(take(&other).served()), told, "stopped at {step}");
        let next = world.start(Faults::new());
        assert_eq!(Some(take(&next).served()), told, "stopped at {step}");
        next.kill();
        other.kill();
        if !reached {
            break;
        }
    }
    assert!(met > 3, "{met}");
}
