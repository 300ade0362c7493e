//! Why a client gets no mount, heard from the cluster by another way than the client's.
//!
//! ceph-fuse goes on trying for as long as it is given while one address of a monitor does not answer, whatever
//! the others say of its key; and the kernel's client says the same of a file system that is not there as of one
//! without a metadata server. So where a mount takes long, or fails like that, the cluster is asked through
//! librados, which a node has loaded for no other reason.

use std::sync::Arc;
use std::time::Duration;

use ceph::{Connect, Connection, Context, ErrorKind, Identity};
use tokio::sync::Mutex;
use tokio::time::timeout_at;

use super::CephFs;
use super::failure::Cause;

#[cfg(test)]
mod tests;

/// A client that has not mounted after this time is suspected to be refused: on a machine that is not busy it
/// takes some tenths of a second. Where the cluster tells nothing it is asked again, each time after twice as long.
const SUSPICION: Duration = Duration::from_secs(3);

/// How long the cluster may take to answer: enough to ask each monitor by itself, where not all of them are heard
/// from. While the cluster is out of reach, nothing is.
const LIMIT: Duration = Duration::from_secs(12);

/// Somebody else to ask why there is no mount.
#[derive(Clone, Debug)]
pub struct Witness {
    connect: Arc<dyn Connect>,
    /// Held while the cluster is asked. A connection has a dozen threads, and an outage many mounts that wait.
    turn: Arc<Mutex<()>>,
}

impl Witness {
    /// Asks over connections of its own, made by `connect`: one that is there already was let in earlier, and tells
    /// nothing of whether the key is accepted now.
    pub fn new(connect: Arc<dyn Connect>) -> Self {
        Self {
            connect,
            turn: Arc::default(),
        }
    }

    /// What keeps `fs` from being mounted; `None` if the cluster does not tell.
    pub(super) async fn cause(&self, cx: &Context, fs: &CephFs) -> Option<Cause> {
        if fs.net_namespace.is_some() {
            return None; // there, not here, the cluster can be reached
        }
        let turn = timeout_at(cx.deadline().into(), self.turn.lock()).await;
        let _turn = turn.ok()?;
        let cx = cx.at_most(LIMIT);
        let identity = Identity {
            monitors: fs.monitors.clone(),
            user: fs.user.clone(),
            key: fs.key.clone(),
        };
        let cluster = match self.connect.connect(&cx, &identity).await {
            Ok(cluster) => cluster,
            Err(error) if error.kind == ErrorKind::PermissionDenied => {
                return Some(Cause::Rejected);
            }
            Err(_) => return None,
        };
        let name = fs.name.as_deref()?;
        let found = Connection::new(cluster).filesystem(&cx, name).await;
        let is_absent = found.is_err_and(|error| error.is_not_found());
        is_absent.then_some(Cause::NoFileSystem)
    }

    /// The same of a mount that has begun, once it takes long. Never ends if there is nothing to tell.
    pub(super) async fn suspicion(&self, cx: &Context, fs: &CephFs) -> Cause {
        let mut pause = SUSPICION;
        loop {
            tokio::time::sleep(pause).await;
            if let Some(cause) = self.cause(cx, fs).await {
                return cause;
            }
            pause *= 2;
        }
    }
}
