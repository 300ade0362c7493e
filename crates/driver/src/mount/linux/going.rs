//! A mount that goes, and its client.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use ceph::Context;
use rustix::process::{Pid, WaitOptions};

use super::super::unmount::{Look, State};
use super::super::{Error, Mount, Mounts as _};
use super::{Linux, PROBE};

/// How long the end of a client is watched after its mount has gone. It first gives its
/// capabilities back, which takes two or three seconds on a healthy cluster.
const FAREWELL: Duration = Duration::from_mins(1);

/// A mount that is to go.
pub(super) struct Going<'a> {
    pub(super) linux: &'a Linux,
    pub(super) cx: &'a Context,
    pub(super) mount: &'a Mount,
}

#[async_trait]
impl Look for Going<'_> {
    async fn look(&self) -> Result<State, Error> {
        let Self { linux, cx, mount } = self;
        let table = linux.table(cx).await?;
        let present = table.at(&mount.mount_point);
        if present.is_none_or(|present| present.id != mount.id) {
            return Ok(State::Gone);
        }
        // A client can hang for some questions, and answer others from what it knows.
        if linux.questions.sleep_in(&mount.device, &table) {
            return Ok(State::Hangs);
        }
        // A question that is still open counts: it keeps the mount busy, and nobody else may.
        let probed = linux.probe(&cx.at_most(PROBE), mount).await;
        Ok(State::of(&probed))
    }

    fn writes_through(&self) -> bool {
        self.mount.is_fuse()
    }
}

/// Watches a client that lost its mount until it has ended, and reaps it if it is the driver's child:
/// in a container without an init process it becomes that.
pub(super) async fn see_off(process: i32) {
    let Some(pid) = Pid::from_raw(process) else {
        return;
    };
    let start = Instant::now();
    while start.elapsed() < FAREWELL {
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        if rustix::process::test_kill_process(pid).is_err() {
            tracing::debug!(process, "the client of an unmounted volume has ended");
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tracing::warn!(
        process,
        "the client of an unmounted volume has not ended after {} s: it waits for its Ceph cluster",
        FAREWELL.as_secs()
    );
}
