//! The file that tells `kubectl`, and ceph-csi with `KUBERNETES_CONFIG_PATH`, where the API is and as whom
//! to ask it. Programs that it may name to get a token are not run.
//!
//! Reasons never repeat a value that could be a secret.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::http::Uri;
use secrecy::SecretString;
use serde::Deserialize;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::access::{self, Address, Connection};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kubeconfig {
    current_context: Option<String>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    proxy_url: Option<String>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
}

/// What a request needs, by the current context of the file at `path`; or why it cannot be told.
pub(super) fn connection(path: &Path) -> Result<Connection, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let file: Kubeconfig = yaml_serde::from_str(&Zeroizing::new(text)).map_err(|error| {
        let place = error.location().map_or_else(String::new, |at| {
            format!(", line {} column {}", at.line(), at.column())
        });
        format!("it is not the YAML of a kubeconfig{place}")
    })?;
    let directory = path.parent().unwrap_or(path);
    let current = file.current_context.filter(|name| !name.is_empty());
    let current = current.ok_or("it has no current-context")?;
    let contexts = file.contexts.into_iter();
    let context = named("context", &current, contexts.map(|c| (c.name, c.context)))?;
    let clusters = file.clusters.into_iter();
    let cluster = named(
        "cluster",
        &context.cluster,
        clusters.map(|c| (c.name, c.cluster)),
    )?;
    let users = file.users.into_iter();
    let user = named("user", &context.user, users.map(|u| (u.name, u.user)))?;

    let of_cluster = |reason: String| format!("cluster `{}`: {reason}", context.cluster);
    let of_user = |reason: String| format!("user `{}`: {reason}", context.user);
    let (address, prefix) = server(&cluster).map_err(of_cluster)?;
    let certificate = user.certificate(directory).map_err(of_user)?;
    let token = user.token(directory).map_err(of_user)?;
    if certificate.is_none() && token.is_none() {
        let reason = "it has neither token, tokenFile nor client-certificate; other ways to be let in \
                      are not served";
        return Err(of_user(reason.to_owned()));
    }
    Ok(Connection {
        address,
        prefix,
        roots: cluster.roots(directory).map_err(of_cluster)?,
        server_name: cluster.tls_server_name,
        token,
        certificate,
    })
}

fn named<T>(
    kind: &str,
    wanted: &str,
    mut all: impl Iterator<Item = (String, T)>,
) -> Result<T, String> {
    let found = all.find(|(name, _)| name == wanted);
    found
        .map(|(_, value)| value)
        .ok_or_else(|| format!("it has no {kind} `{wanted}`"))
}

/// The address, and the path before those of all requests.
fn server(cluster: &Cluster) -> Result<(Address, String), String> {
    if cluster.insecure_skip_tls_verify {
        return Err(
            "insecure-skip-tls-verify is not served: a token would go to anybody; give \
                    certificate-authority"
                .to_owned(),
        );
    }
    if cluster.proxy_url.is_some() {
        return Err("proxy-url is not served".to_owned());
    }
    let bad = || "server is not of the form https://HOST[:PORT][/PATH]".to_owned();
    let uri: Uri = cluster.server.parse().map_err(|_| bad())?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
    let host = host.ok_or_else(bad)?;
    let address = Address {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: uri.port_u16().unwrap_or(443),
    };
    Ok((address, uri.path().trim_end_matches('/').to_owned()))
}

impl Cluster {
    fn roots(&self, directory: &Path) -> Result<tokio_rustls::rustls::RootCertStore, String> {
        let field = "certificate-authority";
        let data = self.certificate_authority_data.as_deref();
        let pem = pem(
            field,
            data,
            self.certificate_authority.as_deref(),
            directory,
        )?;
        let pem = pem.ok_or("it has no certificate-authority")?;
        access::roots(&pem).ok_or_else(|| format!("{field} has no certificate in PEM form"))
    }
}

impl User {
    /// A token beside a file with one counts only where the file is not named, as for kubectl.
    fn token(&self, directory: &Path) -> Result<Option<SecretString>, String> {
        let token = match some(self.token_file.as_deref()) {
            Some(file) => {
                let bytes = read("tokenFile", directory, file)?;
                Some(String::from_utf8_lossy(&bytes).trim().to_owned())
            }
            None => some(self.token.as_deref()).map(str::to_owned),
        };
        Ok(token.map(SecretString::from))
    }

    fn certificate(
        &self,
        directory: &Path,
    ) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, String> {
        let (field, of_key) = ("client-certificate", "client-key");
        let data = self.client_certificate_data.as_deref();
        let chain = pem(field, data, self.client_certificate.as_deref(), directory)?;
        let data = self.client_key_data.as_deref();
        let key = pem(of_key, data, self.client_key.as_deref(), directory)?;
        let (chain, key) = match (chain, key) {
            (None, None) => return Ok(None),
            (Some(chain), Some(key)) => (chain, key),
            (Some(_), None) => return Err(format!("{field} needs {of_key} beside it")),
            (None, Some(_)) => return Err(format!("{of_key} needs {field} beside it")),
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
            .filter_map(Result::ok)
            .collect();
        if chain.is_empty() {
            return Err(format!("{field} has no certificate in PEM form"));
        }
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| format!("{of_key} has no private key in PEM form"))?;
        Ok(Some((chain, key)))
    }
}

/// What `field` stands for: inline, in base64, before a file; `None` if neither is given.
fn pem(
    field: &str,
    data: Option<&str>,
    file: Option<&str>,
    directory: &Path,
) -> Result<Option<Zeroizing<Vec<u8>>>, String> {
    match (some(data), some(file)) {
        (Some(data), _) => {
            let bytes = STANDARD.decode(data.trim());
            let bytes = bytes.map_err(|_| format!("{field}-data is not base64"))?;
            Ok(Some(Zeroizing::new(bytes)))
        }
        (None, Some(file)) => read(field, directory, file).map(Some),
        (None, None) => Ok(None),
    }
}

/// Relative paths start at the kubeconfig's directory.
fn read(field: &str, directory: &Path, file: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let path = directory.join(file);
    let bytes = fs::read(&path);
    let failed = |error| format!("{field} `{}` cannot be read: {error}", path.display());
    Ok(Zeroizing::new(bytes.map_err(failed)?))
}

fn some(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}
