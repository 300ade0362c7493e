//! Unmounting, with escalation when the mount is dead or hangs.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use ceph::Context;
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::{Error, helper, probe};

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
    /// It was dead or hung, so its open requests were aborted: data not yet written to Ceph is lost.
    Forced,
    /// It could not be ended, so it was taken out of the file tree; the kernel ends it when the last
    /// process that uses it lets go.
    Detached,
}

/// What has become of a mount that is to be unmounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not mounted any more.
    Gone,
    /// Mounted, and of no use to anybody ever: its client is gone, or was shut out by its cluster.
    Dead,
    /// Mounted, and its client does not answer, or with errors alone.
    Hangs,
    /// Mounted and in use.
    Alive,
}

impl State {
    /// What the answer of a mount to a question tells of it.
    pub(super) fn of(answer: &Result<(), Error>) -> Self {
        match answer {
            Err(Error::Dead { source, .. }) if probe::is_final(source) => Self::Dead,
            // What it is dead of may pass for those who use it.
            Err(Error::Dead { .. } | Error::Hangs { .. }) => Self::Hangs,
            _ => Self::Alive,
        }
    }

    fn is_broken(self) -> bool {
        matches!(self, Self::Dead | Self::Hangs)
    }
}

/// Tells the state of a mount.
#[async_trait]
pub(super) trait Look: Sync {
    async fn look(&self) -> Result<State, Error>;

    /// Whether aborting its open requests loses nothing but them: what was written is with its client, and
    /// not in the kernel's memory.
    fn writes_through(&self) -> bool;
}

/// Unmounts what is mounted at `target`.
pub(super) async fn run(
    cx: &Context,
    target: &Path,
    users: Users,
    state: &dyn Look,
) -> Result<Unmounted, Error> {
    let can_abort = state.writes_through();
    // An unmount would leave those who sleep in the file system by another way: our own questions about a
    // target that was detached, for one.
    let abort = if can_abort && users == Users::Nobody && state.look().await?.is_broken() {
        true
    } else {
        match ordinary(cx, target, state).await? {
            Stopped::Unmounted(how) => return Ok(how),
            Stopped::InUse(State::Dead) => can_abort,
            Stopped::InUse(_) => false,
            Stopped::Hangs if state.look().await? == State::Gone => {
                // Out of the file tree; the kernel still waits for the cluster behind the scenes.
                return Ok(Unmounted::Detached);
            }
            Stopped::Hangs => users == Users::Nobody,
        }
    };
    // That ends it for the other mounts of the volume as well.
    if abort {
        let (call, flags) = ("force the unmount of", UnmountFlags::FORCE);
        if let Attempt::Done | Attempt::NotMounted =
            attempt(cx, target, call, flags, FORCED).await?
        {
            tracing::warn!(
                "unmounted the dead or hanging mount `{}` by force",
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

/// What an unmount without force ends at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopped {
    Unmounted(Unmounted),
    /// The mount is broken like this, and in use: a process of a pod that was killed may sleep in it for ever.
    InUse(State),
    /// The unmount itself hangs.
    Hangs,
}

async fn ordinary(cx: &Context, target: &Path, state: &dyn Look) -> Result<Stopped, Error> {
    for _ in 0..BUSY_ATTEMPTS {
        match attempt(cx, target, "unmount", UnmountFlags::empty(), ORDINARY).await? {
            Attempt::Busy => match state.look().await? {
                State::Gone => return Ok(Stopped::Unmounted(Unmounted::Cleanly)),
                broken @ (State::Dead | State::Hangs) => return Ok(Stopped::InUse(broken)),
                State::Alive => tokio::time::sleep(BUSY_PAUSE.min(cx.remaining())).await,
            },
            Attempt::Done => return Ok(Stopped::Unmounted(Unmounted::Cleanly)),
            Attempt::NotMounted => return Ok(Stopped::Unmounted(Unmounted::Nothing)),
            Attempt::Hangs => return Ok(Stopped::Hangs),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_for_its_users_is_no_death() {
        let dead = |errno: Errno| {
            Err(Error::Dead {
                path: "/m".into(),
                source: errno.into(),
            })
        };
        assert_eq!(State::of(&dead(Errno::NOTCONN)), State::Dead);
        assert_eq!(State::of(&dead(Errno::SHUTDOWN)), State::Dead);
        assert_eq!(State::of(&dead(Errno::ACCESS)), State::Hangs);
        let hangs = Err(Error::Hangs {
            call: "stat",
            path: "/m".into(),
            waited: Duration::ZERO,
        });
        assert_eq!(State::of(&hangs), State::Hangs);
        assert_eq!(State::of(&Ok(())), State::Alive);
    }
}
