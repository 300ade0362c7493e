//! The driver's own credentials, for requests that carry no secrets: listings, capacity, and whatever
//! else Kubernetes asks about all volumes at once.
//!
//! For each cluster they come from a directory of files, if one is configured and there, and else from the
//! Secret that config.json names, which the Kubernetes API is asked for. They never reach a log. Files are
//! read for each request; a Secret is remembered for a minute, as a listing has many pages.

mod directory;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use ceph::Context;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::{ClusterEntry, Config, SecretRef};
use crate::credentials::{self, Credentials};
use crate::kubernetes::{self, Api};
use directory::Directory;

/// A Secret is asked for again after this time.
const MAX_AGE: Duration = Duration::from_mins(1);

/// Why there are no credentials for a cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody has configured any.
    #[error(
        "no credentials for cluster `{cluster}`: requests of this kind carry no secrets, so the driver \
         needs some of its own; {}", cure(.cluster, .directory.as_ref())
    )]
    NotConfigured {
        /// The clusterID.
        cluster: String,
        /// The configured directory.
        directory: Option<PathBuf>,
    },
    /// A file cannot be read.
    #[error("credentials for cluster `{cluster}`: `{}` cannot be read", path.display())]
    File {
        /// The clusterID.
        cluster: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The Kubernetes API did not give the Secret.
    #[error("credentials for cluster `{cluster}`, from the Secret `{secret}`")]
    Kubernetes {
        /// The clusterID.
        cluster: String,
        /// Namespace and name.
        secret: String,
        /// Why.
        source: kubernetes::Error,
    },
    /// What was found is no cephx user with a key.
    #[error("credentials for cluster `{cluster}`, from {origin}")]
    Unusable {
        /// The clusterID.
        cluster: String,
        /// Where it was found.
        origin: String,
        /// What is wrong with it.
        source: credentials::Error,
    },
}

fn cure(cluster: &str, directory: Option<&PathBuf>) -> String {
    match directory {
        Some(directory) => format!(
            "put the files `userID` and `userKey` into the directory `{}`",
            directory.join(cluster).display()
        ),
        None => format!(
            "name a Secret in cephFS.controllerPublishSecretRef of config.json (in Kubernetes), or give \
             the driver --controller-secrets-dir=<directory> with the files `{cluster}/userID` and \
             `{cluster}/userKey`"
        ),
    }
}

/// Where the driver's own credentials come from.
#[derive(Debug, Default)]
pub struct OwnCredentials {
    directory: Option<Directory>,
    api: Option<Api>,
    /// Credentials by namespace and name of their Secret.
    known: Mutex<HashMap<(String, String), (Instant, Credentials)>>,
}

impl OwnCredentials {
    /// From `directory`, which has a directory per clusterID, with files as a mounted Secret has; and
    /// from Secrets that `api` is asked for.
    pub fn new(directory: Option<PathBuf>, api: Option<Api>) -> Self {
        Self {
            directory: directory.map(Directory::new),
            api,
            known: Mutex::default(),
        }
    }

    /// Whether there are credentials, as far as can be told without reading them, for all clusters of
    /// `config`, and at least one.
    pub fn cover(&self, config: &Config) -> bool {
        let clusters = config.all().unwrap_or_default();
        !clusters.is_empty() && clusters.iter().all(|cluster| self.has(cluster))
    }

    /// The credentials for `cluster`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get(&self, cx: &Context, cluster: &ClusterEntry) -> Result<Credentials, Error> {
        if let Some(directory) = &self.directory
            && directory.has(&cluster.cluster_id)
        {
            return directory.read(&cluster.cluster_id);
        }
        if let (Some(api), Some(secret)) = (&self.api, &cluster.controller_publish_secret) {
            return self.read_secret(cx, &cluster.cluster_id, api, secret).await;
        }
        Err(Error::NotConfigured {
            cluster: cluster.cluster_id.clone(),
            directory: self
                .directory
                .as_ref()
                .map(|directory| directory.path().to_owned()),
        })
    }

    fn has(&self, cluster: &ClusterEntry) -> bool {
        let directory = self.directory.as_ref();
        directory.is_some_and(|directory| directory.has(&cluster.cluster_id))
            || (self.api.is_some() && cluster.controller_publish_secret.is_some())
    }

    async fn read_secret(
        &self,
        cx: &Context,
        cluster: &str,
        api: &Api,
        secret: &SecretRef,
    ) -> Result<Credentials, Error> {
        let place = format!("{}/{}", secret.namespace, secret.name);
        let failed = |source| Error::Kubernetes {
            cluster: cluster.to_owned(),
            secret: place.clone(),
            source,
        };
        // Held while asking, so that callers who come meanwhile use that answer.
        let known = tokio::time::timeout_at(cx.deadline().into(), self.known.lock()).await;
        let mut known = known.map_err(|_| failed(api.timed_out()))?;
        let key = (secret.namespace.clone(), secret.name.clone());
        if let Some((since, credentials)) = known.get(&key)
            && since.elapsed() < MAX_AGE
        {
            return Ok(credentials.clone());
        }
        known.remove(&key);
        let secrets = api.secret(cx, secret).await.map_err(failed)?;
        let found = Credentials::from_secrets(&secrets).map_err(|source| Error::Unusable {
            cluster: cluster.to_owned(),
            origin: format!("the Secret `{place}`"),
            source,
        })?;
        known.insert(key, (Instant::now(), found.clone()));
        Ok(found)
    }
}
