//! NodeStageVolume: mounts a volume once for all pods of the node.
//!
//! | code | when | what the kubelet does |
//! |---|---|---|
//! | OK | the volume is mounted at the staging path, now or since before | publishes it |
//! | INVALID_ARGUMENT | a field, parameter or secret is missing or makes no sense; the staging path is no directory | tries again with back-off |
//! | NOT_FOUND | the subvolume, directory or file system is not there | tries again with back-off |
//! | ALREADY_EXISTS | it is mounted there, read-only instead of writable or the reverse | tries again with back-off |
//! | FAILED_PRECONDITION | something else is mounted there; config.json lacks the cluster | tries again with back-off |
//! | PERMISSION_DENIED | Ceph refuses the user, its key or the directory | tries again with back-off |
//! | UNIMPLEMENTED | encrypted and snapshot-backed volumes | tries again with back-off |
//! | UNAVAILABLE, DEADLINE_EXCEEDED | Ceph does not answer | counts the volume as maybe mounted, and tries again |
//!
//! A repeat after any interruption ends right: a client that was starting is ended first, since nobody
//! waits for it any more, and a dead mount is taken away.

use std::path::Path;
use std::time::Duration;

use ceph::Context;
use csi_proto::v1::{NodeStageVolumeRequest, NodeStageVolumeResponse};

use super::place::describe;
use super::{Node, PathError, source};
use crate::error::Error;
use crate::mount::{self, Access, CephFs, Mount, Place, Users};
use crate::request::{self, StageVolume};

/// How long a mount that is there already may take to answer.
const PROBE: Duration = Duration::from_secs(5);

/// Serves the request.
pub(super) async fn run(
    node: &Node,
    cx: &Context,
    request: &NodeStageVolumeRequest,
) -> Result<NodeStageVolumeResponse, Error> {
    let request = StageVolume::parse(request)?;
    let staged = stage(node, cx, &request).await;
    match &staged {
        Ok(()) => node.known.staged(&request.volume, &request.staging),
        Err(error) => node.known.failed(&request.volume, error.to_string()),
    }
    staged.map(|()| NodeStageVolumeResponse {})
}

async fn stage(node: &Node, cx: &Context, request: &StageVolume) -> Result<(), Error> {
    let fs = node.ceph_fs(cx, request).await?;
    let place = staging_place(node, cx, &request.staging).await?;
    if let Some(mount) = place.mount()
        && already_staged(node, cx, mount, &fs).await?
    {
        tracing::debug!("staged already");
        return Ok(());
    }
    end_half_made(node, cx, &place.path).await?;
    let mounted = node.mounts.mount(cx, &fs, &place.path).await;
    Ok(mounted?)
}

async fn staging_place(node: &Node, cx: &Context, staging: &Path) -> Result<Place, Error> {
    let no_directory = || {
        let why = format!("`{}` is not a directory", staging.display());
        request::Error::invalid("staging_target_path", why)
    };
    let located = node.mounts.locate(cx, staging).await?;
    let place = located.ok_or_else(no_directory)?;
    if place.mount().is_none() {
        match node.mounts.check_dir(cx, &place.path).await {
            Err(mount::Error::NoDirectory { .. }) => return Err(no_directory().into()),
            other => other?,
        }
    }
    Ok(place)
}

/// Whether `mount` is what `fs` would be. A dead mount of it is taken away first.
async fn already_staged(
    node: &Node,
    cx: &Context,
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
    match node.mounts.probe(&cx.at_most(PROBE), path).await {
        Ok(()) => {}
        Err(mount::Error::Dead { .. }) => {
            tracing::warn!("the mount at `{}` is dead: mounting anew", path.display());
            // Targets that were bound to it are dead, too, and go when they are unpublished.
            node.mounts.unmount(cx, path, Users::Others).await?;
            return Ok(false);
        }
        Err(error) => return Err(error.into()),
    }
    let serving = node.mounts.serving(cx, mount).await?;
    if let Some(difference) = serving.and_then(|serving| serving.differs_from(fs)) {
        return Err(foreign(difference));
    }
    let how = match (source::access(fs), mount.read_only()) {
        (Access::ReadWrite, true) => "read-only, and is now wanted writable",
        (Access::ReadOnly, false) => "writable, and is now wanted read-only",
        _ => return Ok(true),
    };
    let path = path.clone();
    Err(PathError::Incompatible { path, how }.into())
}

/// Ends what a stage left behind that was killed.
async fn end_half_made(node: &Node, cx: &Context, path: &Path) -> Result<(), Error> {
    node.mounts.end_strays(cx, path).await?;
    // One that had just mounted when it was ended.
    let table = node.mounts.table(cx).await?;
    if table.at(path).is_some_and(Mount::is_cephfs) {
        node.mounts.unmount(cx, path, Users::Nobody).await?;
    }
    Ok(())
}
