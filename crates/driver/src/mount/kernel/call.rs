//! mount(2), on a thread that can be left behind.
//!
//! What belongs to a mount belongs to this thread alone: the network namespace in which it looks monitors
//! up and mounts, and the key. It ends with all of that. A mount that comes after its deadline is taken
//! away again by the thread itself, since nobody waits for it any more.

use std::ffi::CString;
use std::path::PathBuf;
use std::time::Instant;

use ceph::Context;
use ceph::monitors::Monitors;
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::super::{Error, MountTable, mounter, net_namespace, path};
use super::arguments::Options;
use super::lent_key::LentKey;
use super::log::KernelLog;
use super::refusal::Refusal;

/// Looking names up takes more of it than system calls do.
const STACK: usize = 1024 * 1024;

/// What the step is called.
const CALL: &str = "mount a CephFS at";

/// All that one mount needs.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) monitors: Monitors,
    pub(super) root: String,
    pub(super) options: Options,
    pub(super) user: String,
    /// The cephx key, decoded.
    pub(super) key: SecretSlice<u8>,
    pub(super) net_namespace: Option<PathBuf>,
    pub(super) at: PathBuf,
}

/// What is mounted once it has mounted, or why the kernel refused.
type Outcome = Result<Result<MountTable, Error>, Refusal>;

/// Mounts.
///
/// # Errors
/// [`Error::Hangs`] if it has not ended by the deadline.
pub(super) async fn run(cx: &Context, attempt: Attempt) -> Result<Outcome, Error> {
    let (started, at) = (Instant::now(), attempt.at.clone());
    cx.step(CALL, format!("{CALL} `{}`", at.display()));
    let (sender, answer) = oneshot::channel();
    let seconds = mounter::patience(cx);
    let thread = std::thread::Builder::new()
        .name("mount".to_owned())
        .stack_size(STACK);
    let spawned = thread.spawn(move || {
        // The table is read here as well: one thread less to start.
        let done = attempt.run(seconds).map(|()| MountTable::read());
        if let Err(Ok(_)) = sender.send(done) {
            tracing::warn!(
                "the mount at `{}` came after its deadline: taking it away",
                attempt.at.display()
            );
            let _ = rustix::mount::unmount(&attempt.at, UnmountFlags::DETACH);
        }
    });
    spawned.map_err(|source| Error::Call {
        call: "start a thread to mount",
        path: at.clone(),
        source,
    })?;
    match timeout_at(cx.deadline().into(), answer).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) | Err(_) => Err(Error::Hangs {
            call: CALL,
            path: at,
            waited: started.elapsed(),
        }),
    }
}

impl Attempt {
    /// Mounts within `seconds`, on the calling thread, which has to end afterwards.
    fn run(&self, seconds: u64) -> Result<(), Refusal> {
        if let Some(namespace) = &self.net_namespace {
            net_namespace::enter(namespace).map_err(Refusal::NetNamespace)?;
        }
        let unresolved = |error: ceph::monitors::Error| Refusal::Monitors(error.to_string());
        let monitors = self.monitors.resolve().map_err(unresolved)?;
        let name = format!("client.{}", self.user);
        let arguments = self
            .options
            .arguments(&monitors, &self.root, &self.user, &name, seconds)
            .map_err(Refusal::Options)?;
        let data = CString::new(arguments.data)
            .map_err(|_| Refusal::Options("the mount options contain a zero byte".to_owned()))?;
        let log = KernelLog::from_here();
        let _key = LentKey::new(&name, self.key.expose_secret()).map_err(Refusal::Key)?;
        // mount(2) follows a link, so one put there would have the mount made elsewhere.
        if path::is_symlink(&self.at).unwrap_or(false) {
            return Err(Refusal::call(Errno::NOTDIR, Vec::new()));
        }
        rustix::mount::mount(
            arguments.source.as_str(),
            &self.at,
            "ceph",
            self.options.flags,
            data.as_c_str(),
        )
        .map_err(|errno| Refusal::call(errno, log.lines(&arguments.source)))
    }
}
