//! One snapshot at a time: it is taken, asked for again, and deleted.

use std::time::Duration;

use csi_proto::v1::{CreateSnapshotRequest, DeleteSnapshotRequest, Snapshot};

use crate::Bench;
use crate::driver::Driver;
use crate::profile;
use crate::raw::Raw;
use crate::report::{Row, Target};
use crate::samples::{in_turns, timed};
use crate::volumes::Client;

const RAW_VOLUME: &str = "bench-of-snapshots";

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let raw = &Raw::connect(&bench.lab);
    let driver = Driver::start(
        &bench.lab.config(),
        &["--controllerserver", "--setmetadata=false"],
    );
    let client = bench.runtime.block_on(driver.controller());
    let request = bench.lab.create("pvc-of-snapshots", 1);
    let made = bench
        .runtime
        .block_on(client.clone().create_volume(request));
    let volume = made.unwrap().into_inner().volume.unwrap().volume_id;
    raw.create(RAW_VOLUME);
    let calls = Calls { bench, client, raw };
    let name = |turn| format!("bench-snapshot-{turn}");
    let mut snapshots: Vec<Snapshot> = Vec::new();

    let create = in_turns(
        bench.runs,
        |turn| timed(|| raw.snapshot(RAW_VOLUME, &name(turn))).0,
        |turn| {
            let (time, snapshot) = calls.create(&name(turn), &volume);
            snapshots.push(snapshot);
            time
        },
    );
    let repeat = in_turns(
        bench.runs,
        |turn| timed(|| raw.snapshot_info(RAW_VOLUME, &name(turn))).0,
        |turn| {
            let (time, snapshot) = calls.create(&name(turn), &volume);
            assert_eq!(snapshot, snapshots[turn]);
            time
        },
    );
    let delete = in_turns(
        bench.runs,
        |turn| timed(|| raw.remove_snapshot(RAW_VOLUME, &name(turn))).0,
        |turn| calls.delete(&snapshots[turn].snapshot_id),
    );
    raw.remove(RAW_VOLUME);
    let request = bench.lab.delete(&volume);
    let mut client = calls.client;
    bench
        .runtime
        .block_on(client.delete_volume(request))
        .unwrap();
    let log = driver.terminate();
    let mut rows = vec![
        Row::against("CreateSnapshot", "ms", create, Target::TimesRaw(1.3)),
        Row::against(
            "CreateSnapshot, repeated",
            "ms",
            repeat,
            Target::TimesRaw(1.5),
        ),
        Row::against("DeleteSnapshot", "ms", delete, Target::TimesRaw(1.25)),
    ];
    rows.extend(profile::rows(&log, &["CreateSnapshot", "DeleteSnapshot"]));
    rows
}

/// Takes a snapshot.
pub(crate) fn take(bench: &Bench, client: &Client, name: &str, volume: &str) -> Snapshot {
    let request = CreateSnapshotRequest {
        name: name.to_owned(),
        source_volume_id: volume.to_owned(),
        secrets: bench.lab.secrets(),
        ..Default::default()
    };
    let mut client = client.clone();
    let answer = bench.runtime.block_on(client.create_snapshot(request));
    answer.unwrap().into_inner().snapshot.unwrap()
}

/// Deletes a snapshot.
pub(crate) fn remove(bench: &Bench, client: &Client, id: &str) {
    let request = DeleteSnapshotRequest {
        snapshot_id: id.to_owned(),
        secrets: bench.lab.secrets(),
    };
    let mut client = client.clone();
    let answer = bench.runtime.block_on(client.delete_snapshot(request));
    answer.unwrap();
}

/// Calls of a client, timed.
///
/// A deletion returns when what follows the answer is done as well: else that would be while the raw commands are timed.
struct Calls<'a> {
    bench: &'a Bench,
    client: Client,
    raw: &'a Raw,
}

impl Calls<'_> {
    fn create(&self, name: &str, volume: &str) -> (Duration, Snapshot) {
        timed(|| take(self.bench, &self.client, name, volume))
    }

    fn delete(&self, id: &str) -> Duration {
        let (time, ()) = timed(|| remove(self.bench, &self.client, id));
        self.raw.wait_for_removal("csi.snap.", id);
        time
    }
}
