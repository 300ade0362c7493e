//! Volumes whose clients die are mounted again, whatever happens meanwhile.

use ceph::fault::{Fault, Pause};

use super::super::recovery::{round, takeover};
use super::*;
use crate::mount::Mounts as _;
use crate::mount::memory::Health;
use crate::operations::Key;
use crate::rpc::{Frame, Limits};

fn frame() -> Arc<Frame> {
    Arc::new(Frame::new(Limits {
        longest: Duration::from_mins(1),
        slow: None,
    }))
}

/// A volume at its staging path and two targets, one of them read-only, and in a container.
async fn in_use() -> Lab {
    let lab = Lab::new();
    lab.stage(&stage_request()).await.unwrap();
    lab.publish(&publish_request(TARGET)).await.unwrap();
    let mut request = publish_request(OTHER_TARGET);
    request.readonly = true;
    lab.publish(&request).await.unwrap();
    lab.mounts.add_container(TARGET);
    lab
}

const STRANGER: &str = "/mnt/of-somebody-else";

impl Lab {
    async fn device(&self, path: &str) -> String {
        let table = self.mounts.table(&cx()).await.unwrap();
        table.at(path.as_ref()).unwrap().device.clone()
    }

    async fn round(&self) {
        round(&self.node, &frame()).await;
    }

    async fn is_well(&self) -> bool {
        for path in [STAGING, TARGET, OTHER_TARGET] {
            match self.stats(path).await {
                Ok(stats) if stats.volume_condition.as_ref().is_some_and(|c| !c.abnormal) => {}
                _ => return false,
            }
        }
        true
    }

    async fn take_away(&self) {
        for target in [TARGET, OTHER_TARGET] {
            self.unpublish(target).await.unwrap();
        }
        self.unstage().await.unwrap();
    }
}

#[tokio::test]
async fn a_dead_volume_is_mounted_and_published_as_it_was() {
    let mut lab = in_use().await;
    for restarted in [false, true] {
        let before = lab.mounts.mounted();
        lab.mounts.set_health(STAGING, Health::Dead);
        assert!(!lab.is_well().await);
        if restarted {
            lab.restart(Faults::new());
        }
        lab.round().await;
        assert!(lab.is_well().await);
        assert_eq!(lab.mounts.mounted(), before);
        assert_eq!(
            lab.mounts.elsewhere(),
            [Health::Dead],
            "nobody asked for that"
        );
    }
    lab.take_away().await;
}

#[tokio::test]
async fn running_containers_get_the_new_mount_if_that_is_wanted() {
    let mut lab = in_use().await;
    lab.heal_running_pods = true;
    lab.restart(Faults::new());
    lab.mounts.set_health(STAGING, Health::Dead);
    lab.round().await;
    assert_eq!(lab.mounts.elsewhere(), [Health::Well]);
}

#[tokio::test]
async fn a_client_that_runs_has_to_say_twice_that_it_is_dead() {
    let lab = in_use().await;
    lab.mounts.set_health(STAGING, Health::Evicted);
    lab.round().await;
    assert!(!lab.is_well().await);
    lab.round().await;
    assert!(lab.is_well().await);
}

/// As a client is that was shut out while it opened its session.
#[tokio::test]
async fn a_client_that_says_once_that_it_is_dead_and_then_nothing_is_believed() {
    let lab = in_use().await;
    lab.mounts.set_health(STAGING, Health::Evicted);
    lab.round().await;
    lab.mounts.set_health(STAGING, Health::Hanging);
    lab.round().await;
    assert!(lab.is_well().await);

    // Not for ever: what is mounted since may be slow for another reason.
    let before = lab.mounts.remains();
    lab.mounts.set_health(STAGING, Health::Hanging);
    lab.round().await;
    assert_eq!(lab.mounts.remains(), before);
}

#[tokio::test]
async fn a_volume_that_hangs_is_left_alone() {
    let lab = in_use().await;
    let before = lab.mounts.remains();
    lab.mounts.set_health(STAGING, Health::Hanging);
    for _ in 0..3 {
        lab.round().await;
    }
    lab.mounts.set_health(STAGING, Health::Well);
    assert_eq!(lab.mounts.remains(), before);
    assert!(lab.is_well().await);
}

#[tokio::test]
async fn what_was_unstaged_or_unmounted_stays_away() {
    let lab = in_use().await;
    lab.take_away().await;
    let clean = lab.mounts.remains();
    lab.round().await;
    assert_eq!(lab.mounts.remains(), clean);

    // By hand, or by another driver.
    lab.stage(&stage_request()).await.unwrap();
    let users = crate::mount::Users::Nobody;
    lab.mounts
        .unmount(&cx(), STAGING.as_ref(), users)
        .await
        .unwrap();
    lab.round().await;
    assert_eq!(lab.mounts.remains(), clean);
}

#[tokio::test]
async fn a_snapshot_is_shown_again() {
    let lab = Lab::new();
    lab.stage(&snapshot_request()).await.unwrap();
    lab.publish(&publish_request(TARGET)).await.unwrap();
    let before = lab.mounts.mounted();
    lab.mounts.set_health(STAGING, Health::Dead);
    lab.round().await;
    assert_eq!(lab.mounts.mounted(), before);
    assert!(
        !lab.stats(TARGET)
            .await
            .unwrap()
            .volume_condition
            .unwrap()
            .abnormal
    );
}

#[tokio::test]
async fn a_volume_that_somebody_is_at_has_not_failed() {
    let lab = in_use().await;
    lab.mounts.set_health(STAGING, Health::Dead);
    let frame = frame();
    let pause = Pause::new();
    let (held, key) = (pause.clone(), Key::StagedVolume(volume_id()));
    let request = frame.background(
        "Test",
        "v",
        key,
        Duration::from_mins(1),
        |_, _| async move {
            held.reached().await;
            Ok(())
        },
    );
    let look = async {
        round(&lab.node, &frame).await;
        assert!(!lab.is_well().await);
        assert_eq!(lab.node.recovery.states().failed, 0);
        pause.end();
    };
    let (ended, ()) = tokio::join!(biased; request, look);
    ended.unwrap();
    round(&lab.node, &frame).await;
    assert!(lab.is_well().await);
}

#[tokio::test]
async fn a_volume_that_is_staged_has_not_failed_any_more() {
    let mut lab = in_use().await;
    let faults = Faults::new();
    faults.always(|call| call.what.starts_with("mount "), Fault::TimeOut);
    lab.restart(faults.clone());
    lab.mounts.set_health(STAGING, Health::Dead);
    lab.round().await;
    assert_eq!(lab.node.recovery.states().failed, 1);
    faults.clear();
    lab.stage(&stage_request()).await.unwrap();
    assert_eq!(lab.node.recovery.states().failed, 0);
    // Its targets do not wait for the end of a pause either.
    lab.round().await;
    assert!(lab.is_well().await);
}

/// As the kubelet binds a `subPath`.
#[tokio::test]
async fn a_directory_of_a_volume_is_shown_again_and_one_that_is_gone_holds_nobody_up() {
    const PARTS: [&str; 2] = [
        "/pods/a/volume-subpaths/pv/c/0",
        "/pods/a/volume-subpaths/pv/c/1",
    ];
    let mut lab = in_use().await;
    lab.heal_running_pods = true;
    lab.restart(Faults::new());
    for (name, at) in ["kept", "removed"].into_iter().zip(PARTS) {
        lab.mounts.add_content(&format!("/{name}"));
        lab.mounts.add_dir(at);
        let source = format!("{STAGING}/{name}");
        let (cx, source) = (cx(), source.as_ref());
        let bound = lab.mounts.bind(&cx, source, at.as_ref(), None);
        bound.await.unwrap();
    }
    let mut before = lab.mounts.mounted();
    lab.mounts.remove_content("/removed");
    lab.mounts.set_health(STAGING, Health::Dead);
    lab.round().await;
    assert!(lab.is_well().await);
    let [kept, removed] = PARTS.map(|at| lab.stats(at));
    assert!(!kept.await.unwrap().volume_condition.unwrap().abnormal);
    let removed = removed.await.unwrap().volume_condition.unwrap();
    assert!(removed.abnormal, "it shows what it showed");
    let states = lab.node.recovery.states();
    assert_eq!(
        (states.mounted, states.recovering, states.failed),
        (1, 0, 0)
    );
    let mut mounted = lab.mounts.mounted();
    before.sort();
    mounted.sort();
    assert_eq!(mounted, before);
    let steps = lab.mounts.mounted();
    lab.round().await;
    assert_eq!(lab.mounts.mounted(), steps, "nothing is left to do");
}

#[tokio::test]
async fn a_target_that_fails_keeps_no_other_from_its_mount() {
    let mut lab = in_use().await;
    lab.heal_running_pods = true;
    let faults = Faults::new();
    let bind = format!("bind to `{TARGET}`");
    faults.always(move |call| call.what == bind, Fault::TimeOut);
    lab.restart(faults.clone());
    lab.mounts.set_health(STAGING, Health::Dead);
    lab.round().await;
    let stats = lab.stats(OTHER_TARGET).await.unwrap();
    assert!(!stats.volume_condition.unwrap().abnormal);
    assert_eq!(lab.mounts.elsewhere(), [Health::Well]);
    assert_eq!(lab.node.recovery.states().failed, 1);

    // It is still owed its own, also to the next process.
    lab.restart(Faults::new());
    lab.round().await;
    assert!(lab.is_well().await, "{:?}", lab.mounts.mounted());
}

/// The kernel gives the number of a superblock again once that is mounted nowhere.
#[tokio::test]
async fn a_mount_that_was_given_the_number_of_a_dead_one_is_left_alone() {
    for fs_type in ["fuse.ceph-fuse", "ceph"] {
        for health in [Health::Well, Health::Hanging, Health::Unknown] {
            let mut lab = in_use().await;
            lab.heal_running_pods = true;
            let device = lab.device(STAGING).await;
            let faults = Faults::new();
            faults.always(
                |call| call.what.starts_with("replace elsewhere "),
                Fault::TimeOut,
            );
            lab.restart(faults);
            lab.mounts.set_health(STAGING, Health::Dead);
            lab.round().await;
            lab.mounts.add_dir(STRANGER);
            lab.mounts
                .mount_stranger(STRANGER, fs_type, &device, health);
            let before = lab.mounts.mounted();

            lab.restart(Faults::new());
            for _ in 0..2 {
                lab.round().await;
                assert_eq!(lab.mounts.mounted(), before, "{fs_type} {health:?}");
                assert_eq!(lab.device(STRANGER).await, device);
            }
            if fs_type == "ceph" {
                let elsewhere = lab.mounts.elsewhere();
                assert_eq!(elsewhere, [health], "it says what it shows");
            }
            lab.take_away().await;
            assert_eq!(lab.mounts.mounted(), [STRANGER]);
        }
    }
}

/// What the record says is of a time before: a driver that does not know it has had the volume since.
#[tokio::test]
async fn numbers_of_a_volume_that_another_driver_had_since_are_forgotten() {
    let mut lab = in_use().await;
    let device = lab.device(STAGING).await;
    let record = lab.records.get(&volume_id()).unwrap();
    lab.take_away().await;
    lab.records.put(record);
    lab.mounts.add_dir(STRANGER);
    lab.mounts
        .mount_stranger(STRANGER, "fuse.ceph-fuse", &device, Health::Hanging);
    lab.heal_running_pods = true;
    lab.restart(Faults::new());
    lab.stage(&stage_request()).await.unwrap();
    let devices = lab.records.get(&volume_id()).unwrap().devices;
    assert_eq!(devices, [lab.device(STAGING).await]);
    lab.round().await;
    assert_eq!(lab.device(STRANGER).await, device);
}

/// The kubelet may be the first to come, also again after a stage that was killed.
#[tokio::test]
async fn what_was_published_of_a_volume_that_is_staged_anew_gets_the_new_mount() {
    let expected = in_use().await.mounts.mounted();
    for fault in [None, Some(Fault::KillBefore), Some(Fault::KillAfter)] {
        let mut lab = in_use().await;
        lab.heal_running_pods = true;
        lab.mounts.set_health(STAGING, Health::Dead);
        let faults = Faults::new();
        if let Some(fault) = fault.clone() {
            faults.once(|call| call.what.starts_with("mount "), fault);
        }
        lab.restart(faults.clone());
        let staged = unless_killed(&faults, lab.stage(&stage_request())).await;
        assert_eq!(staged.is_none(), fault.is_some());
        lab.restart(Faults::new());
        lab.stage(&stage_request()).await.unwrap();
        lab.round().await;
        assert!(lab.is_well().await, "{fault:?}: {:?}", lab.mounts.mounted());
        let mut mounted = lab.mounts.mounted();
        mounted.sort();
        let mut expected = expected.clone();
        expected.sort();
        assert_eq!(mounted, expected, "{fault:?}");
        assert_eq!(lab.mounts.elsewhere(), [Health::Well], "{fault:?}");
    }
}

#[tokio::test]
async fn a_target_that_goes_during_a_recovery_is_owed_nothing() {
    let mut lab = in_use().await;
    let (faults, pause) = (Faults::new(), Pause::new());
    let (first, second) = (
        format!("bind to `{TARGET}`"),
        format!("bind to `{OTHER_TARGET}`"),
    );
    faults.always(move |call| call.what == first, Fault::TimeOut);
    faults.once(move |call| call.what == second, Fault::Pause(pause.clone()));
    lab.restart(faults);
    lab.mounts.set_health(STAGING, Health::Dead);
    let unpublish = async {
        assert!(pause.reached().await);
        lab.unpublish(TARGET).await.unwrap();
        pause.end();
    };
    tokio::join!(lab.round(), unpublish);
    let record = lab.records.get(&volume_id()).unwrap();
    assert_eq!(record.owed, []);
}

#[tokio::test]
async fn a_volume_that_cannot_be_asked_is_not_taken_for_well() {
    let lab = in_use().await;
    lab.mounts.set_health(STAGING, Health::Evicted);
    lab.round().await;
    lab.mounts.set_health(STAGING, Health::Unknown);
    lab.round().await;
    assert!(lab.is_well().await, "it has said once that it is dead");
}

#[tokio::test]
async fn targets_that_cannot_be_unmounted_are_owed_their_mount_once() {
    let mut lab = in_use().await;
    lab.mounts.set_health(STAGING, Health::Dead);
    for _ in 0..3 {
        let faults = Faults::new();
        faults.always(
            |call| call.what.starts_with("unmount `/pods"),
            Fault::TimeOut,
        );
        lab.restart(faults);
        lab.round().await;
        let record = lab.records.get(&volume_id()).unwrap();
        assert_eq!(record.owed.len(), 2, "{:?}", record.owed);
    }
    lab.restart(Faults::new());
    lab.round().await;
    assert!(lab.is_well().await);
}

/// More than one key of the kernel's keyring holds.
#[tokio::test]
async fn many_targets_are_bared_some_at_a_time() {
    let target = |number: usize| {
        format!("/var/lib/kubelet/pods/{number:036}/volumes/kubernetes.io~csi/pvc-{UUID}/mount")
    };
    let mut lab = in_use().await;
    for number in 0..200 {
        let target = target(number);
        lab.mounts.add_dir(
            std::path::Path::new(&target)
                .parent()
                .unwrap()
                .to_str()
                .unwrap(),
        );
        lab.publish(&publish_request(&target)).await.unwrap();
    }
    let before = lab.mounts.mounted();
    let faults = Faults::new();
    faults.always(|call| call.what.starts_with("bind to "), Fault::TimeOut);
    lab.restart(faults.clone());
    lab.mounts.set_health(STAGING, Health::Dead);
    for _ in 0..5 {
        lab.round().await;
        let record = lab.records.get(&volume_id()).unwrap();
        let (bare, length) = (before.len() - lab.mounts.mounted().len(), record.length());
        assert!(bare < 32 && length < 16_384, "{bare} bare, {length} bytes");
        lab.restart(faults.clone());
    }
    lab.restart(Faults::new());
    lab.round().await;
    assert!(lab.is_well().await);
    let (mut mounted, mut before) = (lab.mounts.mounted(), before);
    mounted.sort();
    before.sort();
    assert_eq!(mounted, before);
    for number in 0..200 {
        assert_eq!(lab.device(&target(number)).await, lab.device(STAGING).await);
    }
}

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "the figure is part of what the test suite reports"
)]
async fn a_kill_at_any_step_of_a_recovery_is_made_good_for() {
    let expected = in_use().await.mounts.mounted();
    let faults = Faults::new();
    let mut lab = in_use().await;
    lab.heal_running_pods = true;
    lab.mounts.set_health(STAGING, Health::Dead);
    lab.restart(faults.clone());
    lab.round().await;
    let steps: u64 = faults.log().len().try_into().unwrap();
    assert!(steps > 5);
    for number in 1..=steps {
        for fault in [Fault::KillBefore, Fault::KillAfter] {
            let at = format!("step {number}, {fault:?}");
            let mut lab = in_use().await;
            lab.heal_running_pods = true;
            lab.mounts.set_health(STAGING, Health::Dead);
            let faults = Faults::new();
            faults.at(number, fault);
            lab.restart(faults.clone());
            let ended = unless_killed(&faults, lab.round()).await;
            assert!(ended.is_none(), "{at}: not killed");

            lab.restart(Faults::new());
            lab.round().await;
            assert!(lab.is_well().await, "{at}: {:?}", lab.mounts.mounted());
            let mut mounted = lab.mounts.mounted();
            mounted.sort();
            let mut expected = expected.clone();
            expected.sort();
            assert_eq!(mounted, expected, "{at}");
            assert_eq!(lab.mounts.elsewhere(), [Health::Well], "{at}");
            lab.take_away().await;
            assert_eq!(lab.mounts.mounted(), [""; 0], "{at}");
        }
    }
    println!("killed at {} steps of a recovery, 0 leaks", 2 * steps);
}

/// The only trace of a volume of ceph-csi whose client died with the container of its node plugin.
#[tokio::test]
async fn a_volume_of_the_original_is_recovered_by_its_record() {
    let mut lab = Lab::new();
    let plugins = lab.directory.path().join("hash");
    std::fs::create_dir(&plugins).unwrap();
    let data = format!(
        r#"{{"driverName": "d", "volumeHandle": "{}"}}"#,
        volume_id()
    );
    std::fs::write(plugins.join("vol_data.json"), data).unwrap();
    let staging = plugins.join("globalmount").display().to_string();
    lab.mounts.add_dir(&staging);
    let mut request = stage_request();
    request.staging_target_path.clone_from(&staging);
    lab.stage(&request).await.unwrap();

    let directory = lab.directory.path().join("mountinfo");
    std::fs::create_dir(&directory).unwrap();
    let record = format!(
        r#"{{"VolumeCapabilityProtoJSON": "{{\"mount\":{{}},\"accessMode\":{{\"mode\":\"SINGLE_NODE_WRITER\"}}}}",
             "Secrets": {{"userID": "node", "userKey": "{KEY}"}}}}"#
    );
    let file = directory.join(format!("nodestage-{}.json", volume_id()));
    let gone = directory.join("nodestage-0001-0003-lab-0000000000000001-gone.json");
    for file in [&file, &gone] {
        std::fs::write(file, &record).unwrap();
    }
    lab.mounts.set_health(&staging, Health::Dead);
    lab.records = Records::in_memory();
    lab.mountinfo_dir = Some(directory.clone());
    lab.restart(Faults::new());
    let secrets = stage_request().secrets;
    let credentials = crate::credentials::Credentials::from_secrets(&secrets).unwrap();
    let backend = &lab.node.backend;
    let session = backend
        .open_named(&cx(), "lab", "cephfs", &credentials)
        .await;
    let options = ceph::subvolume::CreateOptions::default();
    let subvolumes = session.unwrap().subvolumes;
    subvolumes
        .create(&cx(), &subvolume(), &options)
        .await
        .unwrap();
    takeover::run(&lab.node).await;
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    lab.round().await;
    let stats = lab.stats(&staging).await.unwrap();
    assert!(!stats.volume_condition.unwrap().abnormal);
}
