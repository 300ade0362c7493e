//! GetCapacity: how much still fits into the data pool that a StorageClass leads to.
//!
//! The parameters may name less than a StorageClass has to: then all clusters, or all file systems of the
//! cluster, are meant, and the answer is the pool with the most room. A sum would count disks twice that
//! pools share, and a volume lies in one pool anyway.
//!
//! | code | when |
//! |---|---|
//! | OK, 0 | the capabilities are none that CephFS volumes have |
//! | INVALID_ARGUMENT | the clusterID, file system or pool of the parameters is not there |
//! | FAILED_PRECONDITION | the driver has no credentials of its own for the cluster |
//! | ABORTED | Ceph has no figures of the pool yet |
//! | PERMISSION_DENIED, UNAVAILABLE, DEADLINE_EXCEEDED | the cluster does not tell |

use std::collections::BTreeMap;

use ceph::{Context, ErrorKind, Filesystem, storage};
use csi_proto::v1::{GetCapacityRequest, GetCapacityResponse};

use super::Controller;
use crate::config::ClusterEntry;
use crate::credentials::Secrets;
use crate::error::Error;
use crate::request::{self, Capability};

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    request: &GetCapacityRequest,
) -> Result<GetCapacityResponse, Error> {
    let capabilities = &request.volume_capabilities;
    let served = capabilities.is_empty() || Capability::parse_all(capabilities).is_ok();
    let wanted = Wanted::parse(&request.parameters)?;
    let mut available = 0;
    if served {
        for cluster in controller.wanted_clusters(wanted.cluster)? {
            let room = controller.room(cx, &cluster, &wanted).await;
            let room = room.map_err(|source| Error::Listing {
                cluster: cluster.cluster_id,
                source: Box::new(source),
            });
            available = available.max(room?);
        }
    }
    Ok(GetCapacityResponse {
        available_capacity: i64::try_from(available).unwrap_or(i64::MAX),
        ..GetCapacityResponse::default()
    })
}

/// What the parameters say of where a volume is to be.
struct Wanted<'a> {
    cluster: Option<&'a str>,
    fs: Option<&'a str>,
    pool: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn parse(parameters: &'a BTreeMap<String, String>) -> Result<Self, request::Error> {
        Ok(Self {
            cluster: request::optional(parameters, "clusterID")?,
            fs: request::optional(parameters, "fsName")?,
            pool: request::optional(parameters, "pool")?,
        })
    }
}

impl Controller {
    fn wanted_clusters(&self, id: Option<&str>) -> Result<Vec<ClusterEntry>, Error> {
        match id {
            Some(id) => Ok(vec![self.backend.config().cluster(id)?]),
            None => self.clusters(),
        }
    }

    /// The bytes that fit into the best of the wanted pools of a cluster.
    async fn room(
        &self,
        cx: &Context,
        cluster: &ClusterEntry,
        wanted: &Wanted<'_>,
    ) -> Result<u64, Error> {
        let credentials = self.credentials(cx, cluster, &Secrets::new()).await?;
        let (connection, cluster) = self
            .backend
            .open_cluster(cx, &cluster.cluster_id, &credentials)
            .await?;
        let explain = |error| self.backend.explain(error, &cluster, &credentials);
        let ceph = &**connection.cluster();
        let filesystems = match wanted.fs {
            Some(name) => {
                let session = self
                    .backend
                    .open_named(cx, &cluster.cluster_id, name, &credentials);
                vec![session.await?.filesystem]
            }
            None => ceph::filesystem::list(ceph, cx).await.map_err(explain)?,
        };
        let room = storage::room(ceph, cx).await.map_err(explain)?;
        let pools = match wanted.pool {
            Some(name) => {
                let all = storage::pools(ceph, cx).await.map_err(explain)?;
                vec![pool_named(name, &all, &filesystems)?]
            }
            None => filesystems
                .iter()
                .filter_map(|fs| fs.data_pools.first().copied())
                .collect(),
        };
        let told = room.iter().filter(|room| pools.contains(&room.pool));
        match told.map(|room| room.available).max() {
            Some(available) => Ok(available),
            None if pools.is_empty() => Ok(0),
            None => Err(not_counted().into()),
        }
    }
}

/// A pool that has just been made is in no figures for some seconds: what fits into it is not known then.
fn not_counted() -> ceph::Error {
    let detail = "it has no figures of the pool yet; they come some seconds after a pool is made";
    ceph::Error::new(ErrorKind::Busy, "mon command `df`", detail)
}

fn pool_named(
    name: &str,
    pools: &[storage::StoragePool],
    filesystems: &[Filesystem],
) -> Result<i64, request::Error> {
    let is_data = |id: &i64| filesystems.iter().any(|fs| fs.data_pools.contains(id));
    let data_pools = || pools.iter().filter(|pool| is_data(&pool.id));
    let found = data_pools().find(|pool| pool.name == name);
    found.map(|pool| pool.id).ok_or_else(|| {
        let names: Vec<_> = data_pools().map(|pool| &*pool.name).collect();
        let why = format!("`{name}` is no data pool; there are: {}", names.join(", "));
        request::Error::invalid("parameters.pool", why)
    })
}
