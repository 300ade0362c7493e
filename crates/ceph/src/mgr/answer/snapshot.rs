//! `fs subvolume snapshot info`.

use std::time::SystemTime;

use serde::Deserialize;

use super::{Named, bad_answer};
use crate::{Result, SnapshotInfo};

/// The answer to `fs subvolume snapshot info`.
#[derive(Deserialize)]
pub(in crate::mgr) struct SnapshotAnswer {
    created_at: String,
    #[serde(default)]
    data_pool: String,
    has_pending_clones: YesNo,
    #[serde(default)]
    pending_clones: Vec<Named>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum YesNo {
    Yes,
    No,
}

impl SnapshotAnswer {
    pub(in crate::mgr) fn info(self, prefix: &str) -> Result<SnapshotInfo> {
        let created_at = timestamp(&self.created_at);
        let bad_time = || {
            let detail = format!("`{}` is no time", self.created_at);
            bad_answer(prefix, &detail)
        };
        Ok(SnapshotInfo {
            created_at: created_at.ok_or_else(bad_time)?,
            data_pool: self.data_pool,
            has_pending_clones: self.has_pending_clones == YesNo::Yes,
            pending_clones: self.pending_clones.into_iter().map(|c| c.name).collect(),
        })
    }
}

/// `2026-11-23 23:44:52.811074`, the fraction left out when it is zero.
fn timestamp(text: &str) -> Option<SystemTime> {
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().into())
}
