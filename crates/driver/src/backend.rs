//! The way from a clusterID to a file system's journal and subvolumes.

mod caps;

use std::sync::Arc;

use ceph::{
    Clones, Connection, Context, ErrorKind, Filesystem, Identity, Pool, Snapshot, Snapshots,
    Subvolume, Subvolumes,
};

use crate::config::{ClusterEntry, Config};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::ids::{self, Id};
use crate::journal::{Journal, Origin, Record, SnapshotRecord};
use crate::reftracker::RefTracker;

/// Opens file systems for requests; what is shared between them is connections and facts.
#[derive(Debug)]
pub struct Backend {
    config: Arc<Config>,
    pool: Pool,
    instance: String,
}

/// One file system, opened for one request with the request's credentials.
#[derive(Clone, Debug)]
pub struct Session {
    /// The connection, for what has no shorter way.
    pub connection: Arc<Connection>,
    /// The file system.
    pub filesystem: Filesystem,
    /// Its journal of volumes.
    pub journal: Journal,
    /// Its journal of snapshots.
    pub snapshot_journal: Journal<ids::Snapshot>,
    /// Its journal of group snapshots.
    pub group_journal: Journal<ids::Group>,
    /// Which volumes hold which snapshots.
    pub references: RefTracker,
    /// Its subvolumes.
    pub subvolumes: Arc<dyn Subvolumes>,
    /// Their snapshots.
    pub snapshots: Arc<dyn Snapshots>,
    /// Clones of those.
    pub clones: Arc<dyn Clones>,
    /// The cluster's entry in config.json.
    pub cluster: ClusterEntry,
    /// The cephx user.
    pub user: String,
}

impl Backend {
    /// A backend that follows `config`, connects through `pool`, and uses the journal directories of
    /// the driver instance `instance`.
    pub fn new(config: Arc<Config>, pool: Pool, instance: &str) -> Self {
        Self {
            config,
            pool,
            instance: instance.to_owned(),
        }
    }

    /// The cluster map.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The file system that a StorageClass names.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::UnknownFilesystem`], [`Error::Ceph`].
    pub async fn open_named(
        &self,
        cx: &Context,
        cluster_id: &str,
        fs_name: &str,
        credentials: &Credentials,
    ) -> Result<Session, Error> {
        let cluster = self.config.cluster(cluster_id)?;
        let connection = self.connect(cx, &cluster, credentials).await?;
        match connection.filesystem(cx, fs_name).await {
            Ok(filesystem) => Ok(self.session(connection, filesystem, cluster, credentials)),
            Err(error) if error.is_not_found() => Err(Error::UnknownFilesystem(error)),
            Err(error) => {
                let (user, group) = (&credentials.id, &cluster.subvolume_group);
                Err(caps::explain(error.into(), user, fs_name, group))
            }
        }
    }

    /// The file system of a volume or snapshot, `None` if the cluster has no such file system any more.
    ///
    /// # Errors
    /// [`Error::ConfigOf`], [`Error::Ceph`].
    pub async fn open_id<K: ids::Kind>(
        &self,
        cx: &Context,
        id: &Id<K>,
        credentials: &Credentials,
    ) -> Result<Option<Session>, Error> {
        let cluster = self.cluster_of(id)?;
        let connection = self.connect(cx, &cluster, credentials).await?;
        match connection.filesystem_with_id(cx, id.fs_id()).await {
            Ok(filesystem) => Ok(Some(self.session(
                connection,
                filesystem,
                cluster,
                credentials,
            ))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => {
                let (user, group) = (&credentials.id, &cluster.subvolume_group);
                Err(caps::explain(error.into(), user, "<file system>", group))
            }
        }
    }

    /// The entry of the cluster that a volume or snapshot is in.
    ///
    /// # Errors
    /// [`Error::ConfigOf`].
    pub fn cluster_of<K: ids::Kind>(&self, id: &Id<K>) -> Result<ClusterEntry, Error> {
        let cluster = self.config.cluster(id.cluster_id());
        cluster.map_err(|source| Error::ConfigOf {
            noun: K::NOUN,
            id: id.to_string(),
            source,
        })
    }

    /// A whole cluster, for questions that are about no single file system; with its entry.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Ceph`].
    pub async fn open_cluster(
        &self,
        cx: &Context,
        cluster_id: &str,
        credentials: &Credentials,
    ) -> Result<(Arc<Connection>, ClusterEntry), Error> {
        let cluster = self.config.cluster(cluster_id)?;
        let connection = self.connect(cx, &cluster, credentials).await?;
        Ok((connection, cluster))
    }

    /// Adds to a failure of a whole cluster how to grant missing capabilities.
    pub fn explain(
        &self,
        error: ceph::Error,
        cluster: &ClusterEntry,
        credentials: &Credentials,
    ) -> Error {
        let (user, group) = (&credentials.id, &cluster.subvolume_group);
        caps::explain(error.into(), user, "<file system>", group)
    }

    async fn connect(
        &self,
        cx: &Context,
        cluster: &ClusterEntry,
        credentials: &Credentials,
    ) -> Result<Arc<Connection>, Error> {
        let identity = Identity {
            monitors: cluster.monitors.clone(),
            user: credentials.id.clone(),
            key: credentials.key.clone(),
        };
        let (user, group) = (&credentials.id, &cluster.subvolume_group);
        let connection = self.pool.get(cx, &identity).await;
        connection.map_err(|error| caps::explain(error.into(), user, "<file system>", group))
    }

    /// A file system of an open cluster.
    pub fn session(
        &self,
        connection: Arc<Connection>,
        filesystem: Filesystem,
        cluster: ClusterEntry,
        credentials: &Credentials,
    ) -> Session {
        let objects = Arc::clone(connection.cluster());
        let namespace = &cluster.rados_namespace;
        let (pool, instance) = (filesystem.metadata_pool, &self.instance);
        let journal = Journal::new(Arc::clone(&objects), pool, namespace, instance);
        let snapshot_journal = Journal::new(Arc::clone(&objects), pool, namespace, instance);
        let group_journal = Journal::new(Arc::clone(&objects), pool, namespace, instance);
        let references = RefTracker::new(objects, pool, namespace);
        let user = credentials.id.clone();
        Session {
            subvolumes: connection.subvolumes(),
            snapshots: connection.snapshots(),
            clones: connection.clones(),
            connection,
            filesystem,
            journal,
            snapshot_journal,
            group_journal,
            references,
            cluster,
            user,
        }
    }
}

impl Session {
    /// Looks anew whether the file system has its name still: else what the manager finds absent may be there. To be
    /// asked before that is taken as gone.
    ///
    /// # Errors
    /// `FilesystemNotFound`.
    pub async fn confirm(&self, cx: &Context) -> ceph::Result<()> {
        self.connection.confirm(cx, &self.filesystem).await
    }

    /// The subvolume of a volume. Its group is the one it was made in, if we noted that: config.json
    /// may name another by now.
    pub fn subvolume(&self, record: &Record) -> Subvolume {
        let noted = record.details.as_ref().map(|details| &details.group);
        self.subvolume_in(noted, &record.subvolume)
    }

    /// The subvolume that a snapshot is of, likewise.
    pub fn source(&self, record: &SnapshotRecord) -> Subvolume {
        let noted = record.details.as_ref().map(|details| &details.group);
        self.subvolume_in(noted, &record.source)
    }

    /// The snapshot that a volume is copied from; made for the purpose if `origin` names none.
    pub fn copied(&self, record: &Record, origin: &Origin) -> Snapshot {
        let made_for_it = || record.subvolume.clone();
        Snapshot {
            of: self.copied_subvolume(origin),
            name: origin.snapshot.clone().unwrap_or_else(made_for_it),
        }
    }

    /// The subvolume that a volume is made of.
    pub fn copied_subvolume(&self, origin: &Origin) -> Subvolume {
        self.subvolume_in(Some(&origin.group), &origin.subvolume)
    }

    /// A snapshot.
    pub fn snapshot(&self, record: &SnapshotRecord) -> Snapshot {
        Snapshot {
            of: self.source(record),
            name: record.name.clone(),
        }
    }

    fn subvolume_in(&self, group: Option<&String>, name: &str) -> Subvolume {
        Subvolume {
            fs: self.filesystem.name.clone(),
            group: group.unwrap_or(&self.cluster.subvolume_group).clone(),
            name: name.to_owned(),
        }
    }

    /// Adds what is known here: how to grant missing capabilities, and why a group can be missing.
    pub fn explain(&self, error: Error) -> Error {
        match error {
            Error::Ceph(source) if source.kind == ErrorKind::GroupNotFound => {
                Error::OtherGroup(source)
            }
            Error::Begun { noun, name, source } => Error::Begun {
                noun,
                name,
                source: Box::new(self.explain(*source)),
            },
            other => {
                let (fs, group) = (&self.filesystem.name, &self.cluster.subvolume_group);
                caps::explain(other, &self.user, fs, group)
            }
        }
    }
}
