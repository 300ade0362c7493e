//! Mounting with ceph-fuse.

mod cgroup;
mod clients;
pub(super) mod daemon;
mod launcher;
mod leftovers;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ceph::Context;
use tokio::sync::OnceCell;

use super::command::{self, Output, Program};
use super::failure::{Cause, Failure, Said};
use super::role::{Order, OwnProgram};
use super::{
    CephFs, Error, Liveness, Mount, MountTable, Mounter, MounterKind, Witness, helper, key_file,
    monitors, mounter,
};
use crate::ceph_conf::CephConf;

pub use cgroup::CgroupSettings;
use cgroup::Cgroups;
use clients::Clients;
use launcher::Launchers;
use leftovers::Leftovers;

#[cfg(test)]
mod tests;

const CLIENT: &str = "ceph-fuse";

/// Asking a client for its version takes a few hundredths of a second.
const VERSION_LIMIT: Duration = Duration::from_secs(5);

/// The mounter that starts one ceph-fuse for each mount.
///
/// The daemons are nobody's children, and in no session, process group or cgroup of the driver's: they
/// serve on while it is stopped, killed or replaced, and the next driver finds them by their command lines.
#[derive(Debug)]
pub struct Fuse {
    program: PathBuf,
    conf: Arc<CephConf>,
    launchers: Launchers,
    clients: Arc<Clients>,
    leftovers: Arc<Leftovers>,
    witness: Option<Witness>,
    works: OnceCell<()>,
}

impl Fuse {
    /// `program` is ceph-fuse, `conf` the ceph.conf that the daemons read, written if it is absent.
    /// The daemons are in cgroups of the driver's until [`Fuse::with_cgroups`] says otherwise.
    pub fn new(program: impl Into<PathBuf>, conf: Arc<CephConf>) -> Self {
        Self {
            program: program.into(),
            conf,
            launchers: Launchers::default(),
            clients: Arc::default(),
            leftovers: Arc::default(),
            witness: None,
            works: OnceCell::new(),
        }
    }

    /// Starts the daemons through the driver's program `own`, which need not be the running one.
    #[must_use]
    pub fn with_own_program(mut self, own: OwnProgram) -> Self {
        self.launchers.own = own;
        self
    }

    /// Marks the daemons as those of `owner`, which distinguishes the driver from others on this node.
    #[must_use]
    pub fn owned_by(mut self, owner: String) -> Self {
        self.launchers.owner = owner;
        self
    }

    /// Asks `witness` about mounts that take long.
    #[must_use]
    pub fn with_witness(self, witness: Witness) -> Self {
        let witness = Some(witness);
        Self { witness, ..self }
    }

    /// Gives each daemon cgroups of its own, and removes those that daemons have left.
    #[must_use]
    pub fn with_cgroups(mut self, settings: CgroupSettings) -> Self {
        let cgroups = Cgroups::new(settings);
        cgroups.sweep(Duration::ZERO);
        self.launchers.cgroups = Arc::new(cgroups);
        self
    }

    /// The command line of the original, but for the key, which is in no file, and for what a daemon
    /// would otherwise leave behind in the file system: its admin socket and its log.
    fn arguments(conf: PathBuf, fs: &CephFs, at: &Path, patience: u64) -> Vec<OsString> {
        let mut options = "nonempty".to_owned();
        for option in fs.fuse_options.iter() {
            options = options + "," + option;
        }
        let mut arguments: Vec<OsString> = vec![
            at.into(),
            "-m".into(),
            fs.monitors.clone().into(),
            "-c".into(),
            conf.into(),
            "-n".into(),
            format!("client.{}", fs.user).into(),
            format!("--keyfile={}", key_file::ON_STDIN).into(),
            "-r".into(),
            fs.root.clone().into(),
            "-o".into(),
            options.into(),
        ];
        if let Some(name) = &fs.name {
            arguments.push(format!("--client_mds_namespace={name}").into());
        }
        arguments.extend(["--admin_socket=".into(), "--log_file=".into()]);
        // The stock value is five minutes.
        arguments.push(format!("--client_mount_timeout={patience}").into());
        arguments
    }

    /// What the client is.
    fn order(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<Order, Error> {
        let key = key_file::in_memory(&fs.key).map_err(|source| Error::Call {
            call: "put a key into memory to mount",
            path: at.to_owned(),
            source,
        })?;
        let mut arguments = Self::arguments(self.conf.for_fuse()?, fs, at, mounter::patience(cx));
        let mut program = self.program.clone();
        if let Some(namespace) = &fs.net_namespace {
            let mut enter = OsString::from("--net=");
            enter.push(namespace);
            arguments.splice(0..0, [enter, "--".into(), program.into()]);
            program = "nsenter".into();
        }
        Ok(Order {
            program,
            arguments,
            stdin: key,
        })
    }

    /// Runs the client until it has become a daemon or failed.
    async fn launch(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<Output, Error> {
        let order = self.order(cx, fs, at)?;
        self.launchers.launch(cx, at, &order, &fs.key).await
    }

    /// Why the client will not mount, once it takes long and there is somebody else to ask.
    async fn suspicion(&self, cx: &Context, fs: &CephFs) -> Cause {
        match &self.witness {
            Some(witness) => witness.suspicion(cx, fs).await,
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Mounter for Fuse {
    fn kind(&self) -> MounterKind {
        MounterKind::Fuse
    }

    async fn lacks(&self) -> Option<String> {
        // Only a success is remembered: what is missing can be put there while the driver runs.
        let works = self.works.get_or_try_init(|| async {
            if let Err(error) = std::fs::metadata("/dev/fuse") {
                return Err(format!("cannot find /dev/fuse: {error}"));
            }
            let cx = Context::with_timeout(VERSION_LIMIT);
            let program = Program {
                name: self.program.clone(),
                arguments: vec!["--version".into()],
                stdin: None,
                leads_session: false,
            };
            match command::run(&cx, program).await {
                Ok(output) if output.status.success() => Ok(()),
                Ok(output) => Err(format!("`{CLIENT} --version`: {}", output.stderr.trim())),
                Err(error) => Err(error.to_string()),
            }
        });
        works.await.err()
    }

    async fn liveness(&self, cx: &Context, at: &Mount) -> Result<Liveness, Error> {
        let (clients, mount) = (Arc::clone(&self.clients), at.clone());
        let look = move || clients.liveness(&mount);
        helper::run(cx, "look for the client of", &at.mount_point, look).await
    }

    fn retain(&self, mounts: &[Mount]) {
        self.clients.retain(mounts);
    }

    async fn end_leftovers(&self, cx: &Context, grace: Duration) -> Result<(), Error> {
        let (leftovers, owner) = (Arc::clone(&self.leftovers), self.launchers.owner.clone());
        let cgroups = Arc::clone(&self.launchers.cgroups);
        let end = move || {
            leftovers.end(&owner, grace);
            cgroups.sweep(grace);
        };
        helper::run(cx, "look at the clients in", Path::new("/proc"), end).await
    }

    async fn mount(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<MountTable, Error> {
        let failure =
            |cause, said: &str| Error::Failure(Box::new(Failure::new(CLIENT, cause, fs, said)));
        let Output { status, stderr } = tokio::select! {
            biased;
            launched = self.launch(cx, fs, at) => launched?,
            // Who waits no longer for a client ends it.
            cause = self.suspicion(cx, fs) => return Err(failure(cause, "")),
        };
        if status.success() {
            return MountTable::read_by(cx).await;
        }
        let cause = match Said::read(&stderr) {
            Said::Cause(cause) => cause,
            // In another network namespace a connection of ours would prove nothing.
            Said::NoSession if fs.net_namespace.is_some() => Cause::Unreachable,
            Said::NoSession if monitors::any_reachable(cx, &fs.monitors).await => Cause::Rejected,
            Said::NoSession => Cause::Unreachable,
        };
        Err(failure(cause, &stderr))
    }
}
