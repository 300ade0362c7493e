//! Against a TLS server of our own, which speaks just enough HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::*;
use crate::config::{ClusterEntry, Config};
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
    pod: TempDir,
}

fn issuer() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn pem(issuer: &CertifiedIssuer<'static, KeyPair>) -> String {
    let text = STANDARD.encode(issuer.der());
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

impl Fixture {
    /// A server whose certificate is for `name`.
    async fn new(name: &str) -> Self {
        let issuer = issuer();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fixture = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new((200, SECRET.to_owned()))),
            requests: Arc::default(),
            pod: tempfile::tempdir().unwrap(),
        };
        fixture.write("ca.crt", &pem(&issuer));
        fixture.write("token", "a-token\n");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (answer, requests) = (Arc::clone(&fixture.answer), Arc::clone(&fixture.requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who does not trust the certificate breaks off.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = String::new();
                while !request.ends_with("\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap().into());
                }
                requests.lock().unwrap().push(request);
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

    fn api(&self) -> Api {
        let address = Address {
            host: self.address.ip().to_string(),
            port: self.address.port(),
        };
        Api::new(address, self.pod.path())
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
    on.write("ca.crt", &pem(&issuer()));
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
    let api = Api::new(address.clone(), on.pod.path());
    let error = api.secret(&soon, &secret_ref()).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    drop(silent);
    let api = Api::new(address.clone(), on.pod.path());
    let error = api.secret(&cx(), &secret_ref()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    address.host = "no host".to_owned();
    let api = Api::new(address, on.pod.path());
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
        https::authority(&Address {
            host: host.to_owned(),
            port: 443,
        })
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
