//! ListVolumes over many volumes, page by page.

use csi_proto::v1 as csi;

use crate::Bench;
use crate::crowd;
use crate::driver::Driver;
use crate::lab::CLUSTER_ID;
use crate::report::{Row, Target};
use crate::samples::{Samples, timed};
use crate::volumes::Client;

/// Volumes in the cluster.
const VOLUMES: usize = 2000;
const PAGE: i32 = 500;

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let secrets = tempfile::tempdir().unwrap();
    let directory = secrets.path().join(CLUSTER_ID);
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("userID"), &bench.lab.user).unwrap();
    std::fs::write(directory.join("userKey"), &bench.lab.key).unwrap();
    let flag = format!("--controller-secrets-dir={}", secrets.path().display());
    let start = || {
        let flags = ["--controllerserver", "--setmetadata=false", &flag];
        Driver::start(&bench.lab.config(), &flags)
    };
    let count = if bench.quick { VOLUMES / 4 } else { VOLUMES };
    let names: Vec<_> = (0..count)
        .map(|index| format!("listed-{index:05}"))
        .collect();
    let driver = start();
    let client = bench.runtime.block_on(driver.controller());
    let volumes = bench
        .runtime
        .block_on(crowd::create(bench, &client, &names));
    driver.terminate();

    // The first page of a process also connects, and cannot wait for the names of all subvolumes.
    let (mut first, mut pages) = (Samples::default(), Samples::default());
    for _ in 0..bench.runs / 4 {
        let driver = start();
        let mut client = bench.runtime.block_on(driver.controller());
        let (mut token, mut listed) = (String::new(), 0);
        loop {
            let (time, page) = timed(|| bench.runtime.block_on(list(&mut client, &token)));
            let samples = if token.is_empty() {
                &mut first
            } else {
                &mut pages
            };
            samples.time(time);
            listed += page.entries.len();
            token = page.next_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(listed, count);
        driver.terminate();
    }
    let driver = start();
    let client = bench.runtime.block_on(driver.controller());
    let ids = volumes.into_iter().map(|volume| volume.volume_id).collect();
    bench.runtime.block_on(crowd::delete(bench, &client, ids));
    driver.terminate();
    let target = Some(Target::AtMost(300.0));
    vec![
        Row::alone("ListVolumes, first page of 500", "ms", first, target),
        Row::alone("ListVolumes, further pages", "ms", pages, target),
    ]
}

async fn list(client: &mut Client, token: &str) -> csi::ListVolumesResponse {
    let request = csi::ListVolumesRequest {
        max_entries: PAGE,
        starting_token: token.to_owned(),
    };
    client.list_volumes(request).await.unwrap().into_inner()
}
