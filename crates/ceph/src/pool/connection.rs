//! A connection with what is known about its cluster.

use std::sync::Arc;

use crate::filesystem::{Cache, Filesystem, Wanted};
use crate::mgr::MgrVolumes;
use crate::{Clones, Cluster, Context, Error, ErrorKind, Quiesce, Result, Snapshots, Subvolumes};

/// One cluster as one cephx user.
#[derive(Debug)]
pub struct Connection {
    cluster: Arc<dyn Cluster>,
    volumes: Arc<MgrVolumes>,
    filesystems: Arc<Cache>,
}

impl Connection {
    /// A connection over `cluster` that makes volumes with manager commands.
    pub fn new(cluster: Arc<dyn Cluster>) -> Self {
        let filesystems = Arc::<Cache>::default();
        let known = Arc::clone(&filesystems);
        Self {
            volumes: Arc::new(MgrVolumes::with(Arc::clone(&cluster), known)),
            cluster,
            filesystems,
        }
    }

    /// Objects, locks and commands.
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// Whether the user may have got capabilities since that do not count here: it was refused something, or did not
    /// see a file system.
    pub(super) fn lacks_capabilities(&self) -> bool {
        self.cluster.was_refused() || self.filesystems.has_missed()
    }

    /// Subvolume operations.
    pub fn subvolumes(&self) -> Arc<dyn Subvolumes> {
        Arc::clone(&self.volumes) as _
    }

    /// Snapshot operations.
    pub fn snapshots(&self) -> Arc<dyn Snapshots> {
        Arc::clone(&self.volumes) as _
    }

    /// Clone operations.
    pub fn clones(&self) -> Arc<dyn Clones> {
        Arc::clone(&self.volumes) as _
    }

    /// Quiesce operations.
    pub fn quiesce(&self) -> Arc<dyn Quiesce> {
        Arc::clone(&self.volumes) as _
    }

    /// The file system `name`, from memory if it was seen in the last ten minutes.
    ///
    /// # Errors
    /// `NotFound` if this user sees none of that name; it names those that it sees.
    pub async fn filesystem(&self, cx: &Context, name: &str) -> Result<Filesystem> {
        let wanted = Wanted::Named(name);
        self.filesystems.find(&*self.cluster, cx, wanted).await
    }

    /// Looks anew whether the file system has its name still. The manager goes by names: what it finds absent is
    /// absent only if this is so.
    ///
    /// # Errors
    /// `FilesystemNotFound` if it has another one, or is gone.
    pub async fn confirm(&self, cx: &Context, filesystem: &Filesystem) -> Result<()> {
        self.filesystems.forget();
        let (name, id) = (&filesystem.name, filesystem.id);
        let detail = match self.filesystem_with_id(cx, id).await {
            Ok(now) if now.name == *name => return Ok(()),
            Ok(now) => format!("the one with id {id} is called `{}` by now", now.name),
            Err(error) if error.is_not_found() => error.to_string(),
            Err(error) => return Err(error),
        };
        let call = format!("file system `{name}`");
        Err(Error::new(ErrorKind::FilesystemNotFound, call, detail))
    }

    /// The file system with the fscid `id`; otherwise as [`Self::filesystem`].
    ///
    /// # Errors
    /// As [`Self::filesystem`]; but `PermissionDenied` if this user sees no file system at all. Capabilities name
    /// file systems: one that was given another name looks to their users as if it were gone.
    pub async fn filesystem_with_id(&self, cx: &Context, id: i64) -> Result<Filesystem> {
        let wanted = Wanted::WithId(id);
        self.filesystems.find(&*self.cluster, cx, wanted).await
    }
}
