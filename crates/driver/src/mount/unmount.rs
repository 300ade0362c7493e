//! Unmounting, with escalation when the mount is dead or hangs.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use ceph::Context;
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::{Error, helper};

/// How long an ordinary unmount may take. It waits for data to be written back, which a slow cluster
/// should be given time for; the kubelet allows two minutes for the whole RPC.
const ORDINARY: Duration = Duration::from_secs(15);

/// How long a forced or lazy one may take.
const FORCED: Duration = Duration::from_secs(5);

/// A mount can be busy for a moment, when somebody asks how full it is.
const BUSY_ATTEMPTS: usize = 5;
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// Who else may be using the file system of the mount that goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// It is mounted elsewhere as well (a published target): it must go on working there.
    Others,
    /// Nobody (the staging path of a volume that is published nowhere).
    Nobody,
}

/// How a mount was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmounted {
    /// Nothing was mounted there.
    Nothing,
    /// In order.
    Cleanly,
    /// It hung, so its open requests were aborted: data not yet written to Ceph is lost.
    Forced,
    /// It could not be ended, so it was taken out of the file tree; the kernel ends it when the last
    /// process that uses it lets go.
    Detached,
}

/// What has become of a mount that could not be unmounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not mounted any more.
    Gone,
    /// Mounted, and of no use to anybody: its client is gone, or does not answer.
    Broken,
    /// Mounted and in use.
    Alive,
}

/// Tells the state of a mount; called when an attempt to unmount it has failed.
#[async_trait]
pub(super) trait Look: Sync {
    async fn look(&self) -> Result<State, Error>;
}

/// Unmounts what is mounted at `target`.
pub(super) async fn run(
    cx: &Context,
    target: &Path,
    users: Users,
    state: &dyn Look,
) -> Result<Unmounted, Error> {
    let hangs = match ordinary(cx, target, state).await? {
        Attempt::Done => return Ok(Unmounted::Cleanly),
        Attempt::NotMounted => return Ok(Unmounted::Nothing),
        Attempt::Busy => false,
        Attempt::Hangs => true,
    };
    if hangs && state.look().await? == State::Gone {
        // Out of the file tree; the kernel still waits for the cluster behind the scenes.
        return Ok(Unmounted::Detached);
    }
    // Aborting the connection would end it for the other mounts of the volume as well.
    if hangs && users == Users::Nobody {
        let (call, flags) = ("force the unmount of", UnmountFlags::FORCE);
        if let Attempt::Done | Attempt::NotMounted =
            attempt(cx, target, call, flags, FORCED).await?
        {
            tracing::warn!(
                "unmounted the hanging mount `{}` by force",
                target.display()
            );
            return Ok(Unmounted::Forced);
        }
    }
    match attempt(cx, target, "detach", UnmountFlags::DETACH, FORCED).await? {
        Attempt::Hangs | Attempt::Busy => Err(in_use(target)),
        Attempt::Done | Attempt::NotMounted => {
            tracing::warn!("detached the dead or hanging mount `{}`", target.display());
            Ok(Unmounted::Detached)
        }
    }
}

/// Unmounts without force. [`Attempt::Busy`] only if the mount is broken: a process of a pod that was
/// killed may sleep in it for ever.
async fn ordinary(cx: &Context, target: &Path, state: &dyn Look) -> Result<Attempt, Error> {
    for _ in 0..BUSY_ATTEMPTS {
        match attempt(cx, target, "unmount", UnmountFlags::empty(), ORDINARY).await? {
            Attempt::Busy => match state.look().await? {
                State::Gone => return Ok(Attempt::Done),
                State::Broken => return Ok(Attempt::Busy),
                State::Alive => tokio::time::sleep(BUSY_PAUSE.min(cx.remaining())).await,
            },
            other => return Ok(other),
        }
    }
    Err(in_use(target))
}

fn in_use(target: &Path) -> Error {
    Error::InUse {
        path: target.to_owned(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Done,
    NotMounted,
    Busy,
    Hangs,
}

async fn attempt(
    cx: &Context,
    target: &Path,
    call: &'static str,
    flags: UnmountFlags,
    limit: Duration,
) -> Result<Attempt, Error> {
    // Half of what is left, so that there is time for the next step.
    let cx = cx.at_most(limit.min(cx.remaining() / 2));
    let path = target.to_owned();
    let flags = flags | UnmountFlags::NOFOLLOW;
    let done = helper::run(&cx, call, target, move || {
        rustix::mount::unmount(&path, flags)
    })
    .await;
    match done {
        Ok(Ok(())) => Ok(Attempt::Done),
        Ok(Err(Errno::INVAL | Errno::NOENT)) => Ok(Attempt::NotMounted),
        Ok(Err(Errno::BUSY)) => Ok(Attempt::Busy),
        Ok(Err(errno)) => Err(Error::Call {
            call,
            path: target.to_owned(),
            source: errno.into(),
        }),
        Err(Error::Hangs { .. }) => Ok(Attempt::Hangs),
        Err(error) => Err(error),
    }
}
