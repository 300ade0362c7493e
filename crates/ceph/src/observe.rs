//! Telling somebody of every call to Ceph: what it was, how long it took, how it ended.

mod cluster;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use self::cluster::ObservedCluster;
use crate::{Cluster, Connect, Context, ErrorKind, Identity, Result};

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Daemon {
    /// The manager.
    Mgr,
    /// The monitors.
    Mon,
    /// The OSDs.
    Osd,
}

/// What was asked of whom: few, as names of volumes and objects are not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Who was asked.
    pub of: Daemon,
    /// The command (`fs subvolume create`), or what was done to an object (`omap write`), or `connect`.
    pub kind: &'static str,
}

/// Is told of every call that has ended; must not block.
pub trait Observer: Send + Sync + fmt::Debug {
    /// `call` has taken this long. One whose caller no longer waited for it is
    /// [`TimedOut`](ErrorKind::TimedOut).
    fn ended(&self, call: Call, took: Duration, outcome: Result<(), ErrorKind>);
}

/// Makes connections whose calls an [`Observer`] is told of.
#[derive(Debug)]
pub struct Observed {
    connect: Arc<dyn Connect>,
    observer: Arc<dyn Observer>,
}

impl Observed {
    /// Tells `observer` of all that is done through the connections that `connect` makes.
    pub fn new(connect: Arc<dyn Connect>, observer: Arc<dyn Observer>) -> Self {
        Self { connect, observer }
    }
}

#[async_trait]
impl Connect for Observed {
    async fn connect(&self, cx: &Context, identity: &Identity) -> Result<Arc<dyn Cluster>> {
        let call = Call {
            of: Daemon::Mon,
            kind: "connect",
        };
        let connecting = self.connect.connect(cx, identity);
        let cluster = observe(&*self.observer, call, connecting).await?;
        Ok(Arc::new(ObservedCluster::new(
            cluster,
            Arc::clone(&self.observer),
        )))
    }
}

/// Waits for `effect`, and tells how it ended.
async fn observe<T>(
    observer: &dyn Observer,
    call: Call,
    effect: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    let mut ending = Ending {
        observer,
        call,
        started: Instant::now(),
        outcome: Err(ErrorKind::TimedOut),
    };
    let answer = effect.await;
    ending.outcome = answer.as_ref().map(drop).map_err(|error| error.kind);
    answer
}

/// Tells on its end, so also of a call whose caller goes away.
struct Ending<'a> {
    observer: &'a dyn Observer,
    call: Call,
    started: Instant,
    outcome: Result<(), ErrorKind>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.observer.ended(self.call, took, self.outcome);
    }
}
