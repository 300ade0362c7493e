//! One request over TLS.

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Method;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};
use tokio_util::task::AbortOnDropHandle;

use super::access::{Address, Connection};

/// No answer may be larger; an object of Kubernetes ends at 1.5 MiB.
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

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// Gets `path`.
pub(super) async fn get(from: &Connection, path: &str) -> Result<Answer, Error> {
    send(from, Method::GET, path, Vec::new()).await
}

/// Posts a JSON object to `path`.
pub(super) async fn post(from: &Connection, path: &str, body: Vec<u8>) -> Result<Answer, Error> {
    send(from, Method::POST, path, body).await
}

async fn send(
    from: &Connection,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<Answer, Error> {
    let Address { host, port } = &from.address;
    let name = from.server_name.as_ref().unwrap_or(host);
    let name = ServerName::try_from(name.clone()).map_err(|_| Error::Host)?;
    let tls = TlsConnector::from(Arc::new(tls(from)?));
    let stream = TcpStream::connect((&**host, *port)).await?;
    let stream = tls.connect(name, stream).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));

    let mut request = hyper::Request::builder()
        .method(method)
        .uri(format!("{}{path}", from.prefix))
        .header(HOST, from.address.to_string())
        .header(ACCEPT, "application/json");
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(token) = &from.token {
        let token = format!("Bearer {}", token.expose_secret());
        let mut token = HeaderValue::try_from(token).map_err(hyper::http::Error::from)?;
        token.set_sensitive(true);
        request = request.header(AUTHORIZATION, token);
    }
    let response = sender
        .send_request(request.body(Full::new(Bytes::from(body)))?)
        .await?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_BYTES);
    let body = body.collect().await.map_err(Error::Body)?.to_bytes();
    Ok(Answer { status, body })
}

fn tls(from: &Connection) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(from.roots.clone());
    match &from.certificate {
        Some((chain, key)) => tls.with_client_auth_cert(chain.clone(), key.clone_key()),
        None => Ok(tls.with_no_client_auth()),
    }
}
