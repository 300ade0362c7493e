//! How a volume is, from what the monitors say of its file system and its pools.
//!
//! | reason | status | when |
//! |---|---|---|
//! | `FilesystemOffline` | INACCESSIBLE | no metadata server serves the file system |
//! | `FilesystemDegraded` | DEGRADED | not all of its ranks are served |
//! | `MetadataDamaged` | INACCESSIBLE if a rank cannot be served for it, else DEGRADED | damage has been found |
//! | `DataUnavailable` | INACCESSIBLE | placement groups of its pools cannot be read |
//! | `ObjectsUnfound` | INACCESSIBLE | the only copies of objects are on disks that are away |
//! | `DataInconsistent` | DEGRADED | copies of objects differ |
//! | `PoolFull` | DEGRADED | nothing can be written: disks or quota of a pool are used up |
//! | `SubvolumeMissing` | INACCESSIBLE | the journal knows the volume, and its subvolume is not there, but for snapshots |
//! | `JournalUnreadable` | DEGRADED | the volume's journal record cannot be read |
//!
//! Reasons do not change between releases. Redundancy that Ceph is restoring by itself is no ailment.

use std::collections::BTreeSet;

use ceph::Filesystem;
use ceph::filesystem::Ranks;
use ceph::health::Report;
use csi_proto::v1::VolumeHealthErrorType::{self as Status, Degraded, Inaccessible};

use crate::ailment::Ailment;

/// Complaints of the cluster that are about pools.
const POOL_CHECKS: [(&str, Status, &str); 3] = [
    ("PG_AVAILABILITY", Inaccessible, "DataUnavailable"),
    ("OBJECT_UNFOUND", Inaccessible, "ObjectsUnfound"),
    ("PG_DAMAGED", Degraded, "DataInconsistent"),
];

/// Whether nothing of the file system can be reached, not even by the manager: its commands would hang.
pub(super) fn is_offline(report: &Report, fs: &Filesystem) -> bool {
    ranks(report, fs).is_none_or(|ranks| !ranks.active.contains_key(&0))
}

/// What is wrong with a volume of `fs` whose data is in `data_pool`, `None` for the default one.
pub(super) fn ailments(report: &Report, fs: &Filesystem, data_pool: Option<&str>) -> Vec<Ailment> {
    let mut ailments = Vec::new();
    if let Some(ranks) = ranks(report, fs) {
        ailments.extend(of_ranks(report, &fs.name, ranks));
    }
    let data_pool = match data_pool {
        Some(name) => report
            .pools
            .iter()
            .find(|pool| pool.name == name)
            .map(|pool| pool.id),
        None => fs.data_pools.first().copied(),
    };
    let pools: BTreeSet<i64> = data_pool.into_iter().chain([fs.metadata_pool]).collect();
    for (code, status, reason) in POOL_CHECKS {
        let mut checks = report.checks.iter().filter(|check| check.code == code);
        let message = checks.find(|check| !check.pools().is_disjoint(&pools));
        if let Some(check) = message {
            let message = format!("{}; `ceph health detail` has more", check.summary);
            ailments.push(ailment(status, reason, message));
        }
    }
    let mut full = report
        .pools
        .iter()
        .filter(|pool| pool.full && pools.contains(&pool.id));
    if let Some(pool) = full.next() {
        let message = format!("pool `{}` is full, so nothing can be written", pool.name);
        ailments.push(ailment(Degraded, "PoolFull", message));
    }
    ailments
}

/// The subvolume of a volume is not there.
pub(super) fn missing(error: &ceph::Error) -> Ailment {
    let message = format!("the volume's subvolume is missing: {}", error.detail);
    ailment(Inaccessible, "SubvolumeMissing", message)
}

/// The journal's record of a volume cannot be read.
pub(super) fn unreadable(error: &crate::journal::Error) -> Ailment {
    ailment(Degraded, "JournalUnreadable", error.to_string())
}

fn ranks<'a>(report: &'a Report, fs: &Filesystem) -> Option<&'a Ranks> {
    let mut states = report.filesystems.iter();
    let state = states.find(|state| state.filesystem.id == fs.id)?;
    Some(&state.ranks)
}

fn of_ranks(report: &Report, fs: &str, ranks: &Ranks) -> Vec<Ailment> {
    let mut ailments = Vec::new();
    if !ranks.damaged.is_empty() {
        let ranks = &ranks.damaged;
        let message = format!("metadata of file system `{fs}` is damaged, of ranks {ranks:?}");
        ailments.push(ailment(Inaccessible, "MetadataDamaged", message));
    }
    let damage = report
        .checks
        .iter()
        .filter(|check| check.code == "MDS_DAMAGE");
    let mut damage = damage.filter(|check| ranks.active.values().any(|name| check.names_mds(name)));
    if let Some(check) = damage.next() {
        let message = format!("file system `{fs}`: {}", check.summary);
        ailments.push(ailment(Degraded, "MetadataDamaged", message));
    }
    let served = ranks
        .wanted
        .iter()
        .filter(|rank| ranks.active.contains_key(rank));
    let (served, wanted) = (served.count(), ranks.wanted.len());
    if served == 0 {
        let message = format!("file system `{fs}` has no active metadata server");
        ailments.push(ailment(Inaccessible, "FilesystemOffline", message));
    } else if served < wanted {
        let message = format!("file system `{fs}` has {served} of {wanted} metadata servers");
        ailments.push(ailment(Degraded, "FilesystemDegraded", message));
    }
    ailments
}

fn ailment(status: Status, reason: &'static str, message: String) -> Ailment {
    Ailment {
        status,
        reason,
        message,
    }
}

#[cfg(test)]
mod tests {
    use ceph::filesystem::FilesystemState;
    use ceph::health::Check;
    use ceph::storage::StoragePool;

    use super::*;

    fn fs() -> Filesystem {
        Filesystem {
            name: "fs".to_owned(),
            id: 1,
            metadata_pool: 1,
            data_pools: vec![2, 3],
        }
    }

    fn pool(id: i64, name: &str) -> StoragePool {
        StoragePool {
            id,
            name: name.to_owned(),
            full: false,
        }
    }

    fn healthy() -> Report {
        let ranks = Ranks {
            wanted: [0, 1].into(),
            active: [(0, "a".to_owned()), (1, "b".to_owned())].into(),
            damaged: [].into(),
        };
        let filesystem = fs();
        Report {
            filesystems: vec![FilesystemState { filesystem, ranks }],
            pools: vec![
                pool(1, "meta"),
                pool(2, "data"),
                pool(3, "fast"),
                pool(4, "rbd"),
            ],
            checks: Vec::new(),
        }
    }

    fn check(code: &str, detail: &str) -> Check {
        Check {
            code: code.to_owned(),
            summary: format!("summary of {code}"),
            details: vec!["unrelated".to_owned(), detail.to_owned()],
        }
    }

    /// Status and reason of what is wrong with volumes in the default pool and in `fast`.
    fn found(change: impl Fn(&mut Report)) -> [Vec<(Status, &'static str)>; 2] {
        let mut report = healthy();
        change(&mut report);
        [None, Some("fast")].map(|pool| {
            let ailments = ailments(&report, &fs(), pool);
            ailments
                .iter()
                .map(|found| (found.status, found.reason))
                .collect()
        })
    }

    #[test]
    fn a_healthy_cluster_has_healthy_volumes() {
        assert_eq!(found(|_| {}), [vec![], vec![]]);
    }

    #[test]
    fn metadata_servers_matter_to_all_volumes() {
        fn of(change: impl Fn(&mut Ranks)) -> Vec<(Status, &'static str)> {
            let [one, other] = found(|report| change(&mut report.filesystems[0].ranks));
            assert_eq!(one, other);
            one
        }
        let offline = (Inaccessible, "FilesystemOffline");
        let degraded = (Degraded, "FilesystemDegraded");
        assert_eq!(of(|ranks| ranks.active.clear()), [offline]);
        assert_eq!(of(|ranks| *ranks = Ranks::default()), [offline]);
        assert_eq!(of(|ranks| drop(ranks.active.remove(&1))), [degraded]);
        let damaged = of(|ranks| {
            ranks.active.remove(&1);
            ranks.damaged.insert(1);
        });
        assert_eq!(damaged, [(Inaccessible, "MetadataDamaged"), degraded]);
        let damage =
            |detail: &str| found(|report| report.checks = vec![check("MDS_DAMAGE", detail)]);
        let found_damage = vec![(Degraded, "MetadataDamaged")];
        assert_eq!(
            damage("mds.b(mds.1): Metadata damage detected")[0],
            found_damage
        );
        assert_eq!(damage("mds.other(mds.0): Metadata damage detected")[0], []);
    }

    #[test]
    fn pools_matter_to_the_volumes_in_them() {
        for (code, status, reason) in POOL_CHECKS {
            let expected = vec![(status, reason)];
            let of = |pg: &str| {
                let detail = format!("pg {pg} is stuck inactive for 62s");
                found(|report| report.checks = vec![check(code, &detail)])
            };
            assert_eq!(of("1.7"), [expected.clone(), expected.clone()]);
            assert_eq!(of("2.1f"), [expected.clone(), vec![]]);
            assert_eq!(of("3.0"), [vec![], expected]);
            assert_eq!(of("4.0"), [vec![], vec![]]);
        }
        let full = |index: usize| found(|report| report.pools[index].full = true);
        let expected = vec![(Degraded, "PoolFull")];
        assert_eq!(full(0), [expected.clone(), expected.clone()]);
        assert_eq!(full(1), [expected.clone(), vec![]]);
        assert_eq!(full(2), [vec![], expected]);
        assert_eq!(full(3), [vec![], vec![]]);
    }

    #[test]
    fn the_manager_hangs_without_rank_0_and_with_no_other_cause() {
        let mut report = healthy();
        assert!(!is_offline(&report, &fs()));
        report.filesystems[0].ranks.active.remove(&1);
        assert!(!is_offline(&report, &fs()));
        report.filesystems[0].ranks.active.remove(&0);
        assert!(is_offline(&report, &fs()));
    }
}
