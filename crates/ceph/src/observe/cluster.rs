//! A cluster whose calls an [`Observer`] is told of.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Call, Daemon, Observer, observe};
use crate::{Cluster, Command, Context, Lock, Object, ReadAnswer, ReadOp, Result, WriteOp};

pub(super) struct ObservedCluster {
    cluster: Arc<dyn Cluster>,
    observer: Arc<dyn Observer>,
}

impl ObservedCluster {
    pub(super) fn new(cluster: Arc<dyn Cluster>, observer: Arc<dyn Observer>) -> Self {
        Self { cluster, observer }
    }

    async fn call<T>(
        &self,
        of: Daemon,
        kind: &'static str,
        effect: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        observe(&*self.observer, Call { of, kind }, effect).await
    }
}

#[async_trait]
impl Cluster for ObservedCluster {
    async fn read(&self, cx: &Context, object: &Object, op: ReadOp) -> Result<ReadAnswer> {
        let (kind, read) = (op.kind(), self.cluster.read(cx, object, op));
        self.call(Daemon::Osd, kind, read).await
    }

    async fn write(&self, cx: &Context, object: &Object, op: WriteOp) -> Result<()> {
        let (kind, write) = (op.kind(), self.cluster.write(cx, object, op));
        self.call(Daemon::Osd, kind, write).await
    }

    async fn lock(&self, cx: &Context, object: &Object, lock: &Lock) -> Result<()> {
        let locking = self.cluster.lock(cx, object, lock);
        self.call(Daemon::Osd, "lock", locking).await
    }

    async fn unlock(&self, cx: &Context, object: &Object, name: &str, cookie: &str) -> Result<()> {
        let unlocking = self.cluster.unlock(cx, object, name, cookie);
        self.call(Daemon::Osd, "unlock", unlocking).await
    }

    async fn mon_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        let answer = self.cluster.mon_command(cx, command);
        self.call(Daemon::Mon, command.prefix(), answer).await
    }

    async fn mgr_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        let answer = self.cluster.mgr_command(cx, command);
        self.call(Daemon::Mgr, command.prefix(), answer).await
    }

    fn is_retired(&self) -> bool {
        self.cluster.is_retired()
    }

    fn was_refused(&self) -> bool {
        self.cluster.was_refused()
    }

    fn abandoned_calls(&self) -> usize {
        self.cluster.abandoned_calls()
    }
}

impl fmt::Debug for ObservedCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cluster.fmt(f)
    }
}
