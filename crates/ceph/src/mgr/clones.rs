//! Clones.

use async_trait::async_trait;

use super::MgrVolumes;
use super::answer::{CloneAnswer, parse};
use super::arguments::{Clone, CloneTarget};
use crate::{CloneStatus, Clones, Context, Result, Snapshot, Subvolume};

#[async_trait]
impl Clones for MgrVolumes {
    async fn start(
        &self,
        cx: &Context,
        from: &Snapshot,
        to: &Subvolume,
        pool: Option<&str>,
    ) -> Result<()> {
        let arguments = Clone::new(from, to, pool)?;
        self.run(cx, "fs subvolume snapshot clone", &arguments)
            .await?;
        Ok(())
    }

    async fn status(&self, cx: &Context, at: &Subvolume) -> Result<CloneStatus> {
        let prefix = "fs clone status";
        let answer = self.run(cx, prefix, &CloneTarget::new(at)?).await?;
        parse::<CloneAnswer>(prefix, &answer)?.status(prefix)
    }

    async fn cancel(&self, cx: &Context, at: &Subvolume) -> Result<()> {
        self.run(cx, "fs clone cancel", &CloneTarget::new(at)?)
            .await?;
        Ok(())
    }
}
