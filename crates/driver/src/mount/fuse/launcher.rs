//! Processes that are about to become clients.
//!
//! To make cgroups and to enter them takes longer than all else that the driver adds to the start of a client. So
//! once a client has mounted, a spare launcher is made that waits in its cgroups for the next one. A client is in
//! its cgroups from its first instruction either way, and no memory of it is the container's. The spare has a socket
//! to the driver and nothing else, and ends with it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ceph::Context;
use rustix::io::Errno;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::super::command::{self, Output, Program, Running};
use super::super::role::{self, Order, OwnProgram};
use super::super::{Error, helper};
use super::cgroup::{self, Cgroups};

/// How long after a mount a spare is made: the volume is published next, and shall not wait for processors.
const REST: Duration = Duration::from_millis(10);

/// How long it may take to make a spare: some milliseconds, if cgroups can be made at all.
const SPARE_LIMIT: Duration = Duration::from_secs(5);

/// Makes launchers.
#[derive(Clone, Debug, Default)]
pub(super) struct Launchers {
    /// The driver's program, which plays the launcher.
    pub(super) own: OwnProgram,
    /// Whose mark the clients have.
    pub(super) owner: String,
    /// Where the clients are.
    pub(super) cgroups: Arc<Cgroups>,
    /// Locked while it is made.
    spare: Arc<Mutex<Option<Launcher>>>,
}

/// A process that becomes a client once it has its order; killed when dropped.
#[derive(Debug)]
struct Launcher {
    running: Running,
    /// Has to be open until the client is there: it shows that somebody waits for it.
    orders: OwnedFd,
    cgroups: Vec<PathBuf>,
}

impl Launchers {
    /// Starts the client of `order`, which mounts at `at`, and waits until it has become a daemon or failed. Where it
    /// cannot enter the cgroups that were made for it, it is better off in the driver's than not there.
    pub(super) async fn launch(
        &self,
        cx: &Context,
        at: &Path,
        order: &Order,
        secret: &SecretString,
    ) -> Result<Output, Error> {
        let spare = timeout(cx.remaining(), self.spare.lock()).await;
        let spare = spare.ok().and_then(|mut spare| spare.take());
        // The cgroups of one that has ended are swept later.
        let launcher = match spare.filter(|spare| order.send(&spare.orders).is_ok()) {
            Some(spare) => spare,
            None => self.launcher(cx).await?.ordered(at, order)?,
        };
        command::note(cx, &order.program, &order.arguments);
        let output = launcher.wait(cx, at, secret).await?;
        if output.status.success() {
            tokio::spawn(self.clone().make_spare());
        }
        if output.status.code() != Some(role::NOT_ENTERED) {
            return Ok(output);
        }
        tracing::warn!(
            "the client of `{}` stays in the driver's cgroup and ends with its container: {}",
            at.display(),
            output.stderr.trim()
        );
        let launcher = self.launcher_in(Vec::new())?.ordered(at, order)?;
        launcher.wait(cx, at, secret).await
    }

    async fn make_spare(self) {
        tokio::time::sleep(REST).await;
        let Ok(mut spare) = self.spare.try_lock() else {
            return;
        };
        if spare.is_none() {
            match self.launcher(&Context::with_timeout(SPARE_LIMIT)).await {
                Ok(launcher) => *spare = Some(launcher),
                Err(error) => tracing::debug!("without a spare launcher: {error}"),
            }
        }
    }

    /// One in cgroups of its own.
    async fn launcher(&self, cx: &Context) -> Result<Launcher, Error> {
        let (call, cgroups) = ("make cgroups in", Arc::clone(&self.cgroups));
        let made = helper::run(cx, call, Path::new(cgroup::ROOT), move || cgroups.make()).await?;
        self.launcher_in(made)
    }

    fn launcher_in(&self, cgroups: Vec<PathBuf>) -> Result<Launcher, Error> {
        let own = self.own.path();
        let (orders, theirs) = Order::channel().map_err(|source| Error::Call {
            call: "make a socket to",
            path: own.clone(),
            source,
        })?;
        let running = Running::start(Program {
            name: own,
            arguments: role::launch(&self.owner, &cgroups),
            stdin: Some(theirs),
            leads_session: true,
        })?;
        Ok(Launcher {
            running,
            orders,
            cgroups,
        })
    }
}

impl Launcher {
    fn ordered(self, at: &Path, order: &Order) -> Result<Self, Error> {
        match order.send(&self.orders) {
            Ok(()) => Ok(self),
            // It has ended, and says why.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::PIPE) => Ok(self),
            Err(source) => Err(Error::Call {
                call: "have a client mount at",
                path: at.to_owned(),
                source,
            }),
        }
    }

    async fn wait(self, cx: &Context, at: &Path, secret: &SecretString) -> Result<Output, Error> {
        let output = self.running.wait(cx, secret).await?;
        let cgroups = self.cgroups;
        if !output.status.success() && !cgroups.is_empty() {
            // No daemon is in them. What cannot be removed now is swept later.
            let remove = move || cgroups.iter().map(std::fs::remove_dir).for_each(drop);
            drop(helper::run(cx, "remove the cgroups of", at, remove).await);
        }
        Ok(output)
    }
}
