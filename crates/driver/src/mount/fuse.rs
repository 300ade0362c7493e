//! Mounting with ceph-fuse.

pub(super) mod daemon;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ceph::Context;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::command::{self, Output, Program};
use super::failure::{Cause, Failure, Said};
use super::{CephFs, Error, Mounter, MounterKind, key_file, monitors};
use crate::ceph_conf::CephConf;

#[cfg(test)]
mod tests;

const CLIENT: &str = "ceph-fuse";

/// Asking a client for its version takes a few hundredths of a second.
const VERSION_LIMIT: Duration = Duration::from_secs(5);

/// The mounter that starts one ceph-fuse for each mount.
#[derive(Debug)]
pub struct Fuse {
    program: PathBuf,
    conf: Arc<CephConf>,
    works: OnceCell<()>,
}

impl Fuse {
    /// `program` is ceph-fuse, `conf` the ceph.conf that the daemons read, written if it is absent.
    pub fn new(program: impl Into<PathBuf>, conf: Arc<CephConf>) -> Self {
        Self {
            program: program.into(),
            conf,
            works: OnceCell::new(),
        }
    }

    /// The command line of the original, but for the key, which is in no file, and for what a daemon
    /// would otherwise leave behind in the file system: its admin socket and its log.
    fn arguments(conf: PathBuf, fs: &CephFs, at: &Path, patience: Duration) -> Vec<OsString> {
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
        // The stock value is five minutes. Ending by itself leaves the client time to say why.
        let patience = patience.as_secs().saturating_sub(1).max(1);
        arguments.push(format!("--client_mount_timeout={patience}").into());
        arguments
    }

    fn program(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<Program, Error> {
        let key = key_file::in_memory(&fs.key).map_err(|source| Error::Call {
            call: "put a key into memory to mount",
            path: at.to_owned(),
            source,
        })?;
        let mut arguments = Self::arguments(self.conf.for_fuse()?, fs, at, cx.remaining());
        let mut name = self.program.clone();
        if let Some(namespace) = &fs.net_namespace {
            let mut enter = OsString::from("--net=");
            enter.push(namespace);
            arguments.splice(0..0, [enter, "--".into(), name.into()]);
            name = "nsenter".into();
        }
        Ok(Program {
            name,
            arguments,
            stdin: Some(key),
            secret: fs.key.clone(),
        })
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
                secret: SecretString::default(),
            };
            match command::run(&cx, program).await {
                Ok(output) if output.status.success() => Ok(()),
                Ok(output) => Err(format!("`{CLIENT} --version`: {}", output.stderr.trim())),
                Err(error) => Err(error.to_string()),
            }
        });
        works.await.err()
    }

    async fn mount(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<(), Error> {
        let Output { status, stderr } = command::run(cx, self.program(cx, fs, at)?).await?;
        if status.success() {
            return Ok(());
        }
        let cause = match Said::read(&stderr) {
            Said::Cause(cause) => cause,
            // In another network namespace a connection of ours would prove nothing.
            Said::NoSession if fs.net_namespace.is_some() => Cause::Unreachable,
            Said::NoSession if monitors::any_reachable(cx, &fs.monitors).await => Cause::Rejected,
            Said::NoSession => Cause::Unreachable,
        };
        Err(Error::Failure(Box::new(Failure::new(
            CLIENT, cause, fs, &stderr,
        ))))
    }
}
