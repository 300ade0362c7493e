//! Each daemon of the cluster stops or dies during each RPC of the controller: the answer comes before
//! the deadline with a code after which the sidecar asks again, and the repeat works once the daemon is
//! back.

use std::time::{Duration, Instant};

use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::driver::Driver;
use crate::lab::Lab;

type Client = csi_proto::v1::controller_client::ControllerClient<Channel>;

const DAEMONS: [&str; 4] = ["mgr.x", "mon.a", "osd.0", "mds.a"];
/// What a client gives each request while something is broken. The driver answers an eighth earlier, at most a
/// second: so this leaves a busy machine as much time as there can be until the client itself gives up.
const PATIENCE: Duration = Duration::from_secs(8);
/// What a busy machine adds to that.
const SLACK: Duration = Duration::from_secs(20);
/// Time for a repaired cluster to work again.
const RECOVERY: Duration = Duration::from_mins(5);

/// What each RPC is asked to do in one round.
struct Round {
    create: String,
    delete: String,
    expand: String,
    validate: String,
}

#[test]
#[ignore = "needs a Ceph cluster: dev/test faults"]
fn outages_end_in_time_with_the_right_code_and_repeats_succeed() {
    let lab = Lab::new();
    let driver = Driver::start(&lab.config(), &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = driver.controller().await;
        for daemon in DAEMONS {
            for signal in ["STOP", "KILL"] {
                outage(&lab, &client, daemon, signal).await;
            }
        }
    });
    let log = driver.terminate();
    assert!(!log.contains(&lab.key), "the key is in the log");
    lab.expect_empty("after everything was deleted");
}

/// Without a connection from before, a cluster whose monitors are gone is an outage that is told at
/// once, with the monitors that were tried.
#[test]
#[ignore = "needs a Ceph cluster: dev/test faults"]
fn a_new_driver_names_the_monitors_that_do_not_answer() {
    let lab = Lab::new();
    let driver = Driver::start(&lab.config(), &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    lab.signal("mon.a", "KILL");
    let (answer, made) = runtime.block_on(async {
        let mut client = driver.controller().await;
        let request = within(Duration::from_secs(30), lab.create("pvc-no-mon", 1));
        let answer = client.create_volume(request).await.unwrap_err();
        lab.up();
        let made = client
            .create_volume(lab.create("pvc-no-mon", 1))
            .await
            .unwrap();
        let made = made.into_inner().volume.unwrap();
        client
            .delete_volume(lab.delete(&made.volume_id))
            .await
            .unwrap();
        (answer, made)
    });
    println!(
        "without a monitor: {:?}: {}",
        answer.code(),
        answer.message()
    );
    assert_eq!(answer.code(), Code::Unavailable);
    assert!(answer.message().contains(&lab.monitors), "{answer}");
    assert!(!made.volume_id.is_empty());
    driver.terminate();
    lab.expect_empty("after everything was deleted");
}

async fn outage(lab: &Lab, client: &Client, daemon: &str, signal: &str) {
    let round = prepare(lab, client.clone(), &format!("{daemon}-{signal}")).await;
    lab.signal(daemon, signal);
    let answers = all(lab, client, &round, PATIENCE).await;
    if signal == "STOP" {
        lab.signal(daemon, "CONT");
    }
    lab.up();
    for (rpc, answer, took) in answers {
        let text = match &answer {
            Ok(()) => "OK".to_owned(),
            Err(status) => format!("{:?}: {}", status.code(), status.message()),
        };
        println!("{daemon} {signal}: {rpc} after {took:.1?}: {text}");
        assert!(took < PATIENCE + SLACK, "{rpc} took {took:?}");
        if let Err(status) = answer {
            let retried = [Code::DeadlineExceeded, Code::Unavailable, Code::Aborted];
            assert!(retried.contains(&status.code()), "{rpc}: {status}");
            assert!(
                status.message().len() > 20,
                "{rpc} does not say what it waited for: {status}"
            );
        }
    }
    repeat_until_served(lab, client, &round).await;
    clean_up(lab, client.clone(), &round).await;
}

/// A volume for each RPC that needs one.
async fn prepare(lab: &Lab, mut client: Client, name: &str) -> Round {
    let mut ids = Vec::new();
    for rpc in ["delete", "expand", "validate"] {
        let made = client
            .create_volume(lab.create(&format!("pvc-{name}-{rpc}"), 1))
            .await
            .unwrap();
        ids.push(made.into_inner().volume.unwrap().volume_id);
    }
    let [delete, expand, validate] = ids.try_into().unwrap();
    Round {
        create: format!("pvc-{name}-create"),
        delete,
        expand,
        validate,
    }
}

type Answer = (&'static str, Result<(), Status>, Duration);

/// All four RPCs at once, each on its own volume.
async fn all(lab: &Lab, client: &Client, round: &Round, patience: Duration) -> [Answer; 4] {
    let [mut c1, mut c2, mut c3, mut c4] = [(); 4].map(|()| client.clone());
    let started = Instant::now();
    let timed = |rpc, answer: Result<(), Status>| (rpc, answer, started.elapsed());
    let answers = tokio::join!(
        async {
            let answer = c1
                .create_volume(within(patience, lab.create(&round.create, 1)))
                .await;
            timed("CreateVolume", answer.map(drop))
        },
        async {
            let answer = c2
                .delete_volume(within(patience, lab.delete(&round.delete)))
                .await;
            timed("DeleteVolume", answer.map(drop))
        },
        async {
            let request = within(patience, lab.expand(&round.expand, 2));
            timed(
                "ControllerExpandVolume",
                c3.controller_expand_volume(request).await.map(drop),
            )
        },
        async {
            let request = within(patience, lab.validate(&round.validate));
            let answer = c4.validate_volume_capabilities(request).await;
            timed("ValidateVolumeCapabilities", answer.map(drop))
        },
    );
    answers.into()
}

/// With a deadline, before which the driver's own answer comes back.
fn within<T>(patience: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(patience);
    request
}

async fn repeat_until_served(lab: &Lab, client: &Client, round: &Round) {
    let started = Instant::now();
    loop {
        let answers = all(lab, client, round, Duration::from_secs(20)).await;
        let failed: Vec<_> = answers
            .iter()
            .filter(|(_, answer, _)| answer.is_err())
            .collect();
        if failed.is_empty() {
            println!("  all served {:.1?} after the repair", started.elapsed());
            return;
        }
        assert!(started.elapsed() < RECOVERY, "still failing: {failed:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn clean_up(lab: &Lab, mut client: Client, round: &Round) {
    let made = client
        .create_volume(lab.create(&round.create, 1))
        .await
        .unwrap();
    let made = made.into_inner().volume.unwrap();
    let grown = client
        .controller_expand_volume(lab.expand(&round.expand, 2))
        .await
        .unwrap();
    assert_eq!(grown.into_inner().capacity_bytes, 2 << 30);
    for id in [
        &made.volume_id,
        &round.delete,
        &round.expand,
        &round.validate,
    ] {
        client.delete_volume(lab.delete(id)).await.unwrap();
    }
}
