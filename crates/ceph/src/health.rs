//! What the monitors say about the health of a cluster and its file systems.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::filesystem::{self, FilesystemState};
use crate::mon::{self, DETAIL};
use crate::storage::{self, StoragePool};
use crate::{Cluster, Context, Result};

/// All that the monitors know of what can keep a volume from working.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The file systems that the user may see.
    pub filesystems: Vec<FilesystemState>,
    /// All pools of the cluster.
    pub pools: Vec<StoragePool>,
    /// What the cluster complains of.
    pub checks: Vec<Check>,
}

/// A complaint of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What kind of complaint, e.g. `PG_AVAILABILITY`.
    pub code: String,
    /// One sentence.
    pub summary: String,
    /// A sentence for each daemon, placement group or file system that it is about; Ceph cuts the list
    /// off at about fifty.
    pub details: Vec<String>,
}

/// The state of the file systems, the pools and the cluster, by three monitor commands.
///
/// # Errors
/// Those of the commands.
pub async fn report(cluster: &dyn Cluster, cx: &Context) -> Result<Report> {
    let (filesystems, pools, checks) = futures::try_join!(
        filesystem::states(cluster, cx),
        storage::pools(cluster, cx),
        checks(cluster, cx),
    )?;
    Ok(Report {
        filesystems,
        pools,
        checks,
    })
}

/// What the cluster complains of (monitor command `health detail`).
///
/// # Errors
/// Those of the command.
pub async fn checks(cluster: &dyn Cluster, cx: &Context) -> Result<Vec<Check>> {
    let health: Health = mon::ask(cluster, cx, "health", &DETAIL).await?;
    Ok(health.into())
}

impl Check {
    /// Ids of the pools whose placement groups the details name, as in `pg 3.1f is stuck inactive`.
    pub fn pools(&self) -> BTreeSet<i64> {
        let pools = self.details.iter().filter_map(|detail| {
            let mut group = detail.split_whitespace().skip_while(|word| *word != "pg");
            let (pool, _) = group.nth(1)?.split_once('.')?;
            pool.parse().ok()
        });
        pools.collect()
    }

    /// Whether the details name the metadata server `name`, as in `mds.a(mds.0): ...`.
    pub fn names_mds(&self, name: &str) -> bool {
        let start = format!("mds.{name}(");
        self.details.iter().any(|detail| detail.starts_with(&start))
    }
}

#[derive(Deserialize)]
struct Health {
    checks: BTreeMap<String, CheckAnswer>,
}

#[derive(Deserialize)]
struct CheckAnswer {
    summary: Message,
    #[serde(default)]
    detail: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl From<Health> for Vec<Check> {
    fn from(health: Health) -> Self {
        let check = |(code, answer): (String, CheckAnswer)| Check {
            code,
            summary: answer.summary.message,
            details: answer
                .detail
                .into_iter()
                .map(|detail| detail.message)
                .collect(),
        };
        health.checks.into_iter().map(check).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &[u8]) -> Vec<Check> {
        mon::parse::<Health>("health", answer).unwrap().into()
    }

    #[test]
    fn answers_of_ceph_16_are_understood() {
        let healthy = include_bytes!("../fixtures/16.2.15/health_detail.json");
        assert_eq!(read(healthy), []);
        let checks = read(include_bytes!(
            "../fixtures/16.2.15/health_detail_unavailable.json"
        ));
        let check = |code: &str| checks.iter().find(|check| check.code == code).unwrap();
        let unavailable = check("PG_AVAILABILITY");
        assert!(
            unavailable.summary.starts_with("Reduced data availability"),
            "{unavailable:?}"
        );
        assert_eq!(unavailable.pools(), BTreeSet::from([1, 2]));
        assert!(!unavailable.names_mds("a"));
    }

    #[test]
    fn details_name_metadata_servers() {
        let detail =
            "mds.a(mds.0): 1 slow metadata IOs are blocked > 30 secs, oldest blocked for 34 secs";
        let check = Check {
            code: "MDS_SLOW_METADATA_IO".to_owned(),
            summary: "1 MDSs report slow metadata IOs".to_owned(),
            details: vec![detail.to_owned()],
        };
        assert!(check.names_mds("a"));
        assert!(!check.names_mds("b") && !check.names_mds("") && !check.names_mds("a(mds.0"));
        assert_eq!(check.pools(), BTreeSet::new());
    }
}
