//! A cluster whose calls are steps of a [`Faults`].

use std::fmt::{self, Write as _};
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use super::Faults;
use crate::{
    Cluster, Command, Context, Lock, Object, ReadAnswer, ReadOp, Result, WriteOp, WriteStep,
};

pub(super) struct FaultyCluster {
    faults: Faults,
    cluster: Arc<dyn Cluster>,
}

impl FaultyCluster {
    pub(super) fn new(faults: Faults, cluster: Arc<dyn Cluster>) -> Self {
        Self { faults, cluster }
    }

    async fn call<T>(
        &self,
        cx: &Context,
        what: &str,
        effect: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.faults.step(cx, what, effect).await?
    }
}

#[async_trait]
impl Cluster for FaultyCluster {
    async fn read(&self, cx: &Context, object: &Object, op: ReadOp) -> Result<ReadAnswer> {
        let what = format!("read {}", located(object));
        self.call(cx, &what, self.cluster.read(cx, object, op))
            .await
    }

    async fn write(&self, cx: &Context, object: &Object, op: WriteOp) -> Result<()> {
        let what = format!("write {}:{}", located(object), outline(&op));
        self.call(cx, &what, self.cluster.write(cx, object, op))
            .await
    }

    async fn lock(&self, cx: &Context, object: &Object, lock: &Lock) -> Result<()> {
        let what = format!("lock {} {}", located(object), lock.name);
        self.call(cx, &what, self.cluster.lock(cx, object, lock))
            .await
    }

    async fn unlock(&self, cx: &Context, object: &Object, name: &str, cookie: &str) -> Result<()> {
        let what = format!("unlock {} {name}", located(object));
        self.call(cx, &what, self.cluster.unlock(cx, object, name, cookie))
            .await
    }

    async fn mon_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        let what = format!("mon command `{}` {}", command.prefix(), command.json());
        self.call(cx, &what, self.cluster.mon_command(cx, command))
            .await
    }

    async fn mgr_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        let what = format!("mgr command `{}` {}", command.prefix(), command.json());
        self.call(cx, &what, self.cluster.mgr_command(cx, command))
            .await
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

impl fmt::Debug for FaultyCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyCluster")
            .field("faults", &self.faults)
            .field("cluster", &self.cluster)
            .finish()
    }
}

fn located(object: &Object) -> String {
    format!("object `{}/{}`", object.namespace, object.name)
}

/// The steps without the values that they write.
fn outline(op: &WriteOp) -> String {
    let mut outline = String::new();
    for step in &op.steps {
        // Writing to a string does not fail.
        let _ = match step {
            WriteStep::CreateExclusive => write!(outline, " create-exclusive"),
            WriteStep::Create => write!(outline, " create"),
            WriteStep::AssertExists => write!(outline, " assert-exists"),
            WriteStep::AssertVersion(version) => write!(outline, " assert-version={version}"),
            WriteStep::OmapEquals { key, .. } => write!(outline, " omap-equals={key}"),
            WriteStep::OmapSet(entries) => {
                let keys: Vec<_> = entries.keys().map(String::as_str).collect();
                write!(outline, " omap-set={}", keys.join(","))
            }
            WriteStep::OmapRemove(keys) => write!(outline, " omap-remove={}", keys.join(",")),
            WriteStep::SetXattr { name, .. } => write!(outline, " set-xattr={name}"),
            WriteStep::WriteFull(_) => write!(outline, " write-full"),
            WriteStep::Remove => write!(outline, " remove"),
        };
    }
    outline
}
