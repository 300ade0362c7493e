//! What users are told of their volumes.

use ceph::fault::Fault;
use tokio::sync::mpsc::Receiver;

use super::super::recovery::round;
use super::*;
use crate::events::{About, Event, Events, Reason};
use crate::mount::memory::Health;
use crate::mount::{Fallback, MounterKind};
use crate::rpc::{Frame, Limits};

/// As the kubelet has it.
const TARGET: &str = "/pods/a/volumes/kubernetes.io~csi/pvc-1/mount";

impl Lab {
    /// The driver is started again, and what it tells comes out here.
    fn listen(&mut self) -> Receiver<Event> {
        let (events, told) = Events::channel();
        let node = node(
            &self.config,
            &self.cluster,
            &self.mounts,
            Settings::default(),
        );
        let recovery = Recovery::new(self.records.clone(), false);
        self.node = Arc::new(node.with_recovery(recovery).with_events(events));
        self.mounts
            .add_dir("/pods/a/volumes/kubernetes.io~csi/pvc-1");
        told
    }

    async fn look_after(&self) {
        let limits = Limits {
            longest: Duration::from_mins(1),
            slow: None,
        };
        round(&self.node, &Arc::new(Frame::new(limits))).await;
    }
}

fn next(told: &mut Receiver<Event>) -> (Reason, String) {
    let event = told.try_recv().unwrap();
    assert_eq!(event.about, About::Volume("pvc-1".to_owned()));
    (event.reason, event.message)
}

#[tokio::test]
async fn that_another_client_mounts_than_the_one_asked_for() {
    let mut lab = Lab::new();
    let mut told = lab.listen();
    lab.stage(&stage_request()).await.unwrap();
    lab.publish(&publish_request(TARGET)).await.unwrap();
    assert!(told.try_recv().is_err(), "all is as it was asked for");
    lab.unpublish(TARGET).await.unwrap();
    lab.unstage().await.unwrap();

    lab.mounts.fall_back(Fallback {
        wanted: MounterKind::Kernel,
        used: MounterKind::Fuse,
        why: "there is no module `ceph`".to_owned(),
    });
    lab.stage(&stage_request()).await.unwrap();
    lab.publish(&publish_request(TARGET)).await.unwrap();
    let (reason, message) = next(&mut told);
    assert_eq!(reason, Reason::MounterFallback);
    assert!(message.contains("there is no module `ceph`"), "{message}");
}

#[tokio::test]
async fn that_a_volume_died_and_whether_it_is_mounted_again() {
    let mut lab = Lab::new();
    let _ = lab.listen();
    lab.stage(&stage_request()).await.unwrap();
    lab.publish(&publish_request(TARGET)).await.unwrap();
    let faults = Faults::new();
    lab.restart(faults.clone());
    let mut told = lab.listen();
    lab.look_after().await;
    assert!(told.try_recv().is_err(), "nothing has happened");

    lab.mounts.set_health(STAGING, Health::Dead);
    let refused = ceph::Error::answered("mount", 13, "refused by the test");
    faults.once(|call| call.what.starts_with("mount "), Fault::Fail(refused));
    lab.look_after().await;
    let (reason, message) = next(&mut told);
    assert_eq!(reason, Reason::RecoveryFailed);
    assert!(message.contains("refused by the test"), "{message}");

    let mut told = lab.listen(); // and does not wait before it tries again
    lab.look_after().await;
    let (reason, message) = next(&mut told);
    assert_eq!(reason, Reason::VolumeRecovered);
    assert!(message.contains("have to be restarted"), "{message}");
    assert!(told.try_recv().is_err());
}
