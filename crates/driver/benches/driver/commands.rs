//! Commands that Ceph gets for each RPC, by the audit log of the cluster.

use std::fs;
use std::thread;
use std::time::Duration;

use csi_proto::v1::VolumeContentSource;
use csi_proto::v1::volume_capability::AccessMode;
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_content_source::{SnapshotSource, Type, VolumeSource};

use crate::Bench;
use crate::crowd::{create, delete};
use crate::driver::Driver;
use crate::report::Row;
use crate::snapshots::{remove, take};
use crate::volumes::{Client, make};

const VOLUMES: usize = 20;
const SNAPSHOTS: usize = 5;
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

    let mut rows = Vec::new();
    let mut log = Audit::new(bench);
    let volumes = bench.runtime.block_on(create(bench, &client, &names));
    rows.extend(log.rows("CreateVolume", VOLUMES));
    bench.runtime.block_on(create(bench, &client, &names));
    rows.extend(log.rows("repeated", VOLUMES));
    for volume in &volumes {
        let mut client = client.clone();
        let request = bench.lab.expand(&volume.volume_id, 2);
        bench
            .runtime
            .block_on(client.controller_expand_volume(request))
            .unwrap();
    }
    rows.extend(log.rows("ControllerExpandVolume", VOLUMES));
    let source = &volumes[0].volume_id;
    let snapshots: Vec<_> = names[..SNAPSHOTS]
        .iter()
        .map(|name| take(bench, &client, name, source).snapshot_id)
        .collect();
    rows.extend(log.rows("CreateSnapshot", SNAPSHOTS));
    rows.extend(of_sources(bench, &client, &mut log, source, &snapshots));
    for snapshot in &snapshots {
        remove(bench, &client, snapshot);
    }
    rows.extend(log.rows("DeleteSnapshot", SNAPSHOTS));
    let ids = volumes
        .into_iter()
        .chain(first)
        .map(|volume| volume.volume_id);
    bench
        .runtime
        .block_on(delete(bench, &client, ids.collect()));
    rows.extend(log.rows("DeleteVolume", VOLUMES + 1));
    driver.terminate();
    rows
}

/// Volumes made of snapshots and of a volume; how often a clone is looked at depends on how long it takes.
fn of_sources(
    bench: &Bench,
    client: &Client,
    log: &mut Audit,
    volume: &str,
    snapshots: &[String],
) -> Vec<Row> {
    type Of<'a> = &'a dyn Fn(&String) -> Type;
    let of_snapshot = |id: &String| {
        let snapshot_id = id.clone();
        Type::Snapshot(SnapshotSource { snapshot_id })
    };
    let of_volume = |_: &String| {
        let volume_id = volume.to_owned();
        Type::Volume(VolumeSource { volume_id })
    };
    let kinds: [(_, _, Of<'_>); 3] = [
        ("restore", Mode::MultiNodeMultiWriter, &of_snapshot),
        ("clone", Mode::MultiNodeMultiWriter, &of_volume),
        ("shallow", Mode::MultiNodeReaderOnly, &of_snapshot),
    ];
    let mut rows = Vec::new();
    for (kind, mode, of) in kinds {
        let mut ids = Vec::new();
        for (number, snapshot) in snapshots.iter().enumerate() {
            let mut request = bench.lab.create(&format!("{kind}-{number}"), 2);
            let r#type = Some(of(snapshot));
            request.volume_content_source = Some(VolumeContentSource { r#type });
            request.volume_capabilities[0].access_mode = Some(AccessMode { mode: mode.into() });
            ids.push(make(bench, client, request).volume_id);
        }
        rows.extend(log.rows(&format!("CreateVolume, {kind}"), snapshots.len()));
        bench.runtime.block_on(delete(bench, client, ids));
        log.commands();
    }
    rows
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

    /// Commands since the last call, for each of so many calls of `rpc`.
    fn rows(&mut self, rpc: &str, calls: usize) -> [Row; 2] {
        let (mgr, mon) = self.commands();
        [("mgr", mgr), ("mon", mon)].map(|(daemon, count)| {
            let per_call = count as f64 / calls as f64;
            Row::single(&format!("{rpc}, {daemon} commands"), "each", per_call, None)
        })
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
