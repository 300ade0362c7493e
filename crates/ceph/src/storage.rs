//! The pools that file systems store their data in, as the monitors tell of them.

use serde::Deserialize;

use crate::mon::{self, DETAIL, NoArguments};
use crate::{Cluster, Context, Result};

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoragePool {
    /// Id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Whether writes are refused: its disks, or its quota, are used up.
    pub full: bool,
}

/// How much fits into a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Id of the pool.
    pub pool: i64,
    /// Bytes that can still be written, replication taken into account.
    pub available: u64,
}

/// All pools of the cluster (monitor command `osd pool ls detail`).
///
/// # Errors
/// Those of the command.
pub async fn pools(cluster: &dyn Cluster, cx: &Context) -> Result<Vec<StoragePool>> {
    let pools: Vec<Detailed> = mon::ask(cluster, cx, "osd pool ls", &DETAIL).await?;
    Ok(pools.into_iter().map(StoragePool::from).collect())
}

/// The room in all pools of the cluster (monitor command `df`), some seconds old.
///
/// # Errors
/// Those of the command.
pub async fn room(cluster: &dyn Cluster, cx: &Context) -> Result<Vec<Room>> {
    let usage: Usage = mon::ask(cluster, cx, "df", &NoArguments {}).await?;
    Ok(usage.pools.into_iter().map(Room::from).collect())
}

#[derive(Deserialize)]
struct Detailed {
    // Pacific says `pool_id`; the same entry of `osd dump` says `pool`.
    #[serde(alias = "pool")]
    pool_id: i64,
    pool_name: String,
    flags_names: String,
}

impl From<Detailed> for StoragePool {
    fn from(pool: Detailed) -> Self {
        Self {
            id: pool.pool_id,
            name: pool.pool_name,
            full: pool.flags_names.split(',').any(|flag| flag == "full"),
        }
    }
}

#[derive(Deserialize)]
struct Usage {
    pools: Vec<PoolUsage>,
}

#[derive(Deserialize)]
struct PoolUsage {
    id: i64,
    stats: Stats,
}

#[derive(Deserialize)]
struct Stats {
    max_avail: u64,
}

impl From<PoolUsage> for Room {
    fn from(usage: PoolUsage) -> Self {
        Self {
            pool: usage.id,
            available: usage.stats.max_avail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_ceph_16_are_understood() {
        let pool = |id, name: &str, full| StoragePool {
            id,
            name: name.to_owned(),
            full,
        };
        let answers: [(&[u8], bool); 2] = [
            (
                include_bytes!("../fixtures/16.2.15/osd_pool_ls_detail.json"),
                false,
            ),
            (
                include_bytes!("../fixtures/16.2.15/osd_pool_ls_detail_full.json"),
                true,
            ),
        ];
        for (answer, full) in answers {
            let pools: Vec<Detailed> = mon::parse("osd pool ls", answer).unwrap();
            let pools: Vec<_> = pools.into_iter().map(StoragePool::from).collect();
            let expected = [
                pool(1, "cephfs-data", full),
                pool(2, "cephfs-metadata", false),
            ];
            assert_eq!(pools, expected);
        }
        let answer = include_bytes!("../fixtures/16.2.15/df.json");
        let usage: Usage = mon::parse("df", answer).unwrap();
        let room: Vec<_> = usage.pools.into_iter().map(Room::from).collect();
        let room_of = |pool| Room {
            pool,
            available: 20_387_405_824,
        };
        assert_eq!(room, [room_of(1), room_of(2)]);
    }
}
