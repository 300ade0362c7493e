//! SIGKILL at random moments, and everything is as if nothing had happened once it is repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonic::transport::Channel;

use crate::driver::Driver;
use crate::lab::Lab;
use crate::random::Random;

const KILLS: u64 = 40;
const CLIENTS: u64 = 8;
const VOLUMES_PER_CLIENT: u64 = 12;

type Client = csi_proto::v1::controller_client::ControllerClient<Channel>;

/// What the clients, who are never killed, know.
#[derive(Default)]
struct Known {
    /// Names ever asked for.
    asked: BTreeSet<String>,
    /// Acknowledged volumes whose deletion was never asked for.
    volumes: BTreeMap<String, String>,
    /// Volumes whose deletion was asked for and not acknowledged: to be repeated, as sidecars do.
    deleting: BTreeMap<String, String>,
    /// Ids whose deletion was acknowledged.
    deleted: BTreeSet<String>,
}

#[test]
#[ignore = "needs a Ceph cluster: dev/test crash"]
fn nothing_is_lost_or_leaked_by_40_kills() {
    let lab = Arc::new(Lab::new());
    let seed = std::env::var("SPIRULA_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    println!("SPIRULA_TEST_SEED={seed}");
    let mut random = Random(seed);
    let known = Arc::new(Mutex::new(Known::default()));

    for round in 0..KILLS {
        let driver = Driver::start(&lab.config(), &[]);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let client = runtime.block_on(driver.controller());
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let work = work(
                Arc::clone(&lab),
                client.clone(),
                Arc::clone(&known),
                number,
                random.next(),
            );
            clients.push(runtime.spawn(work));
        }
        let moment = Duration::from_millis(20 + random.next() % 1000);
        std::thread::sleep(moment);
        driver.kill();
        // What they find wrong fails the test here.
        for client in clients {
            runtime.block_on(client).unwrap();
        }
        let known = known.lock().unwrap();
        println!(
            "kill {round} after {moment:?}: {} known, {} deleted",
            known.volumes.len(),
            known.deleted.len()
        );
    }
    settle(&lab, &known.lock().unwrap());
}

/// One client: goes through its names at random, makes volumes and deletes every second one. Its first
/// error is the driver's death.
async fn work(lab: Arc<Lab>, mut client: Client, known: Arc<Mutex<Known>>, number: u64, seed: u64) {
    let mut random = Random(seed);
    loop {
        let name = format!("pvc-crash-{number}-{}", random.next() % VOLUMES_PER_CLIENT);
        known.lock().unwrap().asked.insert(name.clone());
        if delete(&lab, &mut client, &known, &name).await.is_err() {
            return;
        }
        let Ok(made) = client.create_volume(lab.create(&name, 1)).await else {
            return;
        };
        let id = made.into_inner().volume.unwrap().volume_id;
        {
            let mut known = known.lock().unwrap();
            assert!(
                !known.deleted.contains(&id),
                "{name}: a deleted id came back"
            );
            if let Some(before) = known.volumes.insert(name.clone(), id.clone()) {
                assert_eq!(before, id, "{name} has two volumes");
            }
            if random.next().is_multiple_of(2) {
                known.volumes.remove(&name);
                known.deleting.insert(name.clone(), id);
            }
        }
        if delete(&lab, &mut client, &known, &name).await.is_err() {
            return;
        }
    }
}

/// Deletes the volume of a name if that was asked for, until it is acknowledged.
async fn delete(
    lab: &Lab,
    client: &mut Client,
    known: &Mutex<Known>,
    name: &str,
) -> Result<(), tonic::Status> {
    let id = known.lock().unwrap().deleting.get(name).cloned();
    if let Some(id) = id {
        client.delete_volume(lab.delete(&id)).await?;
        let mut known = known.lock().unwrap();
        known.deleting.remove(name);
        known.deleted.insert(id);
    }
    Ok(())
}

/// Repeats everything with a driver that lives, deletes everything, and finds nothing.
fn settle(lab: &Lab, known: &Known) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let driver = Driver::start(&lab.config(), &[]);
    runtime.block_on(async {
        let mut client = driver.controller().await;
        for id in known.deleting.values().chain(&known.deleted) {
            client.delete_volume(lab.delete(id)).await.unwrap();
        }
        let mut ids = BTreeSet::new();
        let mut subvolumes = Vec::new();
        for name in &known.asked {
            let volume = client.create_volume(lab.create(name, 1)).await.unwrap();
            let volume = volume.into_inner().volume.unwrap();
            if let Some(acknowledged) = known.volumes.get(name) {
                assert_eq!(
                    *acknowledged, volume.volume_id,
                    "{name} is another volume now"
                );
            }
            subvolumes.push(volume.volume_context["subvolumeName"].clone());
            ids.insert(volume.volume_id);
        }
        let quotas = lab.quotas(subvolumes.iter().map(String::as_str));
        assert!(quotas.iter().all(|quota| *quota == 1 << 30), "{quotas:?}");
        assert_eq!(ids.len(), known.asked.len());
        assert_eq!(
            lab.subvolumes().len(),
            known.asked.len(),
            "one subvolume for each name"
        );
        println!(
            "{} names, {} volumes, {} deletions",
            known.asked.len(),
            ids.len(),
            known.deleted.len()
        );
        for id in ids {
            client.delete_volume(lab.delete(&id)).await.unwrap();
        }
    });
    driver.terminate();
    lab.expect_empty("after everything was deleted");
}
