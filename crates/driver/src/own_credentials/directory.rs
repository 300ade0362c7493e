//! Credentials in files: a directory per clusterID, in it a file per field, as Kubernetes mounts a Secret.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use super::Error;
use crate::credentials::{self, Credentials, FIELDS, Secrets};

/// No field is longer.
const MAX_BYTES: u64 = 4096;

/// The directory of all clusters.
#[derive(Debug)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it has something for `cluster`. What cannot be looked at counts: reading it tells why.
    pub(super) fn has(&self, cluster: &str) -> bool {
        self.of(cluster)
            .is_some_and(|directory| directory.try_exists().unwrap_or(true))
    }

    /// The credentials for `cluster`.
    pub(super) fn read(&self, cluster: &str) -> Result<Credentials, Error> {
        let directory = self.of(cluster).unwrap_or_else(|| self.0.clone());
        let mut secrets = Secrets::new();
        for name in FIELDS {
            let path = directory.join(name);
            match read(&path) {
                Ok(text) => drop(secrets.insert((*name).to_owned(), text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    let cluster = cluster.to_owned();
                    return Err(Error::File {
                        cluster,
                        path,
                        source,
                    });
                }
            }
        }
        let credentials = if secrets.is_empty() {
            // What a request without secrets would be told helps nobody here.
            Err(credentials::Error::MissingId {
                field: "userID",
                found: None,
            })
        } else {
            Credentials::from_secrets(&secrets)
        };
        credentials.map_err(|source| Error::Unusable {
            cluster: cluster.to_owned(),
            origin: format!("the files in `{}`", directory.display()),
            source,
        })
    }

    /// The directory of `cluster`; `None` for a clusterID that cannot be the name of one.
    fn of(&self, cluster: &str) -> Option<PathBuf> {
        let mut components = Path::new(cluster).components();
        let only = (components.next(), components.next());
        matches!(only, (Some(Component::Normal(name)), None) if name == cluster)
            .then(|| self.0.join(cluster))
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_BYTES) {
        let why = format!("larger than {MAX_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(text)
}
