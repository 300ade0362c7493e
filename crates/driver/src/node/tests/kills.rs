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

/// What is staged.
#[derive(Clone, Copy, Debug)]
enum Volume {
    /// A directory.
    Plain,
    /// A snapshot of one.
    Shallow,
    /// The same, where the client does not make it read-only.
    ShallowByFlags,
}

const VOLUMES: [Volume; 3] = [Volume::Plain, Volume::Shallow, Volume::ShallowByFlags];

impl Volume {
    fn stage_request(self) -> NodeStageVolumeRequest {
        let mut request = match self {
            Self::Plain => return stage_request(),
            Self::Shallow | Self::ShallowByFlags => snapshot_request(),
        };
        if matches!(self, Self::ShallowByFlags) {
            let reader = capability(Mode::MultiNodeReaderOnly);
            request.volume_capability = Some(with_flags(reader, &["ro", "rw"]));
        }
        request
    }
}

/// Every RPC of the life of every volume.
fn lives() -> impl Iterator<Item = (Volume, usize, Step)> {
    let life = |volume| {
        LIFE.into_iter()
            .enumerate()
            .map(move |(i, step)| (volume, i, step))
    };
    VOLUMES.into_iter().flat_map(life)
}

impl Step {
    async fn run(self, volume: Volume, lab: &Lab) -> Result<(), Error> {
        match self {
            Self::Stage => lab.stage(&volume.stage_request()).await,
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
async fn before(volume: Volume, index: usize) -> Lab {
    let lab = Lab::new();
    for step in &LIFE[..index] {
        step.run(volume, &lab).await.unwrap();
    }
    lab
}

/// How many steps the RPC has when nothing goes wrong.
async fn steps(volume: Volume, index: usize) -> u64 {
    let mut lab = before(volume, index).await;
    let faults = Faults::new();
    lab.restart(faults.clone());
    LIFE[index].run(volume, &lab).await.unwrap();
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
    for (volume, index, step) in lives() {
        let expected = {
            let lab = before(volume, index + 1).await;
            lab.mounts.remains()
        };
        let steps = steps(volume, index).await;
        assert!(steps > 0, "{step:?} has steps");
        for number in 1..=steps {
            for fault in [Fault::KillBefore, Fault::KillAfter] {
                let at = format!("{volume:?}, {step:?}, step {number}, {fault:?}");
                let mut lab = before(volume, index).await;
                let faults = Faults::new();
                faults.at(number, fault);
                lab.restart(faults.clone());
                let ended = unless_killed(&faults, step.run(volume, &lab)).await;
                assert!(ended.is_none(), "{at}: not killed");

                lab.restart(Faults::new());
                step.run(volume, &lab)
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
    for (volume, index, step) in lives() {
        for number in 1..=steps(volume, index).await {
            for fault in [Fault::KillBefore, Fault::KillAfter] {
                let at = format!("{volume:?}, {step:?}, step {number}, {fault:?}");
                let mut lab = before(volume, index).await;
                let faults = Faults::new();
                faults.at(number, fault);
                lab.restart(faults.clone());
                unless_killed(&faults, step.run(volume, &lab)).await;
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
    for (volume, index, step) in lives() {
        let expected = before(volume, index + 1).await.mounts.remains();
        for number in 1..=steps(volume, index).await {
            for fault in [Fault::TimeOut, Fault::LoseAnswer] {
                let at = format!("{volume:?}, {step:?}, step {number}, {fault:?}");
                let mut lab = before(volume, index).await;
                let faults = Faults::new();
                faults.at(number, fault);
                lab.restart(faults.clone());
                assert!(step.run(volume, &lab).await.is_err(), "{at}: no error");
                step.run(volume, &lab)
                    .await
                    .unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(lab.mounts.remains(), expected, "{at}: repeated");
                end_life(&lab).await;
                assert_eq!(lab.mounts.remains(), clean, "{at}: taken away");
            }
        }
    }
}
