//! Commands that Ceph gets for each RPC, by the audit log of the cluster.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::Bench;
use crate::crowd::{create, delete};
use crate::driver::Driver;
use crate::report::Row;

const VOLUMES: usize = 20;
/// The manager hands its part of the log to the monitors once in a while.
const LOG_DELAY: Duration = Duration::from_secs(4);

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let driver = Driver::start(
        &bench.lab.config(),
        &["--controllerserver", "--setmetadata=false"],
    );
    let client = bench.runtime.block_on(driver.controller());
    let names: Vec<_> = (0..VOLUMES).map(|index| format!("audit-{index}")).collect();
    // The first request also connects and looks up the file system.
    let first = bench
        .runtime
        .block_on(create(bench, &client, &["audit-first".to_owned()]));

    let mut log = Audit::new(bench);
    let volumes = bench.runtime.block_on(create(bench, &client, &names));
    let created = log.commands();
    bench.runtime.block_on(create(bench, &client, &names));
    let repeated = log.commands();
    for volume in &volumes {
        let mut client = client.clone();
        let request = bench.lab.expand(&volume.volume_id, 2);
        bench
            .runtime
            .block_on(client.controller_expand_volume(request))
            .unwrap();
    }
    let expanded = log.commands();
    let ids = volumes
        .into_iter()
        .chain(first)
        .map(|volume| volume.volume_id);
    bench
        .runtime
        .block_on(delete(bench, &client, ids.collect()));
    let deleted = log.commands();
    driver.terminate();

    let row = |rpc: &str, (mgr, mon): (usize, usize), calls: usize| {
        let row = |daemon, count: usize| {
            let per_call = count as f64 / calls as f64;
            Row::single(&format!("{rpc}, {daemon} commands"), "each", per_call, None)
        };
        [row("mgr", mgr), row("mon", mon)]
    };
    [
        row("CreateVolume", created, VOLUMES),
        row("repeated", repeated, VOLUMES),
        row("ControllerExpandVolume", expanded, VOLUMES),
        row("DeleteVolume", deleted, VOLUMES + 1),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The cluster's log, from where it was read last.
struct Audit {
    path: String,
    user: String,
    read: usize,
}

impl Audit {
    fn new(bench: &Bench) -> Self {
        let mut audit = Self {
            path: format!("{}/log/cluster.log", bench.lab.directory),
            user: format!("entity='client.{}'", bench.lab.user),
            read: 0,
        };
        audit.commands();
        audit
    }

    /// Commands to the manager and to the monitors since the last call.
    fn commands(&mut self) -> (usize, usize) {
        thread::sleep(LOG_DELAY);
        let log = fs::read_to_string(&self.path).unwrap();
        let new = log[self.read..].lines();
        let ours = new.filter(|line| line.contains(&self.user) && line.ends_with("dispatch"));
        let (mgr, mon): (Vec<_>, Vec<_>) = ours.partition(|line| line.contains(" mgr."));
        self.read = log.len();
        (mgr.len(), mon.len())
    }
}
