use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ceph::memory::Memory;
use ceph::{Cluster, Error, Result};

use super::super::{MountOptions, MounterKind};
use super::*;

/// Refuses everybody, like this.
#[derive(Debug)]
struct Refuses(ErrorKind);

#[async_trait]
impl Connect for Refuses {
    async fn connect(&self, _: &Context, _: &Identity) -> Result<Arc<dyn Cluster>> {
        Err(Error::new(self.0, "connect", ""))
    }
}

fn fs(name: Option<&str>) -> CephFs {
    CephFs {
        monitors: "192.0.2.1:6789".to_owned(),
        user: "node".to_owned(),
        key: secrecy::SecretString::from("key".to_owned()),
        name: name.map(str::to_owned),
        root: "/v".to_owned(),
        snapshot: None,
        mounter: MounterKind::Any,
        fuse_options: MountOptions::default(),
        kernel_options: MountOptions::default(),
        net_namespace: None,
    }
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(30))
}

#[tokio::test]
async fn a_user_that_is_refused_and_a_file_system_that_is_absent_are_causes() {
    let refuses = Witness::new(Arc::new(Refuses(ErrorKind::PermissionDenied)));
    let cause = refuses.cause(&cx(), &fs(Some("cephfs"))).await;
    assert_eq!(cause, Some(Cause::Rejected));

    let cluster = Memory::new();
    cluster.create_filesystem("cephfs");
    let witness = Witness::new(Arc::new(cluster));
    let cause = witness.cause(&cx(), &fs(Some("absent"))).await;
    assert_eq!(cause, Some(Cause::NoFileSystem));
    for there in [Some("cephfs"), None] {
        assert_eq!(witness.cause(&cx(), &fs(there)).await, None);
    }
}

#[tokio::test]
async fn what_cannot_be_asked_from_here_is_no_cause() {
    let away = Witness::new(Arc::new(Refuses(ErrorKind::Unreachable)));
    assert_eq!(away.cause(&cx(), &fs(Some("absent"))).await, None);

    let mut elsewhere = fs(Some("absent"));
    elsewhere.net_namespace = Some(PathBuf::from("/run/netns/other"));
    let refuses = Witness::new(Arc::new(Refuses(ErrorKind::PermissionDenied)));
    assert_eq!(refuses.cause(&cx(), &elsewhere).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_mount_is_not_suspected_at_once_nor_without_a_cause() {
    let refuses = Witness::new(Arc::new(Refuses(ErrorKind::PermissionDenied)));
    let (context, fs) = (cx(), fs(Some("cephfs")));
    let early = tokio::time::timeout(SUSPICION / 2, refuses.suspicion(&context, &fs)).await;
    assert!(early.is_err());
    assert_eq!(refuses.suspicion(&context, &fs).await, Cause::Rejected);

    let away = Witness::new(Arc::new(Refuses(ErrorKind::Unreachable)));
    let never = tokio::time::timeout(SUSPICION * 9, away.suspicion(&context, &fs)).await;
    assert!(never.is_err());
}

/// Is out of reach once, then refuses.
#[derive(Debug, Default)]
struct RefusesLater(AtomicBool);

#[async_trait]
impl Connect for RefusesLater {
    async fn connect(&self, cx: &Context, identity: &Identity) -> Result<Arc<dyn Cluster>> {
        let kind = if self.0.swap(true, Ordering::Relaxed) {
            ErrorKind::PermissionDenied
        } else {
            ErrorKind::Unreachable
        };
        Refuses(kind).connect(cx, identity).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_did_not_tell_is_asked_again() {
    let witness = Witness::new(Arc::new(RefusesLater::default()));
    let cause = witness.suspicion(&cx(), &fs(Some("cephfs"))).await;
    assert_eq!(cause, Cause::Rejected);
}

#[tokio::test]
async fn one_mount_after_the_other_is_asked_about() {
    let refuses = Witness::new(Arc::new(Refuses(ErrorKind::PermissionDenied)));
    let other = refuses.clone();
    let turn = other.turn.lock().await;
    let soon = Context::with_timeout(Duration::from_millis(20));
    assert_eq!(refuses.cause(&soon, &fs(None)).await, None);
    drop(turn);
    let cause = refuses.cause(&cx(), &fs(None)).await;
    assert_eq!(cause, Some(Cause::Rejected));
}
