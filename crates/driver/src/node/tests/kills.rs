//! Kill the driver after, and before, every step of every RPC; start it again; repeat the RPC: the
//! result is what it would have been, and taking the volume away again leaves nothing.

use ceph::fault::Fault;

use super::*;

/// The RPCs of a volume's life on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Stage,
    Publish,
    PublishReadOnly,
    Unpublish,
    Unstage,
}

const LIFE: [Step; 6] = [
    Step::Stage,
    Step::Publish,
    Step::Unpublish,
    Step::PublishReadOnly,
    Step::Unpublish,
    Step::Unstage,
];

impl Step {
    async fn run(self, lab: &Lab) -> Result<(), Error> {
        match self {
            Self::Stage => lab.stage(&stage_request()).await,
            Self::Publish => lab.publish(&publish_request(TARGET)).await,
            Self::PublishReadOnly => {
                let mut request = publish_request(TARGET);
                request.readonly = true;
                lab.publish(&request).await
            }
            Self::Unpublish => lab.unpublish(TARGET).await,
            Self::Unstage => lab.unstage().await,
        }
    }
}

/// A node on which everything before the RPC number `index` of a life has happened.
async fn before(index: usize) -> Lab {
    let lab = Lab::new();
    for step in &LIFE[..index] {
        step.run(&lab).await.unwrap();
    }
    lab
}

/// How many steps the RPC has when nothing goes wrong.
async fn steps(index: usize) -> u64 {
    let mut lab = before(index).await;
    let faults = Faults::new();
    lab.restart(faults.clone());
    LIFE[index].run(&lab).await.unwrap();
    faults.log().len().try_into().unwrap()
}

async fn end_life(lab: &Lab) {
    lab.unpublish(TARGET).await.unwrap();
    lab.unstage().await.unwrap();
}

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "the figure is part of what the test suite reports"
)]
async fn a_kill_at_any_step_is_repaired_by_a_repeat() {
    let clean = Lab::new().mounts.remains();
    let mut pairs = 0;
    for (index, step) in LIFE.into_iter().enumerate() {
        let expected = {
            let lab = before(index + 1).await;
            lab.mounts.remains()
        };
        let steps = steps(index).await;
        assert!(steps > 0, "{step:?} has steps");
        for number in 1..=steps {
            for fault in [Fault::KillBefore, Fault::KillAfter] {
                let at = format!("{step:?}, step {number}, {fault:?}");
                let mut lab = before(index).await;
                let faults = Faults::new();
                faults.at(number, fault);
                lab.restart(faults.clone());
                let ended = unless_killed(&faults, step.run(&lab)).await;
                assert!(ended.is_none(), "{at}: not killed");

                lab.restart(Faults::new());
                step.run(&lab)
                    .await
                    .unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(lab.mounts.remains(), expected, "{at}: repeated");
                end_life(&lab).await;
                assert_eq!(lab.mounts.remains(), clean, "{at}: taken away");
                pairs += 1;
            }
        }
    }
    println!("killed at {pairs} (RPC, step) pairs of the node service, 0 leaks");
}

#[tokio::test]
async fn a_volume_that_is_given_up_after_a_kill_leaves_nothing() {
    let clean = Lab::new().mounts.remains();
    for (index, step) in LIFE.into_iter().enumerate() {
        for number in 1..=steps(index).await {
            for fault in [Fault::KillBefore, Fault::KillAfter] {
                let at = format!("{step:?}, step {number}, {fault:?}");
                let mut lab = before(index).await;
                let faults = Faults::new();
                faults.at(number, fault);
                lab.restart(faults.clone());
                unless_killed(&faults, step.run(&lab)).await;
                lab.restart(Faults::new());
                end_life(&lab).await;
                assert_eq!(lab.mounts.remains(), clean, "{at}");
            }
        }
    }
}

#[tokio::test]
async fn a_step_that_fails_is_repaired_by_a_repeat() {
    let clean = Lab::new().mounts.remains();
    for (index, step) in LIFE.into_iter().enumerate() {
        let expected = before(index + 1).await.mounts.remains();
        for number in 1..=steps(index).await {
            for fault in [Fault::TimeOut, Fault::LoseAnswer] {
                let at = format!("{step:?}, step {number}, {fault:?}");
                let mut lab = before(index).await;
                let faults = Faults::new();
                faults.at(number, fault);
                lab.restart(faults.clone());
                assert!(step.run(&lab).await.is_err(), "{at}: no error");
                step.run(&lab)
                    .await
                    .unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(lab.mounts.remains(), expected, "{at}: repeated");
                end_life(&lab).await;
                assert_eq!(lab.mounts.remains(), clean, "{at}: taken away");
            }
        }
    }
}
