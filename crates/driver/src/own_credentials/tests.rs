use std::fs;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;

const KEY: &str = "AQBvaBRnAAAAABAAa2tra2tra2tra2tra2tra2s=";
const OTHER_KEY: &str = "AQBvaBRnAAAAABAAb29vb29vb29vb29vb29vb28=";

/// A directory of credentials and a config.json.
struct Fixture {
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn own(&self) -> OwnCredentials {
        OwnCredentials::new(Some(self.directory.path().join("secrets")), None)
    }

    fn config(&self, clusters: &[&str]) -> Config {
        let entry = |id: &&str| format!(r#"{{"clusterID": "{id}", "monitors": ["m"]}}"#);
        let entries: Vec<_> = clusters.iter().map(entry).collect();
        self.write("config.json", &format!("[{}]", entries.join(",")));
        Config::open(self.directory.path().join("config.json"), "csi")
    }

    /// What is found for a cluster, or the whole error.
    async fn get(&self, own: &OwnCredentials, cluster: &str) -> Result<Credentials, String> {
        let cx = Context::with_timeout(Duration::from_secs(5));
        let entry = self.config(&[cluster]).cluster(cluster).unwrap();
        let text = |error: Error| format!("{:#}", anyhow::Error::new(error));
        let place = self.directory.path().display().to_string();
        let found = own.get(&cx, &entry).await;
        found.map_err(|error| text(error).replace(&place, "<dir>"))
    }
}

#[tokio::test]
async fn files_are_read_as_they_are_now() {
    let on = Fixture::new();
    on.write("secrets/c1/userID", "k8s\n");
    on.write("secrets/c1/userKey", KEY);
    let own = on.own();
    let found = on.get(&own, "c1").await.unwrap();
    assert_eq!((&*found.id, found.key.expose_secret()), ("k8s", KEY));
    on.write("secrets/c1/userKey", OTHER_KEY);
    let found = on.get(&own, "c1").await.unwrap();
    assert_eq!(found.key.expose_secret(), OTHER_KEY);
    assert!(!format!("{own:?} {found:?}").contains(OTHER_KEY));
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let on = Fixture::new();
    let own = on.own();
    on.write("secrets/empty/other", "x");
    on.write("secrets/half/userID", "k8s");
    on.write("secrets/bad/userID", "k8s");
    on.write("secrets/bad/userKey", "AQB");
    on.write("secrets/large/userID", &"x".repeat(5000));
    fs::create_dir_all(on.directory.path().join("secrets/odd/userID")).unwrap();
    let none = "no credentials for cluster `c2`: requests of this kind carry no secrets, so the driver \
                needs some of its own; ";
    let cases = [
        (
            "c2",
            format!("{none}put the files `userID` and `userKey` into the directory `<dir>/secrets/c2`"),
        ),
        (
            "empty",
            "credentials for cluster `empty`, from the files in `<dir>/secrets/empty`: missing ID field \
             'userID' in secrets"
                .to_owned(),
        ),
        (
            "half",
            "credentials for cluster `half`, from the files in `<dir>/secrets/half`: missing key field \
             'userKey' in secrets"
                .to_owned(),
        ),
        (
            "bad",
            "credentials for cluster `bad`, from the files in `<dir>/secrets/bad`: field 'userKey' in \
             secrets is not a cephx key: it is not complete base64, a part was cut off; `ceph auth \
             get-key` prints the key"
                .to_owned(),
        ),
        (
            "large",
            "credentials for cluster `large`: `<dir>/secrets/large/userID` cannot be read: larger than \
             4096 bytes"
                .to_owned(),
        ),
        (
            "odd",
            "credentials for cluster `odd`: `<dir>/secrets/odd/userID` cannot be read: Is a directory (os \
             error 21)"
                .to_owned(),
        ),
    ];
    for (cluster, message) in cases {
        assert_eq!(on.get(&own, cluster).await.unwrap_err(), message);
    }
    let message = on.get(&OwnCredentials::default(), "c2").await.unwrap_err();
    let cure = "name a Secret in cephFS.controllerPublishSecretRef of config.json (in Kubernetes), or give \
                the driver --controller-secrets-dir=<directory> with the files `c2/userID` and `c2/userKey`";
    assert_eq!(message, format!("{none}{cure}"));
}

#[tokio::test]
async fn no_cluster_id_leads_out_of_the_directory() {
    let on = Fixture::new();
    on.write("secrets/userID", "k8s");
    on.write("secrets/userKey", KEY);
    on.write("secrets/a/b/userID", "k8s");
    on.write("userID", "k8s");
    for cluster in [".", "..", "a/b", "/", "./a", "a/"] {
        let message = on.get(&on.own(), cluster).await.unwrap_err();
        assert!(message.starts_with("no credentials for"), "{message}");
    }
}

#[test]
fn all_clusters_are_covered_or_not() {
    let on = Fixture::new();
    on.write("secrets/c1/userID", "k8s");
    let own = on.own();
    assert!(own.cover(&on.config(&["c1"])));
    assert!(!own.cover(&on.config(&["c1", "c2"])));
    assert!(!own.cover(&on.config(&[])));
    assert!(!OwnCredentials::default().cover(&on.config(&["c1"])));
}
