//! NodePublishVolume: binds a staged volume to a pod's directory.
//!
//! | code | when | what the kubelet does |
//! |---|---|---|
//! | OK | the volume is at the target, now or since before | starts the pod |
//! | INVALID_ARGUMENT | a field is missing or makes no sense; the target is no directory | tries again with back-off |
//! | ALREADY_EXISTS | it is at the target read-only, and should be writable | tries again with back-off |
//! | FAILED_PRECONDITION | not staged, or not any more when it was bound, or dead; another file system is at the target; a ReadWriteOncePod volume is at another one | tries again with back-off |
//! | UNAVAILABLE, DEADLINE_EXCEEDED | the staged mount does not answer | tries again |
//!
//! The bind and its flags are one step, so that they are what they are to be on the node too, where the driver's mounts
//! are propagated to. Where the kernel cannot do that, they are two system calls: a repeat after a kill between them
//! completes the flags. A group comes before them.
//!
//! A recovery can unmount the staging path at any moment, and then the bare directory there, on the node's disk, is
//! bound as willingly. So the target is looked at after the bind, and a repeat after a kill between takes such a
//! mount away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ceph::Context;
use csi_proto::v1::{NodePublishVolumeRequest, NodePublishVolumeResponse};

use super::place::describe;
use super::{Node, PathError};
use crate::error::Error;
use crate::events::Reason;
use crate::mount::{self, Access, Mount, MountFlags, Place, Users};
use crate::request::{self, PublishVolume, Targets};

/// How long the staged mount may take to show that it lives.
const PROBE: Duration = Duration::from_secs(2);

/// A staging path and a twin of it, seen where the kubelet's directory is mounted twice, have at least
/// this many last components in common: the volume's directory and `globalmount`.
const TWIN: usize = 2;

/// Serves the request.
pub(super) async fn run(
    node: &Node,
    cx: &Context,
    request: &NodePublishVolumeRequest,
) -> Result<NodePublishVolumeResponse, Error> {
    let request = PublishVolume::parse(request)?;
    publish(node, cx, &request).await?;
    if let Some(fallback) = node.known.fallback(&request.volume) {
        node.tell(
            &request.target,
            Reason::MounterFallback,
            fallback.to_string(),
        );
    }
    Ok(NodePublishVolumeResponse {})
}

async fn publish(node: &Node, cx: &Context, request: &PublishVolume) -> Result<(), Error> {
    let staging = request.staging.as_deref().ok_or(PathError::NoStagingPath)?;
    let (place, target) = tokio::try_join!(
        node.mounts.locate(cx, staging),
        node.mounts.locate(cx, &request.target),
    )?;
    let staged = place.as_ref().and_then(Place::mount);
    let Some(staged) = staged.filter(|mount| mount.is_cephfs()) else {
        let path = staging.to_owned();
        return Err(PathError::NotStaged { path }.into());
    };
    check_alive(node, cx, staged).await?;
    let flags = flags(staged, request);
    let present = target.as_ref().and_then(Place::mount);
    if let Some(mount) = present.filter(|mount| is_same(mount, staged)) {
        settle(node, cx, mount, flags).await?;
        return set_group(node, cx, request, staged).await;
    }
    check_alone(node, cx, request, staged).await?;
    set_group(node, cx, request, staged).await?;
    let covered = |mount: &Mount| {
        place
            .as_ref()
            .is_some_and(|place| is_covered(mount, staged, place))
    };
    let target = match present {
        Some(mount) => {
            if covered(mount) {
                node.mounts
                    .unmount(cx, &mount.mount_point, Users::Others)
                    .await?;
            } else {
                clear_dead(node, cx, mount).await?;
            }
            mount.mount_point.clone()
        }
        None => make_target(node, cx, &request.target).await?,
    };
    bind(node, cx, staged, &target, flags).await
}

async fn bind(
    node: &Node,
    cx: &Context,
    staged: &Mount,
    target: &Path,
    flags: MountFlags,
) -> Result<(), Error> {
    let instead = (flags != staged.flags).then_some(flags);
    let bound = node.mounts.bind(cx, &staged.mount_point, target, instead);
    if let Err(error) = bound.await {
        drop(node.mounts.remove_dir(cx, target).await); // it was empty, or it stays
        return Err(error.into());
    }
    let table = node.mounts.table(cx).await?;
    let Some(mount) = table.at(target).filter(|mount| is_same(mount, staged)) else {
        undo(node, cx, target).await;
        let path = staged.mount_point.clone();
        return Err(PathError::NotStaged { path }.into());
    };
    if mount.flags == flags {
        return Ok(());
    }
    let set = node.mounts.set_flags(cx, target, flags).await;
    if set.is_err() {
        // Writable although it should not be: better not there at all.
        undo(node, cx, target).await;
    }
    Ok(set?)
}

async fn undo(node: &Node, cx: &Context, target: &Path) {
    if let Err(undo) = node.mounts.unmount(cx, target, Users::Others).await {
        tracing::error!("cannot undo the bind to `{}`: {undo}", target.display());
    }
}

/// Makes the target a directory, if it is none, and tells its canonical path.
async fn make_target(node: &Node, cx: &Context, target: &Path) -> Result<PathBuf, Error> {
    match node.mounts.create_dir(cx, target).await {
        Err(error @ mount::Error::NoDirectory { .. }) => {
            Err(request::Error::invalid("target_path", error.to_string()).into())
        }
        made => Ok(made?),
    }
}

async fn check_alive(node: &Node, cx: &Context, staged: &Mount) -> Result<(), Error> {
    let path = &staged.mount_point;
    match node.mounts.probe(&cx.at_most(PROBE), staged).await {
        Err(source @ mount::Error::Dead { .. }) => {
            let path = path.clone();
            Err(PathError::StagedDead { path, source }.into())
        }
        other => Ok(other?),
    }
}

/// Gives the volume's root to the pod's group, if the kubelet leaves that to the driver. It would do so with
/// each file; here those that are there stay as they are, and new ones get the group of their directory.
async fn set_group(
    node: &Node,
    cx: &Context,
    request: &PublishVolume,
    staged: &Mount,
) -> Result<(), Error> {
    let writable = request.access == Access::ReadWrite && !staged.flags.read_only();
    match request.group {
        Some(group) if node.settings.volume_mount_group && writable => Ok(node
            .mounts
            .set_group(cx, &staged.mount_point, group)
            .await?),
        _ => Ok(()),
    }
}

/// The flags that the target shall have: those of the staged mount, and what the request adds. What is
/// staged read-only is published so, whatever the mount options say.
fn flags(staged: &Mount, request: &PublishVolume) -> MountFlags {
    let options = request.mount_flags.iter().flat_map(|list| list.split(','));
    let flags = staged.flags.with(options.map(str::trim));
    if request.access == Access::ReadOnly || staged.flags.read_only() {
        flags.with(["ro"])
    } else {
        flags
    }
}

fn is_same(mount: &Mount, staged: &Mount) -> bool {
    mount.device == staged.device && mount.root == staged.root
}

/// Whether `mount` shows what was at the staging path before `staged` was mounted over it: a publish that bound that
/// was killed.
fn is_covered(mount: &Mount, staged: &Mount, place: &Place) -> bool {
    let mut top = staged;
    loop {
        let mut mounts = place.table.mounts().iter();
        let Some(below) = mounts.find(|below| below.id == top.parent && below.id != top.id) else {
            return false;
        };
        let Ok(path) = staged.mount_point.strip_prefix(&below.mount_point) else {
            return false;
        };
        if mount.device == below.device && mount.root == below.root.join(path) {
            return true;
        }
        if below.mount_point != staged.mount_point {
            return false;
        }
        top = below;
    }
}

/// The target has the volume already: completes its flags, but makes nothing writable that a pod was
/// given as read-only.
async fn settle(node: &Node, cx: &Context, mount: &Mount, flags: MountFlags) -> Result<(), Error> {
    if mount.flags == flags {
        return Ok(());
    }
    if mount.flags.read_only() && !flags.read_only() {
        let how = "read-only, and is now wanted writable";
        let path = mount.mount_point.clone();
        return Err(PathError::Incompatible { path, how }.into());
    }
    Ok(node.mounts.set_flags(cx, &mount.mount_point, flags).await?)
}

/// Takes away a dead CephFS; anything else at the target is not ours to touch.
async fn clear_dead(node: &Node, cx: &Context, mount: &Mount) -> Result<(), Error> {
    let path = &mount.mount_point;
    if mount.is_cephfs() {
        let probed = node.mounts.probe(&cx.at_most(PROBE), mount).await;
        if matches!(probed, Err(mount::Error::Dead { .. })) {
            tracing::warn!("the mount at `{}` is dead: binding anew", path.display());
            node.mounts.unmount(cx, path, Users::Others).await?;
            return Ok(());
        }
    }
    let found = describe(mount);
    let path = path.clone();
    Err(PathError::Foreign { path, found }.into())
}

/// A ReadWriteOncePod volume may have one target.
async fn check_alone(
    node: &Node,
    cx: &Context,
    request: &PublishVolume,
    staged: &Mount,
) -> Result<(), Error> {
    if request.targets == Targets::Any {
        return Ok(());
    }
    let last = |path: &Path| {
        let parts = path.components().rev().take(TWIN);
        parts
            .map(|part| part.as_os_str().to_owned())
            .collect::<Vec<_>>()
    };
    let table = node.mounts.table(cx).await?;
    let published = table.of_device(&staged.device).find(|mount| {
        is_same(mount, staged) && last(&mount.mount_point) != last(&staged.mount_point)
    });
    match published.map(|mount| mount.mount_point.clone()) {
        Some(path) => Err(PathError::PublishedElsewhere { path }.into()),
        None => Ok(()),
    }
}
