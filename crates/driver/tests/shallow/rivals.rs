//! Two processes at one volume, each stopped at every step and let go on later, while its snapshot is
//! deleted or the volume is: as when a driver has lost its leadership with a call on its way.

use ceph::fault::{Call, Fault, Faults, Pause};
use csi_proto::v1 as csi;
use spirula::reftracker::{Held, RefTracker};
use tonic::Code;

use crate::creation::{delete_all, world};
use crate::cx;
use crate::support::{End, Process, World, block_on};

const NAME: &str = "pvc-2";

/// What becomes of a request at a chosen step.
#[derive(Clone, Copy, Debug)]
enum At {
    /// It stops, and goes on later.
    Stop(u64),
    /// Its process dies right after the step.
    Die(u64),
    /// It stops before it looks at the references, and dies right after it has added its own.
    Late,
}

/// A request in a process of its own.
struct Rival<'s> {
    pause: Pause,
    faults: Faults,
    thread: std::thread::ScopedJoinHandle<'s, End<csi::CreateVolumeResponse>>,
}

impl<'s> Rival<'s> {
    /// Begins to make the volume, and comes as far as `at`, or to its end.
    fn start<'e>(
        scope: &'s std::thread::Scope<'s, 'e>,
        world: &World,
        snapshot: &'e str,
        at: At,
    ) -> Self {
        let (pause, faults) = (Pause::new(), Faults::new());
        let process = world.start(faults.clone());
        let done = connect(&process);
        match at {
            At::Stop(step) => faults.at(done + step, Fault::Pause(pause.clone())),
            At::Die(step) => faults.at(done + step, Fault::KillAfter),
            At::Late => {
                let reference = |call: &Call, does: &str| {
                    call.what.starts_with(does) && call.what.contains("rt-backingsnapshot")
                };
                let paused = Fault::Pause(pause.clone());
                faults.once(move |call| reference(call, "read"), paused);
                faults.once(move |call| reference(call, "write"), Fault::KillAfter);
            }
        }
        let mine = pause.clone();
        let thread = scope.spawn(move || {
            let end = process.show(NAME, 1, snapshot);
            mine.end();
            process.kill();
            end
        });
        block_on(pause.reached());
        Self {
            pause,
            faults,
            thread,
        }
    }

    /// Lets it come to its end: the volume, `None` if it was refused or died.
    fn end(self) -> Option<csi::Volume> {
        self.pause.end();
        match self.thread.join().unwrap() {
            End::Answered(Ok(answer)) => answer.volume,
            End::Killed => None,
            refused @ End::Answered(Err(_)) => {
                let status = refused.refused();
                let expected = [Code::NotFound, Code::Aborted].contains(&status.code());
                assert!(expected, "{status}: {:#?}", self.faults.log());
                None
            }
        }
    }
}

/// Lets the process do all that it does once, so that the steps that follow are those of the request. How
/// many steps that was.
fn connect(process: &Process) -> u64 {
    let absent = "0001-0002-c1-0000000000000001-00000000-0000-4000-8000-000000000000";
    process.delete_snapshot(absent).served();
    process.faults.log().len() as u64
}

/// How many steps it takes to make the volume.
fn steps() -> u64 {
    let (world, process, _, snapshot) = world();
    process.kill();
    let process = world.start(Faults::new());
    let done = connect(&process);
    process.show(NAME, 1, &snapshot).served();
    let steps = process.faults.log().len() as u64;
    process.kill();
    steps - done
}

fn snapshots(world: &World) -> usize {
    world.memory.subvolumes()[0].1.snapshots.len()
}

/// Whoever is answered has a volume, and its snapshot until the volume goes; if nobody is, nothing is left.
/// Whether somebody was.
fn delete_the_snapshot_between(first: At, second: At) -> bool {
    let (world, process, source, snapshot) = world();
    let (one, two) = std::thread::scope(|scope| {
        let one = Rival::start(scope, &world, &snapshot, first);
        process.delete_snapshot(&snapshot).served();
        let two = Rival::start(scope, &world, &snapshot, second);
        (one.end(), two.end())
    });
    let at = format!("{first:?}, {second:?}: {one:?}, {two:?}");
    if let (Some(one), Some(two)) = (&one, &two) {
        assert_eq!(one, two, "{at}");
    }
    let made = one.or(two);
    match (process.show(NAME, 1, &snapshot), &made) {
        (End::Answered(Ok(again)), Some(made)) => {
            assert_eq!(again.volume.as_ref(), Some(made), "{at}");
            assert_eq!(snapshots(&world), 1, "{at}");
        }
        (again, None) => {
            assert_eq!(again.refused().code(), Code::NotFound, "{at}");
            assert_eq!(snapshots(&world), 0, "{at}");
        }
        (again, Some(_)) => panic!("{at}: {again:?}"),
    }
    let volumes: Vec<_> = made.iter().map(|made| &*made.volume_id).collect();
    println!("{at}");
    delete_all(&world, process, [&source, &snapshot], &volumes);
    made.is_some()
}

#[test]
fn the_snapshot_is_deleted_while_two_make_a_volume_of_it() {
    let (mut made, mut refused) = (0, 0);
    for first in 1..=steps() {
        // To be refused takes longer.
        for second in 1..=steps() + 8 {
            for second in [At::Stop(second), At::Die(second)] {
                if delete_the_snapshot_between(At::Stop(first), second) {
                    made += 1;
                } else {
                    refused += 1;
                }
            }
        }
    }
    println!("{made} volumes, {refused} refusals");
    assert!(made > 0 && refused > 100, "{made}, {refused}");
}

/// Who goes on where the volume is gone by now makes another one, or none: no reference is left that keeps the
/// snapshot for nobody.
#[test]
fn the_volume_is_made_and_deleted_while_another_makes_it() {
    let mut refused = 0;
    for step in 1..=steps() {
        let (world, process, source, snapshot) = world();
        let (made, late) = std::thread::scope(|scope| {
            let late = Rival::start(scope, &world, &snapshot, At::Stop(step));
            let made = process.show(NAME, 1, &snapshot).served().volume.unwrap();
            process.delete(&made.volume_id).served();
            (made, late.end())
        });
        let Some(late) = late else {
            refused += 1;
            delete_all(&world, process, [&source, &snapshot], &[]);
            continue;
        };
        let uuid = late.volume_id.get(late.volume_id.len() - 36..).unwrap();
        if late == made && !world.leftovers().iter().any(|left| left.contains(uuid)) {
            // What goes beside the step where it stopped went on, and saw the volume before it was deleted.
            delete_all(&world, process, [&source, &snapshot], &[]);
            continue;
        }
        process.delete_snapshot(&snapshot).served();
        assert_eq!(snapshots(&world), 1, "stopped at {step}");
        delete_all(&world, process, [&source, &snapshot], &[&late.volume_id]);
    }
    println!("refused at {refused} steps");
    assert!(refused >= 4, "{refused}");
}

/// Who has read the record before the volume was deleted adds its reference again, and dies. It is a reference of
/// nobody, and keeps no snapshot.
#[test]
fn a_reference_that_came_late_keeps_nothing() {
    let (world, process, source, snapshot) = world();
    let kept = process.show("pvc-3", 1, &snapshot).served().volume.unwrap();
    std::thread::scope(|scope| {
        let late = Rival::start(scope, &world, &snapshot, At::Late);
        let made = process.show(NAME, 1, &snapshot).served().volume.unwrap();
        process.delete(&made.volume_id).served();
        assert_eq!(late.end(), None);
    });
    let references = || {
        let objects = world.memory.objects().into_iter();
        let mut tracked = objects.filter(|(at, _)| at.name.starts_with("rt-"));
        tracked.next().map_or(0, |(_, state)| state.omap.len())
    };
    assert_eq!(references(), 3);
    process.delete_snapshot(&snapshot).served();
    assert_eq!((references(), snapshots(&world)), (2, 1), "pvc-3 shows it");
    process.delete(&kept.volume_id).served();
    assert_eq!((references(), snapshots(&world)), (0, 0));
    delete_all(&world, process, [&source, &snapshot], &[]);
}

/// Who deletes the snapshot of a volume that is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deleter {
    Ours,
    /// It masks, and notes nothing, unless the snapshot can go at once.
    CephCsi,
}

/// Lets `process` delete the volume as far as `step`, and go on after `meanwhile`. `false` if that is not as many steps.
fn delete_around(process: Process, volume: &str, step: u64, meanwhile: impl FnOnce()) -> bool {
    let done = connect(&process);
    let delete = |process: &Process| process.delete(volume);
    let (reached, late) = process.stopped_at(done + step, delete, meanwhile);
    late.served();
    reached
}

/// The last volume is deleted while the snapshot is, or by another process as well that dies: the snapshot goes.
#[test]
fn the_snapshot_is_deleted_while_the_last_volume_is() {
    let mut runs = 0;
    for deleter in [Deleter::Ours, Deleter::CephCsi] {
        // How far the other process comes.
        for others in 0.. {
            let mut died = false;
            for step in 1.. {
                let (world, process, source, snapshot) = world();
                let shown = process.show(NAME, 1, &snapshot).served().volume.unwrap();
                let reached =
                    delete_around(world.start(Faults::new()), &shown.volume_id, step, || {
                        if deleter == Deleter::Ours {
                            process.delete_snapshot(&snapshot).served();
                        } else {
                            let client = world.memory.client();
                            let references = RefTracker::new(client, world.metadata_pool, "csi");
                            let held = block_on(references.mask(&cx(), &snapshot)).unwrap();
                            if held == Held::No {
                                process.delete_snapshot(&snapshot).served();
                            }
                        }
                        if others > 0 {
                            let other = world.start(Faults::new());
                            let fault = connect(&other) + others;
                            other.faults.at(fault, Fault::KillAfter);
                            died |= other.delete(&shown.volume_id).is_killed();
                            other.kill();
                        }
                    });
                let at = format!("{deleter:?}, stopped at {step}, the other killed after {others}");
                if reached {
                    assert_eq!(snapshots(&world), 0, "{at}: {:#?}", world.leftovers());
                }
                delete_all(&world, process, [&source, &snapshot], &[]);
                runs += 1;
                if !reached {
                    break;
                }
            }
            if others > 0 && !died {
                break;
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > 60, "{runs}");
}
