//! How a driver is made known to the kubelet, by the flags of node-driver-registrar.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::flags::Flags;
use super::super::{Endpoint, Error};
use super::check::{self, longer_than_zero};
use super::{Role, some};

/// Values of `--mode`.
pub(in super::super) const REGISTER: &str = "registration";
const PROBE: &str = "kubelet-registration-probe";

/// How a driver is made known to the kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationSettings {
    /// Path of the CSI socket on the host, where the kubelet connects.
    pub kubelet_path: String,
    /// The kubelet's directory `plugins_registry`, as mounted for this process.
    pub directory: PathBuf,
}

/// `--type=registrar`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrarSettings {
    /// The socket of the driver, which is asked for its name.
    pub driver: Endpoint,
    /// Time for one attempt to ask.
    pub timeout: Duration,
    /// What to tell the kubelet.
    pub registration: RegistrationSettings,
    /// `<host>:<port>` on which to answer health checks, `None` for nowhere.
    pub health: Option<String>,
}

impl RegistrationSettings {
    /// `None` if the flags do not ask for it.
    pub(super) fn new(flags: &Flags) -> Result<Option<Self>, Error> {
        let Some(kubelet_path) = some(&flags.kubelet_registration_path) else {
            return Ok(None);
        };
        absolute("kubelet-registration-path", &kubelet_path)?;
        absolute("plugin-registration-path", &flags.plugin_registration_path)?;
        Ok(Some(Self {
            kubelet_path,
            directory: flags.plugin_registration_path.clone().into(),
        }))
    }
}

/// The role of `--type=registrar`.
pub(super) fn role(flags: &Flags) -> Result<Role, Error> {
    let Some(registration) = RegistrationSettings::new(flags)? else {
        return Err(Error::Settings(
            "--kubelet-registration-path is missing; give it the path of the CSI socket on the host, such as \
             /var/lib/kubelet/plugins/cephfs.csi.ceph.com/csi.sock"
                .to_owned(),
        ));
    };
    match flags.mode.as_str() {
        REGISTER => Ok(Role::Registrar(RegistrarSettings {
            driver: driver(&flags.csi_address)?,
            timeout: longer_than_zero("timeout", flags.timeout)?,
            registration,
            health: health(flags)?,
        })),
        PROBE => Ok(Role::RegistrationProbe(registration)),
        other => {
            let reason = format!("it must be `{REGISTER}` or `{PROBE}`");
            Err(check::bad("mode", other, &reason))
        }
    }
}

/// `--csi-address`: a path, or what `--endpoint` takes.
fn driver(address: &str) -> Result<Endpoint, Error> {
    if Path::new(address).is_absolute() {
        return Ok(Endpoint::Unix(address.into()));
    }
    Endpoint::parse(address).map_err(|reason| {
        let reason = format!("it is no absolute path, and as an endpoint {reason}");
        check::bad("csi-address", address, &reason)
    })
}

fn health(flags: &Flags) -> Result<Option<String>, Error> {
    match (flags.health_port, flags.http_endpoint.as_str()) {
        (0, "") => Ok(None),
        (port, "") => Ok(Some(format!("[::]:{port}"))),
        (0, address) => check::http_address("http-endpoint", address).map(Some),
        _ => Err(Error::Settings(
            "--health-port and --http-endpoint exclude each other; keep --http-endpoint".to_owned(),
        )),
    }
}

fn absolute(flag: &str, path: &str) -> Result<(), Error> {
    if Path::new(path).is_absolute() {
        return Ok(());
    }
    Err(check::bad(flag, path, "it must be an absolute path"))
}
