//! Against a TLS server of our own, which speaks just enough HTTP.

mod events;
mod kubeconfig;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::*;
use crate::config::{ClusterEntry, Config};
use crate::node::{Labels, topology};
use crate::own_credentials::OwnCredentials;

const KEY: &str = "AQBvaBRnAAAAABAAa2tra2tra2tra2tra2tra2s=";
/// userID `k8s`, and userKey [`KEY`].
const SECRET: &str = r#"{"kind":"Secret","apiVersion":"v1","data":{"userID":"azhz",
    "userKey":"QVFCdmFCUm5BQUFBQUJBQWEydHJhMnRyYTJ0cmEydHJhMnRyYTJzPQ=="}}"#;

/// The API, and a pod's directory with what it needs to be asked.
struct Fixture {
    address: SocketAddr,
    /// Status and body of the answers.
    answer: Arc<Mutex<(u16, String)>>,
    /// The requests so far.
    requests: Arc<Mutex<Vec<String>>>,
    /// Whether each of them came with a certificate.
    certificates: Arc<Mutex<Vec<bool>>>,
    /// Of the server's certificate.
    issuer: CertifiedIssuer<'static, KeyPair>,
    pod: TempDir,
}

fn issuer() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// A certificate for `name`, and its key.
fn certificate(
    name: &str,
    issuer: &CertifiedIssuer<'static, KeyPair>,
) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.signed_by(&key, issuer).unwrap(), key)
}

/// A whole request; `None` if the other side has gone.
async fn read_request(stream: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?.into());
    }
    let length = request.split_once("content-length: ");
    let length = length.and_then(|(_, rest)| rest.split_once("\r\n")?.0.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    request.push_str(std::str::from_utf8(&body).unwrap());
    Some(request)
}

impl Fixture {
    /// A server whose certificate is for `name`.
    async fn new(name: &str) -> Self {
        let issuer = issuer();
        let (certificate, key) = certificate(name, &issuer);
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(issuer.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fixture = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new((200, SECRET.to_owned()))),
            requests: Arc::default(),
            certificates: Arc::default(),
            issuer,
            pod: tempfile::tempdir().unwrap(),
        };
        fixture.write("ca.crt", &pem("CERTIFICATE", fixture.issuer.der()));
        fixture.write("token", "a-token\n");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (answer, requests) = (Arc::clone(&fixture.answer), Arc::clone(&fixture.requests));
        let certificates = Arc::clone(&fixture.certificates);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who does not trust the certificate breaks off.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let Some(request) = read_request(&mut stream).await else {
                    continue;
                };
                requests.lock().unwrap().push(request);
                let certified = stream.get_ref().1.peer_certificates().is_some();
                certificates.lock().unwrap().push(certified);
                let (status, body) = answer.lock().unwrap().clone();
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        fixture
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.pod.path().join(file), text).unwrap();
    }

    fn answer(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn certificates(&self) -> Vec<bool> {
        self.certificates.lock().unwrap().clone()
    }

    fn api(&self) -> Api {
        self.api_at(Address {
            host: self.address.ip().to_string(),
            port: self.address.port(),
        })
    }

    fn api_at(&self, address: Address) -> Api {
        Api::new(Access::Pod {
            address,
            service_account: self.pod.path().to_owned(),
        })
    }

    async fn get(&self) -> Result<Secrets, String> {
        let found = self.api().secret(&cx(), &secret_ref()).await;
        found.map_err(|error| self.text(error))
    }

    /// The whole error.
    fn text(&self, error: impl std::error::Error + Send + Sync + 'static) -> String {
        let text = format!("{:#}", anyhow::Error::new(error));
        let pod = self.pod.path().display().to_string();
        text.replace(&pod, "<pod>")
            .replace(&self.address.to_string(), "<api>")
    }
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(10))
}

fn secret_ref() -> SecretRef {
    SecretRef {
        name: "csi-secret".to_owned(),
        namespace: "ceph".to_owned(),
    }
}

#[tokio::test]
async fn a_secret_is_read_as_the_service_account() {
    let on = Fixture::new("127.0.0.1").await;
    let found = on.get().await.unwrap();
    let expected = [("userID", "k8s"), ("userKey", KEY)];
    assert_eq!(
        found,
        expected
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    );
    on.write("token", "another-token");
    on.get().await.unwrap();
    let requests = on.requests();
    let start = "GET /api/v1/namespaces/ceph/secrets/csi-secret HTTP/1.1\r\n";
    assert!(requests[0].starts_with(start), "{requests:?}");
    assert!(
        requests[0].contains("authorization: Bearer a-token\r\n"),
        "{requests:?}"
    );
    assert!(
        requests[1].contains("authorization: Bearer another-token\r\n"),
        "{requests:?}"
    );
    assert!(
        requests[0].contains(&format!("host: {}\r\n", on.address)),
        "{requests:?}"
    );
}

#[tokio::test]
async fn what_the_api_refuses_is_said_with_the_cure() {
    let on = Fixture::new("127.0.0.1").await;
    let forbidden = "the pod's service account may not read it (HTTP 403); give its role the verb `get` on \
                     this Secret";
    let bad = "the answer of the Kubernetes API is not a Secret with text values";
    for (status, body, message) in [
        (403, "{}", forbidden),
        (404, "{}", "there is no such Secret"),
        (500, "{}", "the Kubernetes API answered with HTTP 500"),
        (200, "no JSON", bad),
        (200, r#"{"data":{"userID":"%"}}"#, bad),
        (200, r#"{"data":{"userID":"/w=="}}"#, bad),
    ] {
        on.answer(status, body);
        assert_eq!(on.get().await.unwrap_err(), message);
    }
    on.answer(200, "{}");
    assert_eq!(on.get().await.unwrap(), Secrets::new());
}

#[tokio::test]
async fn only_the_api_gets_the_token() {
    let on = Fixture::new("127.0.0.1").await;
    on.write("ca.crt", &pem("CERTIFICATE", issuer().der()));
    let start =
        "the Kubernetes API at <api> cannot be asked: no connection: invalid peer certificate: ";
    let error = on.get().await.unwrap_err();
    assert!(error.starts_with(start), "{error}");
    let other = Fixture::new("kubernetes.example").await;
    let error = other.get().await.unwrap_err();
    assert!(error.starts_with(start), "{error}");
    assert_eq!((on.requests().len(), other.requests().len()), (0, 0));
}

#[tokio::test]
async fn a_pod_without_service_account_and_an_api_that_is_away() {
    let on = Fixture::new("127.0.0.1").await;
    on.write("ca.crt", "no certificate");
    assert_eq!(
        on.get().await.unwrap_err(),
        "`<pod>/ca.crt` has no certificate in PEM form"
    );
    std::fs::remove_file(on.pod.path().join("token")).unwrap();
    assert_eq!(
        on.get().await.unwrap_err(),
        "`<pod>/token` cannot be read; the pod needs a service account whose token is mounted: No such \
         file or directory (os error 2)"
    );

    let on = Fixture::new("127.0.0.1").await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut address = Address {
        host: "127.0.0.1".to_owned(),
        port: silent.local_addr().unwrap().port(),
    };
    let soon = Context::with_timeout(Duration::from_millis(50));
    let api = on.api_at(address.clone());
    let error = api.secret(&soon, &secret_ref()).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    drop(silent);
    let api = on.api_at(address.clone());
    let error = api.secret(&cx(), &secret_ref()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    address.host = "no host".to_owned();
    let api = on.api_at(address);
    let error = api.secret(&cx(), &secret_ref()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[test]
fn names_stay_names() {
    for (name, expected) in [
        ("a-b.c", "a-b.c"),
        ("..", "%2E%2E"),
        ("a/b?c", "a%2Fb%3Fc"),
        ("ü", "%C3%BC"),
    ] {
        assert_eq!(escaped(name), expected);
    }
    let address = |host: &str| {
        let address = Address {
            host: host.to_owned(),
            port: 443,
        };
        address.to_string()
    };
    assert_eq!(address("10.96.0.1"), "10.96.0.1:443");
    assert_eq!(address("fd00::1"), "[fd00::1]:443");
    assert_eq!(address("kubernetes.default"), "kubernetes.default:443");
}

fn cluster(on: &Fixture) -> ClusterEntry {
    let path = on.pod.path().join("config.json");
    let config = r#"[{"clusterID": "c1", "monitors": ["m"], "cephFS": {
        "controllerPublishSecretRef": {"name": "csi-secret", "namespace": "ceph"}}}]"#;
    std::fs::write(&path, config).unwrap();
    Config::open(path, "csi").cluster("c1").unwrap()
}

#[tokio::test]
async fn a_node_tells_its_labels() {
    let on = Fixture::new("127.0.0.1").await;
    let labels = async || {
        let found = on.api().node_labels(&cx(), "node-1.example").await;
        found.map_err(|error| on.text(error))
    };
    on.answer(
        200,
        r#"{"kind": "Node", "metadata": {"name": "n", "labels": {"a/zone": "z1", "b": ""}}, "status": {}}"#,
    );
    let expected = [("a/zone", "z1"), ("b", "")];
    assert_eq!(
        labels().await.unwrap(),
        expected
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    );
    let requests = on.requests();
    assert!(
        requests[0].starts_with("GET /api/v1/nodes/node-1.example HTTP/1.1\r\n"),
        "{requests:?}"
    );
    on.answer(200, r#"{"metadata": {"labels": null}}"#);
    assert!(labels().await.unwrap().is_empty());
    let forbidden = "the pod's service account may not read it (HTTP 403); give its role the verb `get` on \
                     this Node";
    for (status, body, message) in [
        (403, "{}", forbidden),
        (404, "{}", "there is no such Node"),
        (200, "{}", "the answer of the Kubernetes API is not a Node"),
    ] {
        on.answer(status, body);
        assert_eq!(labels().await.unwrap_err(), message);
    }
}

/// As the node service asks for them at the driver's start.
#[tokio::test]
async fn a_topology_of_labels_or_the_reason_why_there_is_none() {
    let on = Fixture::new("127.0.0.1").await;
    let find = async || {
        let labels = Labels::new("node-1", Some(on.api()));
        let wanted = ["a/zone".to_owned()];
        let found = topology::find(&labels, &wanted, "d").await;
        found.map_err(|error| on.text(error))
    };
    on.answer(200, r#"{"metadata": {"labels": {"a/zone": "z1"}}}"#);
    let expected = ("topology.d/zone".to_owned(), "z1".to_owned());
    assert_eq!(find().await.unwrap(), [expected].into());
    on.answer(403, "{}");
    let message = "the labels of node `node-1`: the pod's service account may not read it (HTTP 403); give \
                   its role the verb `get` on this Node";
    assert_eq!(find().await.unwrap_err(), message);
}

/// Labels are kept, but failures are not.
#[tokio::test]
async fn labels_are_asked_for_until_they_are_known() {
    let on = Fixture::new("127.0.0.1").await;
    let labels = Labels::new("node-1", Some(on.api()));
    on.answer(500, "{}");
    labels.get(&cx()).await.unwrap_err();
    on.answer(200, r#"{"metadata": {"labels": {"a": "b"}}}"#);
    for _ in 0..3 {
        assert_eq!(labels.get(&cx()).await.unwrap().len(), 1);
    }
    assert_eq!(on.requests().len(), 2);
}

/// Listings come in pages, and each page needs the credentials.
#[tokio::test]
async fn credentials_are_remembered_for_a_minute() {
    let on = Fixture::new("127.0.0.1").await;
    let cluster = cluster(&on);
    let own = OwnCredentials::new(None, Some(on.api()));
    for _ in 0..3 {
        assert_eq!(own.get(&cx(), &cluster).await.unwrap().id, "k8s");
    }
    assert_eq!(on.requests().len(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    on.answer(404, "{}");
    let error = own.get(&cx(), &cluster).await.unwrap_err();
    assert_eq!(
        on.text(error),
        "credentials for cluster `c1`, from the Secret `ceph/csi-secret`: there is no such Secret"
    );
    on.answer(200, r#"{"data":{"userID":"azhz"}}"#);
    let error = own.get(&cx(), &cluster).await.unwrap_err();
    assert_eq!(
        on.text(error),
        "credentials for cluster `c1`, from the Secret `ceph/csi-secret`: missing key field 'userKey' in \
         secrets"
    );
    assert!(!format!("{own:?}").contains(KEY));
}

#[tokio::test]
async fn outside_of_kubernetes_a_reference_is_no_credential() {
    let on = Fixture::new("127.0.0.1").await;
    let cluster = cluster(&on);
    let error = OwnCredentials::default()
        .get(&cx(), &cluster)
        .await
        .unwrap_err();
    assert!(
        on.text(error)
            .starts_with("no credentials for cluster `c1`")
    );
}
