//! Many clients at once, and an exact end.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::Code;
use tonic::transport::Channel;

use crate::driver::Driver;
use crate::lab::Lab;

const CLIENTS: usize = 8;
const VOLUMES: usize = 50;

type Client = csi_proto::v1::controller_client::ControllerClient<Channel>;

/// Each client makes 50 volumes, asks for each twice at once, grows every second one, deletes every
/// third one; at the end there is exactly what should be.
#[test]
#[ignore = "needs a Ceph cluster: dev/test concurrency"]
fn eight_clients_with_fifty_volumes_each() {
    let lab = Arc::new(Lab::new());
    let driver = Driver::start(&lab.config(), &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let volumes = runtime.block_on(async {
        let mut clients = Vec::new();
        for number in 0..CLIENTS {
            let client = driver.controller().await;
            clients.push(tokio::spawn(work(Arc::clone(&lab), client, number)));
        }
        let mut volumes = BTreeMap::new();
        for client in clients {
            volumes.extend(client.await.unwrap());
        }
        volumes
    });
    let mut expected: Vec<_> = volumes
        .values()
        .map(|volume| volume.subvolume.clone())
        .collect();
    let mut found = lab.subvolumes();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let quotas = lab.quotas(volumes.values().map(|volume| &*volume.subvolume));
    for (volume, quota) in volumes.values().zip(quotas) {
        assert_eq!(quota, volume.size, "{}", volume.id);
    }
    println!("{} volumes left of {}", volumes.len(), CLIENTS * VOLUMES);
    runtime.block_on(async {
        let mut client = driver.controller().await;
        for volume in volumes.values() {
            client.delete_volume(lab.delete(&volume.id)).await.unwrap();
        }
    });
    driver.terminate();
    lab.expect_empty("after everything was deleted");
}

/// Two processes, as while leadership passes from one controller to another, are asked for the same
/// names at the same time, and then for their deletion.
#[test]
#[ignore = "needs a Ceph cluster: dev/test concurrency"]
fn two_drivers_end_with_one_volume_for_each_name() {
    let lab = Lab::new();
    let drivers = [(); 2].map(|()| Driver::start(&lab.config(), &[]));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut one = drivers[0].controller().await;
        let mut two = drivers[1].controller().await;
        let mut ids = Vec::new();
        for index in 0..20 {
            let request = lab.create(&format!("pvc-both-{index}"), 1);
            let (a, b) = tokio::join!(
                one.create_volume(request.clone()),
                two.create_volume(request)
            );
            let volume = a.unwrap().into_inner().volume.unwrap();
            assert_eq!(b.unwrap().into_inner().volume.unwrap(), volume);
            ids.push(volume.volume_id);
        }
        assert_eq!(lab.subvolumes().len(), ids.len());
        for id in ids {
            let request = lab.delete(&id);
            let (a, b) = tokio::join!(
                one.delete_volume(request.clone()),
                two.delete_volume(request)
            );
            a.unwrap();
            b.unwrap();
        }
    });
    for driver in drivers {
        driver.terminate();
    }
    lab.expect_empty("after everything was deleted");
}

struct Volume {
    id: String,
    subvolume: String,
    size: u64,
}

async fn work(lab: Arc<Lab>, mut client: Client, number: usize) -> BTreeMap<String, Volume> {
    let mut volumes = BTreeMap::new();
    for index in 0..VOLUMES {
        let name = format!("pvc-many-{number}-{index}");
        let (mut one, mut two) = (client.clone(), client.clone());
        let (one, two) = tokio::join!(
            one.create_volume(lab.create(&name, 1)),
            two.create_volume(lab.create(&name, 1)),
        );
        let volume = one.unwrap().into_inner().volume.unwrap();
        assert_eq!(
            two.unwrap().into_inner().volume.unwrap(),
            volume,
            "equal requests, equal answers"
        );
        let id = volume.volume_id;
        let mut size = 1 << 30;
        if index.is_multiple_of(2) {
            let grown = client
                .controller_expand_volume(lab.expand(&id, 3))
                .await
                .unwrap();
            assert_eq!(grown.into_inner().capacity_bytes, 3 << 30);
            size = 3 << 30;
            let other = client
                .create_volume(lab.create(&name, 9))
                .await
                .unwrap_err();
            assert_eq!(other.code(), Code::AlreadyExists, "{other}");
        }
        if index.is_multiple_of(3) {
            client.delete_volume(lab.delete(&id)).await.unwrap();
        } else {
            let subvolume = volume.volume_context["subvolumeName"].clone();
            volumes.insert(
                name,
                Volume {
                    id,
                    subvolume,
                    size,
                },
            );
        }
    }
    volumes
}
