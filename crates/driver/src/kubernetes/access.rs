//! Where the API is, and as whom it is asked.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Error, kubeconfig};

/// Where a pod finds the token of its service account and the certificate of the API.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// From where it is known how to ask the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// As the pod's service account.
    Pod {
        /// From the environment of the pod.
        address: Address,
        /// The directory with `token` and `ca.crt`; [`SERVICE_ACCOUNT`] outside of tests.
        service_account: PathBuf,
    },
    /// As a kubeconfig says: `KUBERNETES_CONFIG_PATH`.
    Kubeconfig(PathBuf),
}

/// A port of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address.
    pub host: String,
    /// Of TCP.
    pub port: u16,
}

/// What a request needs.
pub(super) struct Connection {
    pub(super) address: Address,
    /// Before the paths of all requests; empty, or with a slash at its start and none at its end.
    pub(super) prefix: String,
    /// What its certificate is for, if that is not the host.
    pub(super) server_name: Option<String>,
    /// Who may vouch for it.
    pub(super) roots: RootCertStore,
    /// Bearer token.
    pub(super) token: Option<SecretString>,
    /// The user's certificate, with those that lead to it, and its key.
    pub(super) certificate: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Access {
    /// Reads what a request needs.
    pub(super) fn connection(&self) -> Result<Connection, Error> {
        match self {
            Self::Pod {
                address,
                service_account,
            } => of_pod(address, service_account),
            Self::Kubeconfig(path) => {
                kubeconfig::connection(path).map_err(|reason| Error::Kubeconfig {
                    path: path.clone(),
                    reason,
                })
            }
        }
    }

    /// As whom the API is asked, for people.
    pub(super) fn user(&self) -> &'static str {
        match self {
            Self::Pod { .. } => "the pod's service account",
            Self::Kubeconfig(_) => "the kubeconfig's user",
        }
    }
}

/// Follows the words "the Kubernetes API".
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { address, .. } => write!(f, "at {address}"),
            Self::Kubeconfig(path) => write!(f, "of kubeconfig `{}`", path.display()),
        }
    }
}

/// As a URL has it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.parse() {
            Ok(IpAddr::V6(_)) => write!(f, "[{host}]:{port}"),
            _ => write!(f, "{host}:{port}"),
        }
    }
}

fn of_pod(address: &Address, service_account: &Path) -> Result<Connection, Error> {
    let read = |file: &str| {
        let path = service_account.join(file);
        std::fs::read(&path).map_err(|source| Error::ServiceAccount { path, source })
    };
    let token = read("token")?;
    let roots = roots(&read("ca.crt")?).ok_or_else(|| Error::NoCertificates {
        path: service_account.join("ca.crt"),
    })?;
    let token = String::from_utf8_lossy(&token).trim().to_owned();
    Ok(Connection {
        address: address.clone(),
        prefix: String::new(),
        server_name: None,
        roots,
        token: Some(SecretString::from(token)),
        certificate: None,
    })
}

/// The certificates in `pem`, `None` if there are none that can be used.
pub(super) fn roots(pem: &[u8]) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    let (used, _) = roots.add_parsable_certificates(certificates);
    (used > 0).then_some(roots)
}
