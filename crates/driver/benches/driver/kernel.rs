//! A volume on a node, with the kernel's client, and what it needs of the driver's memory. There has to be such a
//! client: `dev/bench` measures this in the virtual machine of `dev/vm`, by its clock that counts instructions.

use std::ffi::CString;
use std::thread;
use std::time::Duration;

use csi_proto::v1 as csi;
use csi_proto::v1::node_client::NodeClient;
use rustix::mount::{MountFlags, mount};

use crate::Bench;
use crate::crowd::{create, delete};
use crate::driver::Driver;
use crate::node::{Node, Times, new_directory};
use crate::process::Memory;
use crate::profile;
use crate::report::{Row, Target};

/// Volumes that are staged at once to see what one takes.
const VOLUMES: usize = 50;

/// Threads without work end.
const SETTLED: Duration = Duration::from_secs(12);

pub(crate) fn measure(bench: &Bench) -> Vec<Row> {
    let controller = Driver::start(&bench.lab.config(), &["--controllerserver"]);
    let controller_client = bench.runtime.block_on(controller.controller());
    let names = ["kernel".to_owned()];
    let created = create(bench, &controller_client, &names);
    let volume = bench.runtime.block_on(created).remove(0);
    let id = volume.volume_id.clone();

    let driver = Driver::start(&bench.lab.config(), &["--nodeserver"]);
    let directory = tempfile::tempdir().unwrap();
    let by_hand = new_directory(directory.path(), "by-hand");
    let client = NodeClient::new(bench.runtime.block_on(driver.channel()));
    let node = Node::new(bench, client, volume.clone(), directory.path(), "kernel");

    let mut rows = Times::measure(&node, &by_hand, || {
        mount_by_hand(bench, &volume, &by_hand);
    });
    rows.extend(memory(bench, &volume));
    bench
        .runtime
        .block_on(delete(bench, &controller_client, vec![id]));
    controller.terminate();
    let log = driver.terminate();
    let rpcs = ["NodeStageVolume", "NodePublishVolume", "NodeGetVolumeStats"];
    rows.extend(profile::rows(&log, &rpcs));
    rows
}

/// The memory of an idle node, and of one with many volumes.
fn memory(bench: &Bench, volume: &csi::Volume) -> Vec<Row> {
    let driver = Driver::start(&bench.lab.config(), &["--nodeserver"]);
    let client = NodeClient::new(bench.runtime.block_on(driver.channel()));
    let stage = |number: usize| {
        let directory = tempfile::tempdir().unwrap();
        let mut volume = volume.clone();
        let root = volume.volume_context["subvolumePath"].clone();
        volume.volume_id = format!("static-{number}");
        for (key, value) in [("staticVolume", "true"), ("rootPath", &root)] {
            let context = &mut volume.volume_context;
            context.insert(key.to_owned(), value.to_owned());
        }
        let node = Node::new(bench, client.clone(), volume, directory.path(), "kernel");
        node.stage();
        (directory, node)
    };
    thread::sleep(SETTLED);
    let idle = Memory::of(driver.pid());
    // What the first volume takes is taken once.
    let first = stage(0);
    thread::sleep(SETTLED);
    let one = Memory::of(driver.pid());
    let others: Vec<_> = (1..=VOLUMES).map(stage).collect();
    thread::sleep(SETTLED);
    let many = Memory::of(driver.pid());
    for (_directory, node) in others.iter().chain([&first]) {
        node.unstage();
    }
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", driver.pid())).unwrap();
    assert!(!maps.contains("librados"), "nobody needed it");
    driver.terminate();
    let each = (many.rss - one.rss) / VOLUMES as f64;
    let mut rows = idle.rows_of_node();
    rows.extend([
        Row::single("RSS with one volume", "MiB", one.rss, None),
        Row::single(
            "for each volume more",
            "MiB",
            each,
            Some(Target::AtMost(0.1)),
        ),
    ]);
    rows
}

/// A bare mount(2) with what the client cannot do without.
fn mount_by_hand(bench: &Bench, volume: &csi::Volume, at: &str) {
    let lab = &bench.lab;
    let (user, key, fs) = (&lab.user, &lab.key, &lab.fs);
    let data = CString::new(format!("name={user},secret={key},mds_namespace={fs}")).unwrap();
    let source = format!(
        "{}:{}",
        lab.monitors, volume.volume_context["subvolumePath"]
    );
    mount(source, at, "ceph", MountFlags::empty(), data.as_c_str()).unwrap();
}
