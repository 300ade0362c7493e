//! A request that is refused as another one is at work has changed nothing.

use ceph::fault::{Fault, Faults, Pause};
use support::block_on;
use tonic::Code;

use crate::{support, with_volume};

#[test]
fn a_deletion_while_the_creation_is_repeated() {
    let (world, volume, _) = with_volume();
    let process = world.start(Faults::new());
    let take = || process.snapshot("snapshot-1", &volume);
    let made = take().served();
    let pause = Pause::new();
    process.faults.once(
        |call| call.what.contains("snapshot info"),
        Fault::Pause(pause.clone()),
    );
    std::thread::scope(|scope| {
        let repeat = scope.spawn(take);
        assert!(block_on(pause.reached()));
        let status = process.delete_snapshot(&made.snapshot_id).refused();
        assert_eq!(status.code(), Code::Aborted, "{status:?}");
        pause.end();
        assert_eq!(repeat.join().unwrap().served(), made);
    });
    let seen = process.get_snapshot(&made.snapshot_id).served();
    assert_eq!(seen.snapshot.as_ref(), Some(&made));
    process.delete_snapshot(&made.snapshot_id).served();
    process.delete(&volume).served();
    assert_eq!(world.leftovers(), Vec::<String>::new());
    process.kill();
}
