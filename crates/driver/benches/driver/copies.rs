//! Volumes made of a snapshot and of a volume, until they are complete: one after the other, and thirty at
//! once. They are empty, so that what is measured is the waiting.

use std::thread;
use std::time::Duration;

use csi_proto::v1::volume_content_source::{SnapshotSource, Type, VolumeSource};
use csi_proto::v1::{CreateVolumeRequest, Volume, VolumeContentSource};
use futures::future::join_all;

use crate::Bench;
use crate::crowd::delete;
use crate::driver::Driver;
use crate::lab::run;
use crate::raw::Raw;
use crate::report::{Row, Target};
use crate::samples::{Samples, in_turns, timed};
use crate::snapshots::{remove, take};
use crate::volumes::{Client, make};

const AT_ONCE: usize = 30;
/// How often the raw commands look whether a clone is complete.
const LOOK: Duration = Duration::from_millis(20);
/// What Ceph has where nobody sets it; dev/ceph sets less, to be done sooner.
const STOCK_TICK: &str = "5";
/// p50 that is wanted at most, of that of the raw commands.
const TARGET: Target = Target::TimesRaw(1.1);

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let driver = Driver::start(
        &bench.lab.config(),
        &["--controllerserver", "--setmetadata=false"],
    );
    let client = bench.runtime.block_on(driver.controller());
    let copies = Copies::new(bench, client);
    let (runs, rounds) = if bench.quick { (4, 1) } else { (16, 4) };
    let mut rows = vec![
        copies.restores("restore to ready", runs),
        copies.clones("clone to ready", runs),
        copies.crowd("30 restores at once", rounds),
    ];
    if !bench.quick {
        let tick = [
            "tell",
            "mds.a",
            "config",
            "set",
            "mds_tick_interval",
            STOCK_TICK,
        ];
        run("ceph", &tick);
        rows.push(copies.restores("restore, stock mds_tick_interval", 6));
        rows.push(copies.clones("clone, stock mds_tick_interval", 6));
        run(
            "ceph",
            &["tell", "mds.a", "config", "unset", "mds_tick_interval"],
        );
    }
    copies.end();
    driver.terminate();
    rows
}

/// A volume and its snapshot, which both sides make copies of.
struct Copies<'a> {
    bench: &'a Bench,
    raw: Raw,
    client: Client,
    source: Volume,
    snapshot_id: String,
}

impl<'a> Copies<'a> {
    fn new(bench: &'a Bench, client: Client) -> Self {
        let source = make(bench, &client, bench.lab.create("pvc-of-copies", 1));
        let taken = take(bench, &client, "snapshot-of-copies", &source.volume_id);
        Self {
            raw: Raw::connect(&bench.lab),
            snapshot_id: taken.snapshot_id,
            bench,
            client,
            source,
        }
    }

    fn restores(&self, name: &str, runs: usize) -> Row {
        let samples = in_turns(
            runs,
            |turn| self.by_hand(&[format!("restore-{turn}")]),
            |turn| {
                self.by_driver(vec![
                    self.request(&format!("restore-{turn}"), self.snapshot()),
                ])
            },
        );
        Row::against(name, "ms", samples, TARGET)
    }

    fn clones(&self, name: &str, runs: usize) -> Row {
        let of = || {
            Type::Volume(VolumeSource {
                volume_id: self.source.volume_id.clone(),
            })
        };
        let samples = in_turns(
            runs,
            |turn| {
                let (name, source) = (format!("clone-{turn}"), self.subvolume());
                let (time, ()) = timed(|| {
                    self.raw.create_snapshot(source, &name);
                    self.raw.clone(source, &name, &name);
                    self.raw.wait_for_clone(&name, LOOK);
                    self.raw.remove_snapshot(source, &name);
                });
                self.raw.remove(&name);
                time
            },
            |turn| self.by_driver(vec![self.request(&format!("clone-{turn}"), of())]),
        );
        Row::against(name, "ms", samples, TARGET)
    }

    fn crowd(&self, name: &str, rounds: usize) -> Row {
        let (mut raws, mut drivers) = (Samples::default(), Samples::default());
        for round in 0..rounds {
            let names: Vec<_> = (0..AT_ONCE).map(|n| format!("crowd-{round}-{n}")).collect();
            let requests = names.iter().map(|name| self.request(name, self.snapshot()));
            let requests = requests.collect();
            if round % 2 == 0 {
                raws.time(self.by_hand(&names));
                drivers.time(self.by_driver(requests));
            } else {
                drivers.time(self.by_driver(requests));
                raws.time(self.by_hand(&names));
            }
        }
        Row::against(name, "ms", (raws, drivers), TARGET)
    }

    /// Clones the snapshot to each name and waits for all of them.
    fn by_hand(&self, names: &[String]) -> Duration {
        let source = self.subvolume();
        let snapshot = format!("csi-snap-{}", uuid(&self.snapshot_id));
        let (time, ()) = timed(|| {
            for name in names {
                self.raw.clone(source, &snapshot, name);
            }
            for name in names {
                self.raw.wait_for_clone(name, LOOK);
            }
        });
        for name in names {
            self.raw.remove(name);
        }
        time
    }

    /// Sends all requests at once.
    fn by_driver(&self, requests: Vec<CreateVolumeRequest>) -> Duration {
        let calls = requests.into_iter().map(|request| {
            let mut client = self.client.clone();
            async move { client.create_volume(request).await.unwrap().into_inner() }
        });
        let (time, made) = timed(|| self.bench.runtime.block_on(join_all(calls)));
        let ids = made.into_iter().map(|made| made.volume.unwrap().volume_id);
        let gone = delete(self.bench, &self.client, ids.collect());
        self.bench.runtime.block_on(gone);
        time
    }

    fn request(&self, name: &str, of: Type) -> CreateVolumeRequest {
        CreateVolumeRequest {
            volume_content_source: Some(VolumeContentSource { r#type: Some(of) }),
            ..self.bench.lab.create(&format!("pvc-{name}"), 1)
        }
    }

    fn snapshot(&self) -> Type {
        Type::Snapshot(SnapshotSource {
            snapshot_id: self.snapshot_id.clone(),
        })
    }

    fn subvolume(&self) -> &str {
        &self.source.volume_context["subvolumeName"]
    }

    fn end(self) {
        // A clone lets go of its snapshot a moment after it is complete.
        thread::sleep(Duration::from_secs(1));
        remove(self.bench, &self.client, &self.snapshot_id);
        let ids = vec![self.source.volume_id.clone()];
        self.bench
            .runtime
            .block_on(delete(self.bench, &self.client, ids));
    }
}

fn uuid(id: &str) -> &str {
    &id[id.len() - 36..]
}
