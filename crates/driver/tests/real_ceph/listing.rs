//! Listings, health and capacity, with credentials in files and with what breaks in a real Ceph.

use std::time::{Duration, Instant};

use csi_proto::v1 as csi;
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::driver::Driver;
use crate::lab::{Lab, run};
use crate::snapshots::subvolume_of;

type Client = csi_proto::v1::controller_client::ControllerClient<Channel>;

/// A mark that metadata servers are away takes the monitor less than this.
const NOTICED: Duration = Duration::from_mins(2);

#[test]
#[ignore = "needs a Ceph cluster: dev/test listing"]
fn volumes_are_listed_with_what_is_wrong_with_them() {
    let lab = Lab::new();
    let secrets = tempfile::tempdir().unwrap();
    lab.write_credentials(secrets.path());
    let flag = format!("--controller-secrets-dir={}", secrets.path().display());
    let driver = Driver::start(&lab.config(), &[&flag]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut client = driver.controller().await;
        let mut ids = Vec::new();
        for number in 0..5 {
            let made = client
                .create_volume(lab.create(&format!("pvc-{number}"), 1))
                .await;
            ids.push(made.unwrap().into_inner().volume.unwrap().volume_id);
        }
        let listed = list(&mut client, 2).await;
        let expected: Vec<_> = ids.iter().map(|id| (id.clone(), false)).collect();
        assert_eq!(listed, expected);
        assert_eq!(reasons(&mut client, &ids[0]).await, Vec::<String>::new());
        capacity(&lab, &mut client).await;
        missing(&lab, &mut client, &ids[1]).await;
        unplaced(&lab, &mut client, &ids[0]).await;
        offline(&lab, &mut client, &ids[0]).await;
        away(&lab, &mut client).await;
        for id in &ids {
            client.delete_volume(lab.delete(id)).await.unwrap();
        }
        assert_eq!(list(&mut client, 0).await, []);
    });
    let log = driver.terminate();
    assert!(!log.contains(&lab.key), "the key is in the log");
    lab.expect_empty("after everything was deleted");
}

/// Snapshots of two volumes in pages of any size, by id and by source, while some come and go.
#[test]
#[ignore = "needs a Ceph cluster: dev/test listing"]
fn each_snapshot_is_listed() {
    let lab = Lab::new();
    let secrets = tempfile::tempdir().unwrap();
    lab.write_credentials(secrets.path());
    let flag = format!("--controller-secrets-dir={}", secrets.path().display());
    let driver = Driver::start(&lab.config(), &[&flag]);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut client = driver.controller().await;
        let a = lab.volume(&mut client, "pvc-a").await;
        let b = lab.volume(&mut client, "pvc-b").await;
        let mut taken = Vec::new();
        for (name, volume) in [("1", &a), ("2", &b), ("3", &a), ("4", &a)] {
            let name = format!("snapshot-{name}");
            taken.push(
                lab.take(&mut client, &name, &volume.volume_id)
                    .await
                    .unwrap(),
            );
        }
        for size in [0, 1, 3] {
            assert_eq!(snapshots(&mut client, size, "", "").await, taken);
        }
        let of_a = [&taken[0], &taken[2], &taken[3]].map(Clone::clone);
        assert_eq!(snapshots(&mut client, 2, "", &a.volume_id).await, of_a);
        let (id, b_id) = (&taken[1].snapshot_id, &b.volume_id);
        assert_eq!(snapshots(&mut client, 0, id, "").await, taken[1..2]);
        for (id, source) in [(b_id, b_id), (id, &a.volume_id), (b_id, id), (id, id)] {
            assert_eq!(snapshots(&mut client, 0, id, source).await, []);
        }
        // One is removed by hand; a volume goes, and its snapshot stays.
        let name = subvolume_of(&a);
        let by_hand = format!(
            "csi-snap-{}",
            &taken[2].snapshot_id[taken[2].snapshot_id.len() - 36..]
        );
        let (fs, group) = (&*lab.fs, &*lab.group);
        let rm = [
            "fs",
            "subvolume",
            "snapshot",
            "rm",
            fs,
            &name,
            &by_hand,
            group,
        ];
        run("ceph", &rm);
        lab.drop_volume(&mut client, &b).await;
        let gone = taken.remove(2);
        assert_eq!(snapshots(&mut client, 1, "", "").await, taken);
        assert_eq!(snapshots(&mut client, 0, "", b_id).await, taken[1..2]);
        for snapshot in taken.iter().chain([&gone]) {
            lab.drop_snapshot(&mut client, &snapshot.snapshot_id)
                .await
                .unwrap();
        }
        assert_eq!(snapshots(&mut client, 0, "", "").await, []);
        assert_eq!(snapshots(&mut client, 0, "", b_id).await, []);
        lab.drop_volume(&mut client, &a).await;
    });
    driver.terminate();
    lab.expect_empty("after snapshots were listed");
}

async fn snapshots(
    client: &mut Client,
    max_entries: i32,
    snapshot_id: &str,
    source_volume_id: &str,
) -> Vec<csi::Snapshot> {
    let mut request = csi::ListSnapshotsRequest {
        max_entries,
        snapshot_id: snapshot_id.to_owned(),
        source_volume_id: source_volume_id.to_owned(),
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = client
            .list_snapshots(request.clone())
            .await
            .unwrap()
            .into_inner();
        found.extend(
            page.entries
                .into_iter()
                .map(|entry| entry.snapshot.unwrap()),
        );
        request.starting_token = page.next_token;
        if request.starting_token.is_empty() {
            return found;
        }
    }
}

/// Ids of all volumes, and whether they are abnormal.
async fn list(client: &mut Client, max_entries: i32) -> Vec<(String, bool)> {
    let (mut found, mut starting_token) = (Vec::new(), String::new());
    loop {
        let request = csi::ListVolumesRequest {
            max_entries,
            starting_token,
        };
        let page = client.list_volumes(request).await.unwrap().into_inner();
        found.extend(page.entries.into_iter().map(|entry| {
            let condition = entry.status.unwrap().volume_condition.unwrap();
            (entry.volume.unwrap().volume_id, condition.abnormal)
        }));
        starting_token = page.next_token;
        if starting_token.is_empty() {
            return found;
        }
    }
}

async fn reasons(client: &mut Client, id: &str) -> Vec<String> {
    let request = csi::ControllerGetVolumeHealthRequest {
        volume_id: id.to_owned(),
        ..Default::default()
    };
    let answer = client.controller_get_volume_health(request).await.unwrap();
    let statuses = answer.into_inner().volume_health.unwrap().health_statuses;
    statuses.into_iter().map(|entry| entry.reason).collect()
}

/// Ids of all volumes with which something is wrong.
async fn unhealthy(client: &mut Client) -> Vec<String> {
    let request = csi::ControllerListVolumeHealthRequest::default();
    let answer = client.controller_list_volume_health(request).await.unwrap();
    let entries = answer.into_inner().entries.into_iter();
    entries.map(|entry| entry.volume_id).collect()
}

async fn capacity(lab: &Lab, client: &mut Client) {
    let request = csi::GetCapacityRequest {
        parameters: lab.create("", 1).parameters,
        ..Default::default()
    };
    let started = Instant::now();
    loop {
        let found = client.get_capacity(request.clone()).await.unwrap();
        let found = found.into_inner().available_capacity;
        let df = run("ceph", &["df", "-f", "json"]);
        let df: serde_json::Value = serde_json::from_str(&df).unwrap();
        let stats = df["pools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pool| &pool["stats"]);
        let told: Vec<_> = stats
            .map(|stats| stats["max_avail"].as_i64().unwrap())
            .collect();
        println!("capacity {found}, and Ceph tells {told:?}");
        // It changes with what is being written, and with what is purged of earlier tests.
        if told.iter().any(|told| told.abs_diff(found) < 64 << 20) {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_mins(2),
            "it is another one"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Somebody removes a subvolume by hand.
async fn missing(lab: &Lab, client: &mut Client, id: &str) {
    let name = format!("csi-vol-{}", &id[id.len() - 36..]);
    run(
        "ceph",
        &["fs", "subvolume", "rm", &lab.fs, &name, &lab.group],
    );
    assert_eq!(reasons(client, id).await, ["SubvolumeMissing"]);
    // The names of all subvolumes were asked for a moment ago, and are trusted for some minutes.
    let request = csi::ControllerGetVolumeRequest {
        volume_id: id.to_owned(),
    };
    let found = client
        .controller_get_volume(request)
        .await
        .unwrap()
        .into_inner();
    assert!(found.status.unwrap().volume_condition.unwrap().abnormal);
}

/// Placement groups that cannot be written to, as there are fewer disks than the pool asks for.
async fn unplaced(lab: &Lab, client: &mut Client, id: &str) {
    let data_pool = data_pool(lab);
    let set = |variable, value: &str| {
        run(
            "ceph",
            &[
                "osd",
                "pool",
                "set",
                &data_pool,
                variable,
                value,
                "--yes-i-really-mean-it",
            ],
        );
    };
    set("size", "3");
    set("min_size", "3");
    // Ceph complains of inactive groups after a minute.
    until(Duration::from_mins(5), client, id, &["DataUnavailable"]).await;
    set("min_size", "1");
    set("size", "1");
    until(Duration::from_mins(5), client, id, &[]).await;
}

fn data_pool(lab: &Lab) -> String {
    let list = run("ceph", &["fs", "ls", "-f", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let mut filesystems = list.as_array().unwrap().iter();
    let fs = filesystems.find(|fs| fs["name"] == *lab.fs).unwrap();
    fs["data_pools"][0].as_str().unwrap().to_owned()
}

/// No metadata server: everything is told all the same, and nobody waits for the manager, which hangs.
async fn offline(lab: &Lab, client: &mut Client, id: &str) {
    run("ceph", &["fs", "fail", &lab.fs]);
    until(NOTICED, client, id, &["FilesystemOffline"]).await;
    let started = Instant::now();
    let listed = list(client, 0).await;
    assert!(
        listed.len() == 5 && listed.iter().all(|(_, abnormal)| *abnormal),
        "{listed:?}"
    );
    assert_eq!(unhealthy(client).await.len(), 5);
    println!(
        "listed without metadata servers in {:.1?}",
        started.elapsed()
    );
    assert!(started.elapsed() < Duration::from_mins(1));
    run("ceph", &["fs", "set", &lab.fs, "joinable", "true"]);
    until(Duration::from_mins(5), client, id, &[]).await;
}

/// A cluster that is away is an error, and no empty list.
async fn away(lab: &Lab, client: &mut Client) {
    lab.signal("mon.a", "STOP");
    let mut request = Request::new(csi::ListVolumesRequest::default());
    request.set_timeout(Duration::from_secs(8));
    let refusal = client.list_volumes(request).await.unwrap_err();
    lab.signal("mon.a", "CONT");
    println!("without a monitor: {refusal}");
    assert!(
        [Code::Unavailable, Code::DeadlineExceeded].contains(&refusal.code()),
        "{refusal}"
    );
    let started = Instant::now();
    while client
        .list_volumes(csi::ListVolumesRequest::default())
        .await
        .is_err()
    {
        assert!(
            started.elapsed() < Duration::from_mins(5),
            "the cluster does not come back"
        );
    }
}

async fn until(limit: Duration, client: &mut Client, id: &str, expected: &[&str]) {
    let started = Instant::now();
    loop {
        let found = reasons(client, id).await;
        if found == expected {
            println!("{expected:?} after {:.1?}", started.elapsed());
            return;
        }
        assert!(started.elapsed() < limit, "{found:?} and not {expected:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
