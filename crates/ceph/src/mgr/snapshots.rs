//! Snapshots.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MgrVolumes;
use super::answer::{Named, SnapshotAnswer, parse};
use super::arguments::{SetMetadata, SnapshotTarget, Target};
use crate::{Context, Result, Snapshot, SnapshotInfo, Snapshots, Subvolume};

#[async_trait]
impl Snapshots for MgrVolumes {
    async fn create(&self, cx: &Context, at: &Snapshot) -> Result<()> {
        let arguments = SnapshotTarget::new(at)?;
        self.run(cx, "fs subvolume snapshot create", &arguments)
            .await?;
        Ok(())
    }

    async fn info(&self, cx: &Context, at: &Snapshot) -> Result<SnapshotInfo> {
        let prefix = "fs subvolume snapshot info";
        let answer = self.run(cx, prefix, &SnapshotTarget::new(at)?).await?;
        parse::<SnapshotAnswer>(prefix, &answer)?.info(prefix)
    }

    async fn list(&self, cx: &Context, of: &Subvolume) -> Result<Vec<String>> {
        let prefix = "fs subvolume snapshot ls";
        let answer = self.run(cx, prefix, &Target::new(of)?).await?;
        let entries: Vec<Named> = parse(prefix, &answer)?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }

    async fn remove(&self, cx: &Context, at: &Snapshot) -> Result<()> {
        // Without `force`, which would make an absent group look like a removed snapshot.
        let arguments = SnapshotTarget::new(at)?;
        self.run(cx, "fs subvolume snapshot rm", &arguments).await?;
        Ok(())
    }

    async fn set_metadata(
        &self,
        cx: &Context,
        at: &Snapshot,
        key: &str,
        value: &str,
    ) -> Result<()> {
        let arguments = SetMetadata::new(SnapshotTarget::new(at)?, key, value)?;
        self.run(cx, "fs subvolume snapshot metadata set", &arguments)
            .await?;
        Ok(())
    }

    async fn metadata(&self, cx: &Context, at: &Snapshot) -> Result<BTreeMap<String, String>> {
        let prefix = "fs subvolume snapshot metadata ls";
        let answer = self.run(cx, prefix, &SnapshotTarget::new(at)?).await?;
        parse(prefix, &answer)
    }
}
