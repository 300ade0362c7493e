//! With which credentials a request is served that may carry none.

use ceph::Context;

use super::Controller;
use crate::config::{self, ClusterEntry};
use crate::credentials::{Credentials, Secrets};
use crate::error::Error;
use crate::ids::VolumeId;

impl Controller {
    /// All clusters of config.json, at least one.
    ///
    /// # Errors
    /// [`Error::NotReady`].
    pub(super) fn clusters(&self) -> Result<Vec<ClusterEntry>, Error> {
        let config = self.backend.config();
        let clusters = config.all().map_err(Error::NotReady)?;
        if clusters.is_empty() {
            let path = config.path().to_owned();
            return Err(Error::NotReady(config::Error::NoClusters { path }));
        }
        Ok(clusters)
    }

    /// Those in `secrets`; without secrets the driver's own ones for `cluster`.
    ///
    /// # Errors
    /// [`Error::Credentials`], [`Error::OwnCredentials`].
    pub(super) async fn credentials(
        &self,
        cx: &Context,
        cluster: &ClusterEntry,
        secrets: &Secrets,
    ) -> Result<Credentials, Error> {
        if secrets.is_empty() {
            Ok(self.own.get(cx, cluster).await?)
        } else {
            Ok(Credentials::from_secrets(secrets)?)
        }
    }

    /// The same for the cluster of the volume `id`.
    ///
    /// # Errors
    /// [`Error::NotDynamic`], [`Error::ConfigOf`], and those of [`Self::credentials`].
    pub(super) async fn credentials_for(
        &self,
        cx: &Context,
        id: &str,
        secrets: &Secrets,
    ) -> Result<Credentials, Error> {
        let decoded = VolumeId::decode(id).map_err(Error::NotDynamic)?;
        let cluster = self.backend.cluster_of(&decoded)?;
        self.credentials(cx, &cluster, secrets).await
    }
}
