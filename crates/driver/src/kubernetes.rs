//! The Kubernetes API, as far as it is used: reading a Secret and the labels of a node, and Events.

mod access;
mod events;
mod https;
mod kubeconfig;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ceph::Context;
use hyper::body::Bytes;
use serde::Deserialize;

use crate::config::SecretRef;
use crate::credentials::Secrets;
pub(crate) use events::{NewEvent, ObjectRef};

pub use access::{Access, Address, SERVICE_ACCOUNT};

/// Why the API did not give what it was asked for.
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
    /// The kubeconfig does not tell where the API is, or as whom to ask it.
    #[error("kubeconfig `{}`: {reason}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The reference to the Secret lacks a part.
    #[error("`{name}` has no namespace; set `namespace` beside `name` in config.json")]
    NoNamespace {
        /// Name of the Secret.
        name: String,
    },
    /// The API did not answer, or is not what it should be.
    #[error("the Kubernetes API {access} cannot be asked")]
    Unreachable {
        /// Where it should be.
        access: Access,
        /// Why.
        source: https::Error,
    },
    /// No answer before the deadline.
    #[error("the Kubernetes API {access} did not answer in time")]
    TimedOut {
        /// Where it should be.
        access: Access,
    },
    /// The user of this process may not read or create the object.
    #[error(
        "{} may not {} it (HTTP {status}); give its role the verb `{verb}` on this {kind}",
        access.user(), if *verb == "get" { "read" } else { verb }
    )]
    Forbidden {
        /// As whom it was asked.
        access: Access,
        /// HTTP status.
        status: u16,
        /// What was asked for.
        kind: &'static str,
        /// What the role lacks.
        verb: &'static str,
    },
    /// There is no such object.
    #[error("there is no such {kind}")]
    Absent {
        /// What was asked for.
        kind: &'static str,
    },
    /// The API failed.
    #[error("the Kubernetes API answered with HTTP {status}")]
    Failed {
        /// HTTP status.
        status: u16,
    },
    /// The answer is not what was asked for.
    #[error("the answer of the Kubernetes API is not a {expected}")]
    BadAnswer {
        /// What it should be.
        expected: &'static str,
    },
}

/// The API, asked as the user that an [`Access`] has.
#[derive(Debug)]
pub struct Api {
    access: Access,
}

impl Api {
    /// The API at `access`, whose files are read for each request, as tokens expire.
    pub fn new(access: Access) -> Self {
        Self { access }
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
        let path = format!(
            "/api/v1/namespaces/{}/secrets/{}",
            escaped(namespace),
            escaped(name)
        );
        cx.step(
            "Kubernetes API",
            format!("Kubernetes API: get secret `{namespace}/{name}`"),
        );
        read_secret(&self.get(cx, "Secret", &path).await?)
    }

    /// The labels of a node.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn node_labels(
        &self,
        cx: &Context,
        node: &str,
    ) -> Result<BTreeMap<String, String>, Error> {
        let path = format!("/api/v1/nodes/{}", escaped(node));
        cx.step(
            "Kubernetes API",
            format!("Kubernetes API: get node `{node}`"),
        );
        let body = self.get(cx, "Node", &path).await?;
        let node: Node =
            serde_json::from_slice(&body).map_err(|_| Error::BadAnswer { expected: "Node" })?;
        Ok(node.metadata.labels.unwrap_or_default())
    }

    async fn get(&self, cx: &Context, kind: &'static str, path: &str) -> Result<Bytes, Error> {
        let connection = self.access.connection()?;
        let asked = https::get(&connection, path);
        self.answer(cx, kind, "get", asked).await
    }

    async fn post(
        &self,
        cx: &Context,
        kind: &'static str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(), Error> {
        let connection = self.access.connection()?;
        let asked = https::post(&connection, path, body);
        self.answer(cx, kind, "create", asked).await.map(drop)
    }

    /// Waits for the answer to a request for which the role needs `verb`.
    async fn answer(
        &self,
        cx: &Context,
        kind: &'static str,
        verb: &'static str,
        asked: impl Future<Output = Result<https::Answer, https::Error>>,
    ) -> Result<Bytes, Error> {
        let answer = tokio::time::timeout_at(cx.deadline().into(), asked).await;
        let answer = answer.map_err(|_| self.timed_out())?;
        let answer = answer.map_err(|source| Error::Unreachable {
            access: self.access.clone(),
            source,
        })?;
        match answer.status {
            200 | 201 => Ok(answer.body),
            404 => Err(Error::Absent { kind }),
            status @ (401 | 403) => Err(Error::Forbidden {
                access: self.access.clone(),
                status,
                kind,
                verb,
            }),
            status => Err(Error::Failed { status }),
        }
    }

    /// The error of a request that was not answered before the deadline.
    pub(crate) fn timed_out(&self) -> Error {
        let access = self.access.clone();
        Error::TimedOut { access }
    }
}

/// The part of a Secret that is used here.
#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// The part of a Node that is used here.
#[derive(Deserialize)]
struct Node {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    labels: Option<BTreeMap<String, String>>,
}

fn read_secret(body: &[u8]) -> Result<Secrets, Error> {
    let bad = || Error::BadAnswer {
        expected: "Secret with text values",
    };
    let secret: Secret = serde_json::from_slice(body).map_err(|_| bad())?;
    let text = |(name, value): (String, String)| {
        let bytes = STANDARD.decode(value).map_err(|_| bad())?;
        let text = String::from_utf8(bytes).map_err(|_| bad())?;
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
