//! Mounting with the kernel's own CephFS client, by mount(2).
//!
//! What mount.ceph does is done here: monitors are looked up, options sorted, the key put into a keyring.
//! So there is no program to install, no key in a file or an argument, and an error that says why.

mod arguments;
mod call;
mod clients;
mod lent_key;
mod log;
mod module;
mod refusal;
mod version;

use std::path::Path;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ceph::Context;
use ceph::monitors::Monitors;
use secrecy::{ExposeSecret as _, SecretSlice};

use self::arguments::Options;
use self::call::Attempt;
use self::clients::Clients;
use super::failure::{Cause, Failure};
use super::probe::OpenQuestions;
use super::{CephFs, Error, Liveness, Mount, MountTable, Mounter, MounterKind, Witness};

/// What messages call it.
const CLIENT: &str = "the kernel client";

/// The mounter that uses the kernel's client.
#[derive(Debug)]
pub struct Kernel {
    forced: bool,
    clients: Clients,
    witness: Option<Witness>,
}

impl Kernel {
    /// With `forced` it is used on kernels, too, that do not know the quotas of today's Ceph.
    pub fn new(forced: bool) -> Self {
        Self {
            forced,
            clients: Clients::new(),
            witness: None,
        }
    }

    /// Asks `witness` about mounts that fail for no reason that could be read.
    #[must_use]
    pub fn with_witness(self, witness: Witness) -> Self {
        let witness = Some(witness);
        Self { witness, ..self }
    }

    /// What stands behind `cause`, where the kernel's client does not tell.
    async fn look_behind(&self, cx: &Context, fs: &CephFs, cause: Cause) -> Cause {
        match (&self.witness, cause) {
            (Some(witness), Cause::NoMds | Cause::NoSession) => {
                witness.cause(cx, fs).await.unwrap_or(cause)
            }
            _ => cause,
        }
    }
}

#[async_trait]
impl Mounter for Kernel {
    fn kind(&self) -> MounterKind {
        MounterKind::Kernel
    }

    async fn lacks(&self) -> Option<String> {
        let release = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        if !self.forced && !version::knows_quotas(&release) {
            return Some(format!(
                "the kernel is {release}, and volumes have a limit only from 4.17 on \
                 (--forcecephkernelclient uses it all the same)"
            ));
        }
        module::load(&release).await.err()
    }

    fn ask_among(&mut self, open: &OpenQuestions) {
        self.clients.ask_among(open);
    }

    async fn liveness(&self, cx: &Context, at: &Mount) -> Result<Liveness, Error> {
        self.clients.liveness(cx, at).await
    }

    fn retain(&self, mounts: &[Mount]) {
        self.clients.retain(mounts);
    }

    async fn mount(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<MountTable, Error> {
        let options = Options::read(fs)?;
        let failure =
            |cause, said: &str| Error::Failure(Box::new(Failure::new(CLIENT, cause, fs, said)));
        let key = STANDARD.decode(fs.key.expose_secret().trim());
        let key = key.map_err(|_| failure(Cause::BadKey, ""))?;
        let monitors = Monitors::parse(&fs.monitors);
        let monitors = monitors.map_err(|error| failure(Cause::BadMonitors, &error.to_string()))?;
        let attempt = Attempt {
            monitors,
            root: fs.root.clone(),
            options,
            user: fs.user.clone(),
            key: SecretSlice::from(key),
            net_namespace: fs.net_namespace.clone(),
            at: at.to_owned(),
        };
        match call::run(cx, attempt).await? {
            Ok(table) => table,
            Err(refusal) => {
                let (cause, said) = refusal.explain(cx, fs).await?;
                let cause = self.look_behind(cx, fs, cause).await;
                Err(failure(cause, &said))
            }
        }
    }
}
