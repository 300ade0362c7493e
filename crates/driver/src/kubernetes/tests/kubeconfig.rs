//! The API by a kubeconfig.

use super::*;

/// What a kubeconfig for a fixture has.
struct File {
    cluster: String,
    user: String,
}

impl File {
    /// As those that installers write.
    fn new(on: &Fixture) -> Self {
        let ca = std::fs::read(on.pod.path().join("ca.crt")).unwrap();
        let ca = STANDARD.encode(ca);
        Self {
            cluster: format!(
                "{{server: 'https://{}/base/', certificate-authority-data: {ca}}}",
                on.address
            ),
            user: "{token: a-token}".to_owned(),
        }
    }

    fn text(&self) -> String {
        let Self { cluster, user } = self;
        format!(
            "apiVersion: v1\nkind: Config\npreferences: {{}}\ncurrent-context: this\n\
             contexts:\n- name: other\n  context: {{cluster: none, user: none}}\n\
             - name: this\n  context:\n    cluster: c\n    user: u\n    namespace: x\n\
             clusters:\n- name: c\n  cluster: {cluster}\nusers:\n- name: u\n  user: {user}\n"
        )
    }
}

/// Asks for a secret by a kubeconfig with this text.
async fn get(on: &Fixture, text: &str) -> Result<Secrets, String> {
    on.write("config", text);
    let api = Api::new(Access::Kubeconfig(on.pod.path().join("config")));
    let found = api.secret(&cx(), &secret_ref()).await;
    found.map_err(|error| on.text(error))
}

#[tokio::test]
async fn a_token_is_sent_to_the_server_of_the_current_context() {
    let on = Fixture::new("127.0.0.1").await;
    let mut file = File::new(&on);
    on.write("other-token", "another-token\n");
    for user in ["{token: a-token}", "{token: x, tokenFile: other-token}"] {
        user.clone_into(&mut file.user);
        let found = get(&on, &file.text()).await.unwrap();
        assert_eq!(found.get("userKey").map(String::as_str), Some(KEY));
    }
    let requests = on.requests();
    let start = "GET /base/api/v1/namespaces/ceph/secrets/csi-secret HTTP/1.1\r\n";
    for (request, token) in requests.iter().zip(["a-token", "another-token"]) {
        assert!(request.starts_with(start), "{request}");
        let header = format!("authorization: Bearer {token}\r\n");
        assert!(request.contains(&header), "{request}");
    }
}

/// A user's certificate and key.
fn user(issuer: &CertifiedIssuer<'static, KeyPair>) -> (String, String) {
    let (certificate, key) = certificate("u", issuer);
    (
        pem("CERTIFICATE", certificate.der()),
        pem("PRIVATE KEY", &key.serialize_der()),
    )
}

#[tokio::test]
async fn a_certificate_takes_the_place_of_a_token() {
    let on = Fixture::new("kubernetes.example").await;
    let (certificate, key) = user(&on.issuer);
    on.write("user.crt", &certificate);
    on.write("user.key", &key);
    let cluster = format!(
        "{{server: 'https://{}', certificate-authority: ca.crt, tls-server-name: kubernetes.example}}",
        on.address
    );
    let files = "{client-certificate: user.crt, client-key: user.key}".to_owned();
    let inline = format!(
        "{{client-certificate-data: {}, client-key-data: {}}}",
        STANDARD.encode(&certificate),
        STANDARD.encode(&key)
    );
    for user in [files.clone(), inline] {
        let cluster = cluster.clone();
        get(&on, &File { cluster, user }.text()).await.unwrap();
    }
    let tokens = on
        .requests()
        .into_iter()
        .filter(|request| request.contains("authorization"));
    assert_eq!(tokens.count(), 0);
    assert_eq!(on.certificates(), [true, true]);

    let stranger = issuer();
    let (certificate, key) = user(&stranger);
    on.write("user.crt", &certificate);
    on.write("user.key", &key);
    let file = File {
        cluster,
        user: files,
    };
    let error = get(&on, &file.text()).await.unwrap_err();
    let start = "the Kubernetes API of kubeconfig `<pod>/config` cannot be asked: ";
    assert!(error.starts_with(start), "{error}");
}

/// Checks that a kubeconfig with this text is refused for `reason`, and that nobody is asked.
async fn assert_refused(on: &Fixture, text: &str, reason: &str) {
    let error = get(on, text).await.unwrap_err();
    let start = format!("kubeconfig `<pod>/config`: {reason}");
    assert!(error.starts_with(&start), "{error}\n instead of\n{start}");
    assert!(!error.contains("hunter2"), "{error}");
    assert!(on.requests().is_empty());
}

#[tokio::test]
async fn a_file_that_tells_nothing() {
    let on = Fixture::new("127.0.0.1").await;
    let mut file = File::new(&on);
    let plain = file.text();
    let current = |other: &str| plain.replace("current-context: this", other);
    let of_other = plain.replace("user: u\n", "user: w\n");
    let none = "it is not the YAML of a kubeconfig";
    for (text, reason) in [
        ("token: [hunter2".to_owned(), none),
        (current("x: y"), "it has no current-context"),
        (current("current-context: z"), "it has no context `z`"),
        (
            current("current-context: other"),
            "it has no cluster `none`",
        ),
        (of_other, "it has no user `w`"),
    ] {
        assert_refused(&on, &text, reason).await;
    }
    "{token: {a: hunter2}}".clone_into(&mut file.user);
    let place = "it is not the YAML of a kubeconfig, line 18 column ";
    assert_refused(&on, &file.text(), place).await;

    let absent = Api::new(Access::Kubeconfig("/absent/config".into()));
    let error = absent.secret(&cx(), &secret_ref()).await.unwrap_err();
    let start = "kubeconfig `/absent/config`: cannot be read: No such file";
    assert!(error.to_string().starts_with(start), "{error}");
}

#[tokio::test]
async fn a_user_that_cannot_be_let_in() {
    let on = Fixture::new("127.0.0.1").await;
    let mut file = File::new(&on);
    for (user, reason) in [
        (
            "{}",
            "it has neither token, tokenFile nor client-certificate",
        ),
        ("{exec: {command: x}}", "it has neither token"),
        (
            "{tokenFile: absent}",
            "tokenFile `<pod>/absent` cannot be read: No such",
        ),
        (
            "{client-key-data: aHVudGVyMg==}",
            "client-key needs client-certificate beside it",
        ),
        (
            "{client-certificate: ca.crt}",
            "client-certificate needs client-key beside it",
        ),
        (
            "{client-certificate: ca.crt, client-key-data: aHVudGVyMg==}",
            "client-key has no private key in PEM form",
        ),
        (
            "{client-certificate: ca.crt, client-key-data: hunter2}",
            "client-key-data is not base64",
        ),
    ] {
        user.clone_into(&mut file.user);
        assert_refused(&on, &file.text(), &format!("user `u`: {reason}")).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_to_be_trusted() {
    let on = Fixture::new("127.0.0.1").await;
    let mut file = File::new(&on);
    for (cluster, reason) in [
        (
            "server: 'http://a'",
            "server is not of the form https://HOST",
        ),
        ("server: 'https://a'", "it has no certificate-authority"),
        (
            "server: 'https://a', certificate-authority-data: eA==",
            "certificate-authority has no certificate in PEM form",
        ),
        (
            "server: 'https://a', insecure-skip-tls-verify: true",
            "insecure-skip-tls-verify is not served",
        ),
        (
            "server: 'https://a', proxy-url: 'http://p'",
            "proxy-url is not served",
        ),
    ] {
        file.cluster = format!("{{{cluster}}}");
        assert_refused(&on, &file.text(), &format!("cluster `c`: {reason}")).await;
    }
}

#[test]
fn servers_of_any_form() {
    let on = |server: &str| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        std::fs::write(
            directory.path().join("ca.crt"),
            pem("CERTIFICATE", issuer().der()),
        )
        .unwrap();
        let cluster = format!("{{server: '{server}', certificate-authority: ca.crt}}");
        let user = "{token: t}".to_owned();
        std::fs::write(&path, File { cluster, user }.text()).unwrap();
        let found = Access::Kubeconfig(path)
            .connection()
            .map_err(|e| e.to_string())?;
        assert_eq!(found.token.unwrap().expose_secret(), "t");
        Ok::<_, String>((found.address.to_string(), found.prefix))
    };
    for (server, address, prefix) in [
        ("https://a.example", "a.example:443", ""),
        ("https://192.0.2.1:6443/", "192.0.2.1:6443", ""),
        (
            "https://[2001:db8::1]:6443/k8s/c/",
            "[2001:db8::1]:6443",
            "/k8s/c",
        ),
    ] {
        let expected = (address.to_owned(), prefix.to_owned());
        assert_eq!(on(server), Ok(expected), "{server}");
    }
    for server in ["", "a.example", "https://", "ftp://a", "https://a b"] {
        assert!(on(server).is_err(), "{server}");
    }
}
