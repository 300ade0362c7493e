//! One request at a time: a volume is made, asked for again, grown and deleted.

use std::time::Duration;

use csi_proto::v1::controller_client::ControllerClient;
use csi_proto::v1::{CreateVolumeRequest, Volume};
use tonic::transport::Channel;

use crate::Bench;
use crate::driver::Driver;
use crate::profile;
use crate::raw::Raw;
use crate::report::{Row, Target};
use crate::samples::{Samples, in_turns, timed};

pub(crate) type Client = ControllerClient<Channel>;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let raw = Raw::connect(&bench.lab);
    let driver = Driver::start(
        &bench.lab.config(),
        &["--controllerserver", "--setmetadata"],
    );
    let client = bench.runtime.block_on(driver.controller());
    let calls = Calls { bench, client };
    let name = |turn| format!("bench-{turn}");
    let mut volumes: Vec<Volume> = Vec::new();

    let create = in_turns(
        bench.runs,
        |turn| timed(|| raw.create(&name(turn))).0,
        |turn| {
            let (time, volume) = calls.create(&name(turn));
            // Else it would be set while the raw commands are timed.
            raw.wait_for_metadata(std::slice::from_ref(&volume));
            volumes.push(volume);
            time
        },
    );
    let repeat = in_turns(
        bench.runs,
        |turn| timed(|| raw.path(&name(turn))).0,
        |turn| {
            let (time, volume) = calls.create(&name(turn));
            assert_eq!(volume, volumes[turn]);
            time
        },
    );
    let expand = in_turns(
        bench.runs,
        |turn| timed(|| raw.resize(&name(turn), 2)).0,
        |turn| calls.expand(&volumes[turn].volume_id, 2),
    );
    let delete = in_turns(
        bench.runs,
        |turn| timed(|| raw.remove(&name(turn))).0,
        |turn| calls.delete(&raw, &volumes[turn].volume_id),
    );
    let log = driver.terminate();
    let mut rows = vec![
        Row::against("CreateVolume", "ms", create, Target::TimesRaw(1.3)),
        Row::against(
            "CreateVolume, repeated",
            "ms",
            repeat,
            Target::TimesRaw(1.5),
        ),
        Row::against(
            "ControllerExpandVolume",
            "ms",
            expand,
            Target::TimesRaw(1.5),
        ),
        Row::against("DeleteVolume", "ms", delete, Target::TimesRaw(1.3)),
        // CreateVolume waits for two of these, DeleteVolume for one.
        Row::alone("(one omap write by hand)", "ms", writes(bench, &raw), None),
    ];
    let rpcs = ["CreateVolume", "ControllerExpandVolume", "DeleteVolume"];
    rows.extend(profile::rows(&log, &rpcs));
    rows
}

fn writes(bench: &Bench, raw: &Raw) -> Samples {
    let mut writes = Samples::default();
    for turn in 0..bench.runs {
        writes.time(timed(|| raw.write_omap(&turn.to_string())).0);
    }
    raw.remove_omap();
    writes
}

/// Makes a volume.
pub(crate) fn make(bench: &Bench, client: &Client, request: CreateVolumeRequest) -> Volume {
    let mut client = client.clone();
    let answer = bench.runtime.block_on(client.create_volume(request));
    answer.unwrap().into_inner().volume.unwrap()
}

/// Calls of a client, timed.
struct Calls<'a> {
    bench: &'a Bench,
    client: Client,
}

impl Calls<'_> {
    fn create(&self, name: &str) -> (Duration, Volume) {
        let request = self.bench.lab.create(name, 1);
        timed(|| make(self.bench, &self.client, request))
    }

    fn expand(&self, id: &str, gib: i64) -> Duration {
        let request = self.bench.lab.expand(id, gib);
        let mut client = self.client.clone();
        let call = client.controller_expand_volume(request);
        let (time, answer) = timed(|| self.bench.runtime.block_on(call));
        answer.unwrap();
        time
    }

    /// Returns when what follows the answer is done as well: else that would be while the raw commands are timed.
    fn delete(&self, raw: &Raw, id: &str) -> Duration {
        let request = self.bench.lab.delete(id);
        let mut client = self.client.clone();
        let call = client.delete_volume(request);
        let (time, answer) = timed(|| self.bench.runtime.block_on(call));
        answer.unwrap();
        raw.wait_for_removal("csi.volume.", id);
        time
    }
}
