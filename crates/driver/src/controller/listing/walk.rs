//! The way through clusters, file systems and journals.

use std::collections::{BTreeSet, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;

use ceph::Context;
use ceph::health::{self, Report};

use super::position::Position;
use crate::backend::Session;
use crate::config::ClusterEntry;
use crate::controller::Controller;
use crate::credentials::Secrets;
use crate::error::Error;
use crate::ids::{Snapshot, Volume};
use crate::journal::{self, Entry, Journal};

/// What can be listed.
pub(in crate::controller) trait Listed: journal::Kind {
    /// The journal that knows all of its kind.
    fn journal(session: &Session) -> &Journal<Self>;
}

impl Listed for Volume {
    fn journal(session: &Session) -> &Journal<Self> {
        &session.journal
    }
}

impl Listed for Snapshot {
    fn journal(session: &Session) -> &Journal<Self> {
        &session.snapshot_journal
    }
}

/// Somewhere on the way.
pub(in crate::controller) struct Walk<'a, K> {
    controller: &'a Controller,
    cx: &'a Context,
    secrets: &'a Secrets,
    /// All clusters.
    all: Vec<ClusterEntry>,
    /// Those still to come.
    clusters: VecDeque<ClusterEntry>,
    /// File systems of the present cluster, the present one first.
    filesystems: VecDeque<Arc<Stop>>,
    /// Request name of the last entry of the present file system.
    after: String,
    from: Position,
    kind: PhantomData<K>,
}

/// One file system on the way.
#[derive(Debug)]
pub(in crate::controller) struct Stop {
    /// The file system.
    pub(in crate::controller) session: Session,
    /// How its cluster is.
    pub(in crate::controller) report: Arc<Report>,
    /// The subvolume groups of other clusterIDs whose volumes are in the same journal.
    pub(super) siblings: BTreeSet<String>,
}

/// Some entries of the journal of one file system.
pub(in crate::controller) struct Batch<K> {
    /// Where.
    pub(in crate::controller) at: Arc<Stop>,
    /// Never empty.
    pub(in crate::controller) entries: Vec<Entry<K>>,
}

impl<'a, K: Listed> Walk<'a, K> {
    /// Starts after `from`. Without `secrets` the driver's own credentials are used.
    ///
    /// # Errors
    /// [`Error::NotReady`] if config.json cannot be read or has no cluster.
    pub(in crate::controller) fn new(
        controller: &'a Controller,
        cx: &'a Context,
        secrets: &'a Secrets,
        from: Position,
    ) -> Result<Self, Error> {
        let all = controller.clusters()?;
        let clusters = all
            .iter()
            .filter(|cluster| cluster.cluster_id >= from.cluster);
        Ok(Self {
            controller,
            cx,
            secrets,
            clusters: clusters.cloned().collect(),
            all,
            filesystems: VecDeque::new(),
            after: String::new(),
            from,
            kind: PhantomData,
        })
    }

    /// The next entries, at most so many; `None` at the end, and if none are wanted.
    ///
    /// # Errors
    /// [`Error::Listing`], which names the cluster.
    pub(in crate::controller) async fn next(
        &mut self,
        at_most: usize,
    ) -> Result<Option<Batch<K>>, Error> {
        if at_most == 0 {
            return Ok(None);
        }
        loop {
            if let Some(stop) = self.filesystems.front().cloned() {
                let entries = self.page(&stop, at_most).await;
                let entries = entries.map_err(|error| failed(&stop.session.cluster, error))?;
                if !entries.is_empty() {
                    return Ok(Some(Batch { at: stop, entries }));
                }
            } else if let Some(cluster) = self.clusters.pop_front() {
                let stops = self.open(&cluster).await;
                self.filesystems = stops.map_err(|error| failed(&cluster, error))?;
            } else {
                return Ok(None);
            }
        }
    }

    /// The next entries of the present file system; goes on to the next one where it ends.
    async fn page(&mut self, stop: &Stop, at_most: usize) -> Result<Vec<Entry<K>>, Error> {
        let journal = K::journal(&stop.session);
        let page = journal.page(self.cx, &self.after, at_most).await;
        let page = page.map_err(|error| stop.session.explain(error.into()))?;
        match page.next {
            Some(next) => self.after = next,
            None => {
                self.after.clear();
                self.filesystems.pop_front();
            }
        }
        Ok(page.entries)
    }

    /// The file systems of a cluster that are not before the start.
    async fn open(&mut self, cluster: &ClusterEntry) -> Result<VecDeque<Arc<Stop>>, Error> {
        let (controller, cx) = (self.controller, self.cx);
        let credentials = controller.credentials(cx, cluster, self.secrets).await?;
        let (connection, cluster) = controller
            .backend
            .open_cluster(cx, &cluster.cluster_id, &credentials)
            .await?;
        let report = health::report(&**connection.cluster(), cx).await;
        let report = Arc::new(
            report.map_err(|error| controller.backend.explain(error, &cluster, &credentials))?,
        );
        let mut filesystems: Vec<_> = report
            .filesystems
            .iter()
            .map(|state| &state.filesystem)
            .collect();
        filesystems.sort_by_key(|fs| fs.id);
        if cluster.cluster_id == self.from.cluster {
            filesystems.retain(|fs| fs.id >= self.from.fs);
            if filesystems.first().is_some_and(|fs| fs.id == self.from.fs) {
                self.after.clone_from(&self.from.name);
            }
        }
        let siblings = siblings(&self.all, &cluster);
        let stop = |fs: &ceph::Filesystem| {
            let session = controller.backend.session(
                Arc::clone(&connection),
                fs.clone(),
                cluster.clone(),
                &credentials,
            );
            Arc::new(Stop {
                session,
                report: Arc::clone(&report),
                siblings: siblings.clone(),
            })
        };
        Ok(filesystems.into_iter().map(stop).collect())
    }
}

impl Stop {
    /// Where the entry `name` is.
    pub(super) fn position(&self, name: &str) -> Position {
        Position::of(&self.session, name)
    }
}

/// One Ceph cluster can have a clusterID per subvolume group, all with the same journal.
fn siblings(all: &[ClusterEntry], cluster: &ClusterEntry) -> BTreeSet<String> {
    let monitors = |entry: &ClusterEntry| -> BTreeSet<String> {
        entry.monitors.split(',').map(str::to_owned).collect()
    };
    let own = monitors(cluster);
    let siblings = all.iter().filter(|other| {
        other.rados_namespace == cluster.rados_namespace
            && other.subvolume_group != cluster.subvolume_group
            && !monitors(other).is_disjoint(&own)
    });
    siblings
        .map(|other| other.subvolume_group.clone())
        .collect()
}

fn failed(cluster: &ClusterEntry, source: Error) -> Error {
    Error::Listing {
        cluster: cluster.cluster_id.clone(),
        source: Box::new(source),
    }
}
