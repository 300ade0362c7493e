//! The driver's own credentials, for requests that carry no secrets: listings, capacity, and whatever
//! else Kubernetes asks about all volumes at once.
//!
//! For each cluster they come from a directory of files, if one is configured and there. They never reach
//! a log, and they are read anew for each request, so a key that is rotated counts at once.

mod directory;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use ceph::Context;

use crate::config::{ClusterEntry, Config};
use crate::credentials::{self, Credentials};
use directory::Directory;

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
            "give it --controller-secrets-dir=<directory> with the files `{cluster}/userID` and \
             `{cluster}/userKey`"
        ),
    }
}

/// Where the driver's own credentials come from.
#[derive(Debug, Default)]
pub struct OwnCredentials {
    directory: Option<Directory>,
}

impl OwnCredentials {
    /// From `directory`, which has a directory per clusterID, with files as a mounted Secret has.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Self {
            directory: directory.map(Directory::new),
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
    #[expect(
        clippy::unused_async,
        reason = "so that credentials can come from elsewhere too"
    )]
    pub async fn get(&self, _cx: &Context, cluster: &ClusterEntry) -> Result<Credentials, Error> {
        if let Some(directory) = &self.directory
            && directory.has(&cluster.cluster_id)
        {
            return directory.read(&cluster.cluster_id);
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
    }
}
