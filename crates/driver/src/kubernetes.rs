//! The Kubernetes API, as far as it is used: reading a Secret as the pod's service account.

mod https;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ceph::Context;
use secrecy::SecretString;
use serde::Deserialize;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::config::SecretRef;
use crate::credentials::Secrets;
use https::{Answer, Request};

/// Where a pod finds the token of its service account and the certificate of the API.
pub const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Why a Secret could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the service account cannot be read.
    #[error("`{}` cannot be read; the pod needs a service account whose token is mounted", path.display())]
    ServiceAccount {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file with the certificates of the API has none that can be used.
    #[error("`{}` has no certificate in PEM form", path.display())]
    NoCertificates {
        /// The file.
        path: PathBuf,
    },
    /// The reference to the Secret lacks a part.
    #[error("`{name}` has no namespace; set `namespace` beside `name` in config.json")]
    NoNamespace {
        /// Name of the Secret.
        name: String,
    },
    /// The API did not answer, or is not what it should be.
    #[error("the Kubernetes API at {authority} cannot be asked")]
    Unreachable {
        /// Address and port.
        authority: String,
        /// Why.
        source: https::Error,
    },
    /// No answer before the deadline.
    #[error("the Kubernetes API at {authority} did not answer in time")]
    TimedOut {
        /// Address and port.
        authority: String,
    },
    /// The service account may not read the Secret.
    #[error(
        "the pod's service account may not read it (HTTP {status}); give its role the verb `get` on \
         this Secret"
    )]
    Forbidden {
        /// HTTP status.
        status: u16,
    },
    /// There is no such Secret.
    #[error("there is no such Secret")]
    Absent,
    /// The API failed.
    #[error("the Kubernetes API answered with HTTP {status}")]
    Failed {
        /// HTTP status.
        status: u16,
    },
    /// The answer is no Secret.
    #[error("the answer of the Kubernetes API is not a Secret with text values")]
    BadAnswer,
}

/// Where the API is; from the environment of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `KUBERNETES_SERVICE_HOST`: a name or an address.
    pub host: String,
    /// `KUBERNETES_SERVICE_PORT`.
    pub port: u16,
}

/// The API, asked as the pod's service account.
#[derive(Debug)]
pub struct Api {
    address: Address,
    service_account: PathBuf,
}

impl Api {
    /// The API at `address`; `service_account` is the directory with `token` and `ca.crt`, which are read
    /// for each request, as tokens expire.
    pub fn new(address: Address, service_account: impl Into<PathBuf>) -> Self {
        Self {
            address,
            service_account: service_account.into(),
        }
    }

    /// The values of a Secret.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn secret(&self, cx: &Context, secret: &SecretRef) -> Result<Secrets, Error> {
        let SecretRef { name, namespace } = secret;
        if namespace.is_empty() {
            return Err(Error::NoNamespace { name: name.clone() });
        }
        let token = self.read("token")?;
        let token = String::from_utf8_lossy(&token).trim().to_owned();
        let path = format!(
            "/api/v1/namespaces/{}/secrets/{}",
            escaped(namespace),
            escaped(name)
        );
        let request = Request {
            address: &self.address,
            roots: self.roots()?,
            path: &path,
            token: SecretString::from(token),
        };
        cx.step(format!("Kubernetes API: get secret `{namespace}/{name}`"));
        let answer = tokio::time::timeout_at(cx.deadline().into(), https::get(request)).await;
        let answer = answer.map_err(|_| self.timed_out())?;
        let answer = answer.map_err(|source| Error::Unreachable {
            authority: https::authority(&self.address),
            source,
        })?;
        read_answer(&answer)
    }

    /// The error of a request that was not answered before the deadline.
    pub(crate) fn timed_out(&self) -> Error {
        let authority = https::authority(&self.address);
        Error::TimedOut { authority }
    }

    fn roots(&self) -> Result<RootCertStore, Error> {
        let pem = self.read("ca.crt")?;
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
        let (used, _) = roots.add_parsable_certificates(certificates);
        if used == 0 {
            let path = self.service_account.join("ca.crt");
            return Err(Error::NoCertificates { path });
        }
        Ok(roots)
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, Error> {
        let path: &Path = &self.service_account.join(file);
        std::fs::read(path).map_err(|source| Error::ServiceAccount {
            path: path.to_owned(),
            source,
        })
    }
}

/// The part of a Secret that is used here.
#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

fn read_answer(answer: &Answer) -> Result<Secrets, Error> {
    match answer.status {
        200 => {}
        404 => return Err(Error::Absent),
        status @ (401 | 403) => return Err(Error::Forbidden { status }),
        status => return Err(Error::Failed { status }),
    }
    let secret: Secret = serde_json::from_slice(&answer.body).map_err(|_| Error::BadAnswer)?;
    let text = |(name, value): (String, String)| {
        let bytes = STANDARD.decode(value).map_err(|_| Error::BadAnswer)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::BadAnswer)?;
        Ok((name, text))
    };
    secret.data.into_iter().map(text).collect()
}

/// Names of Kubernetes need no escapes; anything else must not become another path.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let escape = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    match name {
        "." | ".." => name.replace('.', "%2E"),
        _ => name.bytes().map(escape).collect(),
    }
}
