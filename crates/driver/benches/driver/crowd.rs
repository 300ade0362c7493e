//! Eight requests at once: volumes per second.

use std::sync::Mutex;
use std::thread;

use csi_proto::v1::Volume;
use futures::StreamExt as _;
use futures::stream;

use crate::Bench;
use crate::driver::Driver;
use crate::raw::Raw;
use crate::report::{Row, Target};
use crate::samples::{Samples, timed};
use crate::volumes::Client;

pub(crate) const AT_ONCE: usize = 8;
/// Volumes of one round: enough that its beginning and end do not count.
const VOLUMES: usize = 40;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    vec![
        compare(bench, "8 CreateVolume at once", Metadata::Off),
        compare(bench, "and their metadata", Metadata::Drained),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Metadata {
    Off,
    /// A round ends when all metadata is set.
    Drained,
}

fn compare(bench: &Bench, name: &str, metadata: Metadata) -> Row {
    let raw = Raw::connect(&bench.lab);
    let flag = format!("--setmetadata={}", metadata == Metadata::Drained);
    let driver = Driver::start(&bench.lab.config(), &["--controllerserver", &flag]);
    let client = bench.runtime.block_on(driver.controller());
    let rounds = if bench.quick { 2 } else { 8 };
    let (mut raws, mut drivers) = (Samples::default(), Samples::default());
    for round in 0..=rounds {
        let names = (0..VOLUMES).map(|index| format!("crowd-{round}-{index}"));
        let names: Vec<_> = names.collect();
        let by_raw = || timed(|| create_raw(&raw, &names, metadata)).0;
        let by_driver = || {
            let (time, volumes) = timed(|| {
                let volumes = bench.runtime.block_on(create(bench, &client, &names));
                if metadata == Metadata::Drained {
                    raw.wait_for_metadata(&volumes);
                }
                volumes
            });
            (time, volumes)
        };
        let (of_raw, of_driver, volumes);
        if round % 2 == 0 {
            of_raw = by_raw();
            (of_driver, volumes) = by_driver();
        } else {
            (of_driver, volumes) = by_driver();
            of_raw = by_raw();
        }
        if round > 0 {
            raws.value(VOLUMES as f64 / of_raw.as_secs_f64());
            drivers.value(VOLUMES as f64 / of_driver.as_secs_f64());
        }
        at_once(&names, |name| raw.remove(name));
        let ids = volumes.into_iter().map(|volume| volume.volume_id).collect();
        bench.runtime.block_on(delete(bench, &client, ids));
    }
    driver.terminate();
    Row::against(name, "per s", (raws, drivers), Target::OfRaw(0.9))
}

fn create_raw(raw: &Raw, names: &[String], metadata: Metadata) {
    at_once(names, |name| {
        raw.create(name);
        if metadata == Metadata::Drained {
            raw.set_metadata(name, "csi.storage.k8s.io/pvc/name", "data");
            raw.set_metadata(name, "csi.storage.k8s.io/pvc/namespace", "shop");
            raw.set_metadata(name, "csi.storage.k8s.io/pv/name", name);
        }
    });
}

/// Works on all names with eight threads.
fn at_once(names: &[String], work: impl Fn(&str) + Sync) {
    let left = Mutex::new(names.iter());
    let next = || left.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(name) = next() {
                    work(name);
                }
            });
        }
    });
}

/// Creates volumes, eight at once.
pub(crate) async fn create(bench: &Bench, client: &Client, names: &[String]) -> Vec<Volume> {
    let requests = names.iter().map(|name| {
        let (mut client, request) = (client.clone(), bench.lab.create(name, 1));
        async move {
            let answer = client.create_volume(request).await.unwrap();
            answer.into_inner().volume.unwrap()
        }
    });
    stream::iter(requests)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Deletes volumes, eight at once.
pub(crate) async fn delete(bench: &Bench, client: &Client, ids: Vec<String>) {
    let requests = ids.into_iter().map(|id| {
        let (mut client, request) = (client.clone(), bench.lab.delete(&id));
        async move { client.delete_volume(request).await.unwrap() }
    });
    stream::iter(requests)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
}
