//! Subvolumes.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MgrVolumes;
use super::answer::{InfoAnswer, Named, bad_answer, parse};
use super::arguments::{Create, List, Remove, Resize, SetMetadata, Target};
use crate::subvolume::{CreateOptions, Info, Removal, Subvolume, Subvolumes};
use crate::{Context, Result};

#[async_trait]
impl Subvolumes for MgrVolumes {
    async fn create(&self, cx: &Context, at: &Subvolume, options: &CreateOptions) -> Result<()> {
        let arguments = Create {
            at: Target::new(at)?,
            size: options.size,
            pool_layout: options.pool.as_deref(),
        };
        self.run(cx, "fs subvolume create", &arguments).await?;
        Ok(())
    }

    async fn path(&self, cx: &Context, at: &Subvolume) -> Result<String> {
        let prefix = "fs subvolume getpath";
        let answer = self.run(cx, prefix, &Target::new(at)?).await?;
        match std::str::from_utf8(&answer).map(str::trim_end) {
            Ok(path) if path.starts_with('/') => Ok(path.to_owned()),
            _ => Err(bad_answer(prefix, "not an absolute path")),
        }
    }

    async fn info(&self, cx: &Context, at: &Subvolume) -> Result<Info> {
        let prefix = "fs subvolume info";
        let answer = self.run(cx, prefix, &Target::new(at)?).await?;
        parse::<InfoAnswer>(prefix, &answer).map(Info::from)
    }

    async fn resize(&self, cx: &Context, at: &Subvolume, bytes: u64) -> Result<()> {
        let arguments = Resize {
            at: Target::new(at)?,
            new_size: bytes.to_string(),
            no_shrink: true,
        };
        self.run(cx, "fs subvolume resize", &arguments).await?;
        Ok(())
    }

    async fn remove(&self, cx: &Context, at: &Subvolume, removal: Removal) -> Result<()> {
        let arguments = Remove {
            at: Target::new(at)?,
            force: (removal == Removal::Force).then_some(true),
            retain_snapshots: (removal == Removal::RetainSnapshots).then_some(true),
        };
        self.run(cx, "fs subvolume rm", &arguments).await?;
        Ok(())
    }

    async fn set_metadata(
        &self,
        cx: &Context,
        at: &Subvolume,
        key: &str,
        value: &str,
    ) -> Result<()> {
        let arguments = SetMetadata::new(Target::new(at)?, key, value)?;
        self.run(cx, "fs subvolume metadata set", &arguments)
            .await?;
        Ok(())
    }

    async fn metadata(&self, cx: &Context, at: &Subvolume) -> Result<BTreeMap<String, String>> {
        let prefix = "fs subvolume metadata ls";
        let answer = self.run(cx, prefix, &Target::new(at)?).await?;
        parse(prefix, &answer)
    }

    async fn list(&self, cx: &Context, fs: &str, group: &str) -> Result<Vec<String>> {
        let prefix = "fs subvolume ls";
        let arguments = List::new(fs, group)?;
        let answer = self.run(cx, prefix, &arguments).await?;
        let entries: Vec<Named> = parse(prefix, &answer)?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }
}
