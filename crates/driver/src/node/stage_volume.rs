//! NodeStageVolume: mounts a volume once for all pods of the node.
//!
//! | code | when | what the kubelet does |
//! |---|---|---|
//! | OK | the volume is mounted at the staging path, now or since before | publishes it |
//! | INVALID_ARGUMENT | a field, parameter or secret is missing or makes no sense; a snapshot is to be writable; the staging path is no directory | tries again with back-off |
//! | NOT_FOUND | the subvolume, directory, snapshot or file system is not there | tries again with back-off |
//! | ALREADY_EXISTS | it is mounted there, read-only instead of writable or the reverse | tries again with back-off |
//! | FAILED_PRECONDITION | something else is mounted there; config.json lacks the cluster | tries again with back-off |
//! | PERMISSION_DENIED | Ceph refuses the user, its key or the directory | tries again with back-off |
//! | UNIMPLEMENTED | encrypted volumes | tries again with back-off |
//! | UNAVAILABLE, DEADLINE_EXCEEDED | Ceph does not answer | counts the volume as maybe mounted, and tries again |
//!
//! A repeat after any interruption ends right: a client that was starting is ended first, since nobody
//! waits for it any more, and a dead mount is taken away.
//!
//! A client cannot mount a snapshot. So a volume that shows one takes three steps: the directory is
//! mounted, the snapshot in it is bound over it at the same path, and made read-only. The kubelet is told
//! of success only after the last; a repeat that finds the directory uncovered starts anew, and one that
//! finds it covered takes the last step.

use std::path::Path;
use std::time::Duration;

use ceph::Context;
use csi_proto::v1::{NodeStageVolumeRequest, NodeStageVolumeResponse};

use super::place::describe;
use super::{Node, PathError, recovery, source};
use crate::error::Error;
use crate::mount::{self, Access, CephFs, Fallback, Mount, Mounted, Snapshot, Survey, There};
use crate::request::{self, StageVolume};

/// How long a mount that is there already may take to answer.
const PROBE: Duration = Duration::from_secs(5);

/// What is kept of a deadline for taking away a directory whose snapshot could not be shown.
const CLEAN_UP: Duration = Duration::from_secs(2);

/// Serves the request.
pub(super) async fn run(
    node: &Node,
    cx: &Context,
    request: &NodeStageVolumeRequest,
) -> Result<NodeStageVolumeResponse, Error> {
    let request = StageVolume::parse(request)?;
    let staged = stage(node, cx, &request).await;
    match &staged {
        Ok(fallback) => {
            let fallback = fallback.clone();
            node.known
                .staged(&request.volume, &request.staging, fallback);
            recovery::discard(node, &request.volume).await;
        }
        Err(error) => node.known.failed(&request.volume, error.to_string()),
    }
    staged.map(|_| NodeStageVolumeResponse {})
}

async fn stage(
    node: &Node,
    cx: &Context,
    request: &StageVolume,
) -> Result<Option<Fallback>, Error> {
    let fs = node.ceph_fs(cx, request).await?;
    let Survey { place, starting } = survey(node, cx, &request.staging).await?;
    let mounted = if let Some(mount) = place.mount()
        && already_staged(node, cx, &request.volume, mount, &fs).await?
    {
        tracing::debug!("staged already");
        Mounted {
            device: mount.device.clone(),
            fallback: None,
        }
    } else if place.mount().is_some() || starting {
        mount_anew(node, cx, &fs, &place.path).await?
    } else {
        mount_at(node, cx, &fs, &place.path).await?
    };
    // Should the client die, the volume is mounted again as it is now.
    node.recovery
        .staged(&request.volume, &place.path, &fs, &mounted.device);
    Ok(mounted.fallback)
}

/// Mounts `fs` at `path`, in place of what is dead or half made there.
pub(super) async fn mount_anew(
    node: &Node,
    cx: &Context,
    fs: &CephFs,
    path: &Path,
) -> Result<Mounted, Error> {
    end_half_made(node, cx, path).await?;
    mount_at(node, cx, fs, path).await
}

/// Mounts `fs` at `path`, where nothing is mounted or about to be.
async fn mount_at(node: &Node, cx: &Context, fs: &CephFs, path: &Path) -> Result<Mounted, Error> {
    let Some(snapshot) = &fs.snapshot else {
        return Ok(node.mounts.mount(cx, fs, path).await?);
    };
    let reserve = CLEAN_UP.min(cx.remaining() / 4);
    let limited = cx.at_most(cx.remaining().saturating_sub(reserve));
    let mounted = node.mounts.mount(&limited, fs, path).await?;
    let covered = cover(node, &limited, snapshot, path).await;
    if covered.is_err()
        && let Err(undo) = node.unmount_while(cx, path, Mount::is_cephfs).await
    {
        tracing::error!("cannot undo the mount of `{}`: {undo}", path.display());
    }
    covered.map(|()| mounted)
}

/// Lets `snapshot` be seen in place of the directory that is mounted at `path`.
async fn cover(node: &Node, cx: &Context, snapshot: &Snapshot, path: &Path) -> Result<(), Error> {
    let source = node.mounts.find_snapshot(cx, path, snapshot).await?;
    node.mounts.bind(cx, &source, path, None).await?;
    match node.mounts.table(cx).await?.at(path) {
        Some(mount) if snapshot.is_at(&mount.root) => make_read_only(node, cx, mount).await,
        // Not what we have just bound: somebody else is at it.
        other => {
            let found = other.map_or("nothing".to_owned(), describe);
            let path = path.to_owned();
            Err(PathError::Foreign { path, found }.into())
        }
    }
}

async fn make_read_only(node: &Node, cx: &Context, mount: &Mount) -> Result<(), Error> {
    if mount.flags.read_only() {
        return Ok(());
    }
    let flags = mount.flags.with(["ro"]);
    Ok(node.mounts.set_flags(cx, &mount.mount_point, flags).await?)
}

async fn survey(node: &Node, cx: &Context, staging: &Path) -> Result<Survey, Error> {
    let no_directory = || {
        let why = format!("`{}` is not a directory", staging.display());
        request::Error::invalid("staging_target_path", why)
    };
    let survey = node.mounts.survey(cx, staging).await?;
    let survey = survey.ok_or_else(no_directory)?;
    if matches!(survey.place.there, There::Other | There::Nothing) {
        return Err(no_directory().into());
    }
    Ok(survey)
}

/// Whether `mount` is what `fs` would be. If not it is one of ours, dead or half made, and may go.
async fn already_staged(
    node: &Node,
    cx: &Context,
    volume: &str,
    mount: &Mount,
    fs: &CephFs,
) -> Result<bool, Error> {
    let path = &mount.mount_point;
    let foreign = |found| {
        let path = path.clone();
        Error::from(PathError::Foreign { path, found })
    };
    if !mount.is_cephfs() {
        return Err(foreign(describe(mount)));
    }
    match node.mounts.probe(&cx.at_most(PROBE), mount).await {
        Ok(()) => {}
        Err(mount::Error::Dead { .. }) => {
            tracing::warn!("the mount at `{}` is dead: mounting anew", path.display());
            // Targets that were bound to it are dead, too; the recovery gives them the new one.
            node.recovery.condemn(volume, &node.mounts.table(cx).await?);
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    }
    let serving = node.mounts.serving(cx, mount).await?;
    if let Some(difference) = serving.and_then(|serving| serving.differs_from(fs)) {
        return Err(foreign(difference));
    }
    if let Some(snapshot) = &fs.snapshot {
        // Uncovered: a stage was killed before it had shown the snapshot.
        let covered = snapshot.is_at(&mount.root);
        if covered {
            make_read_only(node, cx, mount).await?;
        }
        return Ok(covered);
    }
    let how = match (source::access(fs, mount), mount.read_only()) {
        (Access::ReadWrite, true) => "read-only, and is now wanted writable",
        (Access::ReadOnly, false) => "writable, and is now wanted read-only",
        _ => return Ok(true),
    };
    let path = path.clone();
    Err(PathError::Incompatible { path, how }.into())
}

/// Ends what a stage left behind that was killed.
async fn end_half_made(node: &Node, cx: &Context, path: &Path) -> Result<(), Error> {
    let table = node.mounts.end_strays(cx, path).await?;
    if !table.at(path).is_some_and(Mount::is_cephfs) {
        return Ok(());
    }
    // It is dead, or uncovered, or had just mounted when its client was ended.
    node.unmount_while(cx, path, Mount::is_cephfs).await
}
