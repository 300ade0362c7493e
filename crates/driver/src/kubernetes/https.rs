//! One GET over TLS.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};
use tokio_util::task::AbortOnDropHandle;

use super::Address;

/// No answer may be larger; a Secret ends at 1 MiB.
const MAX_BYTES: usize = 2 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, or one that is not to be trusted: see the text of the error.
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    /// The host cannot be in a certificate.
    #[error("the host is neither a name nor an address")]
    Host,
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The other side does not speak HTTP.
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The token or the path cannot be sent.
    #[error("HTTP: {0}")]
    Request(#[from] hyper::http::Error),
    /// The answer broke off, or is too large.
    #[error("HTTP: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// What to get, from where, as whom.
pub(super) struct Request<'a> {
    pub(super) address: &'a Address,
    /// Who may vouch for the other side.
    pub(super) roots: RootCertStore,
    pub(super) path: &'a str,
    /// Bearer token.
    pub(super) token: SecretString,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// Host and port as a URL has them.
pub(super) fn authority(address: &Address) -> String {
    let Address { host, port } = address;
    match host.parse() {
        Ok(IpAddr::V6(_)) => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

pub(super) async fn get(request: Request<'_>) -> Result<Answer, Error> {
    let Address { host, port } = request.address;
    let name = ServerName::try_from(host.clone()).map_err(|_| Error::Host)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(request.roots)
        .with_no_client_auth();
    let stream = TcpStream::connect((&**host, *port)).await?;
    let stream = TlsConnector::from(Arc::new(tls))
        .connect(name, stream)
        .await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));

    let token = format!("Bearer {}", request.token.expose_secret());
    let mut token = HeaderValue::try_from(token).map_err(hyper::http::Error::from)?;
    token.set_sensitive(true);
    let request = hyper::Request::get(request.path)
        .header(HOST, authority(request.address))
        .header(AUTHORIZATION, token)
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_BYTES);
    let body = body.collect().await.map_err(Error::Body)?.to_bytes();
    Ok(Answer { status, body })
}
