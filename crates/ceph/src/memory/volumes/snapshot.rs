//! `fs subvolume snapshot ...`

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::State;
use super::super::client::{Errno, Refusal};
use super::arguments::Arguments;
use super::subvolume::{Stage, Use};
use super::{Answer, metadata};

/// A snapshot as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotState {
    /// When it was made.
    pub created_at: jiff::civil::DateTime,
    /// Quota of the subvolume when it was made.
    pub quota: Option<u64>,
    /// Bytes used when it was made.
    pub used: u64,
    /// Data pool of the subvolume.
    pub data_pool: String,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

impl State {
    pub(super) fn create_snapshot(&mut self, arguments: &Arguments) -> Answer {
        let limit = self.snapshot_limit;
        let name = arguments.text("snap_name")?;
        let subvolume = self.subvolume(arguments, "snap-create")?;
        if subvolume.snapshots.len() >= limit {
            let (group, of) = (arguments.group(), arguments.text("sub_name")?);
            let text = format!("error in mkdir /volumes/{group}/{of}/.snap/{name}");
            return Err(Refusal::new(Errno::TooManyLinks, text));
        }
        if subvolume.snapshots.contains_key(name) {
            return Ok(String::new());
        }
        let snapshot = SnapshotState {
            created_at: jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()),
            quota: subvolume.quota,
            used: subvolume.used,
            data_pool: subvolume.data_pool.clone(),
            metadata: BTreeMap::new(),
        };
        subvolume.snapshots.insert(name.to_owned(), snapshot);
        Ok(String::new())
    }

    pub(super) fn remove_snapshot(&mut self, arguments: &Arguments) -> Answer {
        let name = arguments.text("snap_name")?;
        if !self.clones_of(arguments, name)?.is_empty() {
            let text = format!("snapshot '{name}' has pending clones");
            return Err(Refusal::new(Errno::Again, text));
        }
        let subvolume = self.opened(arguments, "sub_name", Use::Retained, "snap-rm")?;
        if subvolume.snapshots.remove(name).is_none() {
            return Err(absent(&format!("b'{name}'")));
        }
        if subvolume.stage == Stage::Retained && subvolume.snapshots.is_empty() {
            let group = self.volume(arguments)?.group(arguments.group())?;
            group.remove(arguments.text("sub_name")?);
        }
        Ok(String::new())
    }

    pub(super) fn snapshot_info(&mut self, arguments: &Arguments) -> Answer {
        let name = arguments.text("snap_name")?;
        let pending = self.clones_of(arguments, name)?;
        let snapshot = self.snapshot(arguments, Use::Retained, "snap-info")?;
        let created_at = snapshot.created_at.strftime("%Y-%m-%d %H:%M:%S%.6f");
        let mut answer = json!({
            "created_at": created_at.to_string(),
            "data_pool": snapshot.data_pool,
            "has_pending_clones": if pending.is_empty() { "no" } else { "yes" },
        });
        if !pending.is_empty()
            && let Some(answer) = answer.as_object_mut()
        {
            let details = pending
                .iter()
                .map(|at| json!({ "name": at.name, "target_group": at.group }));
            answer.insert("pending_clones".to_owned(), details.collect());
        }
        Ok(answer.to_string())
    }

    pub(super) fn list_snapshots(&mut self, arguments: &Arguments) -> Answer {
        let subvolume = self.opened(arguments, "sub_name", Use::Retained, "snap-ls")?;
        let names = subvolume.snapshots.keys();
        let entries = names.map(|name| json!({ "name": name }));
        Ok(entries.collect::<Value>().to_string())
    }

    pub(super) fn set_snapshot_metadata(&mut self, arguments: &Arguments) -> Answer {
        let snapshot = self.snapshot(arguments, Use::Complete, "snap-metadata-set")?;
        metadata::set(arguments, &mut snapshot.metadata)
    }

    pub(super) fn get_snapshot_metadata(&mut self, arguments: &Arguments) -> Answer {
        let snapshot = self.snapshot(arguments, Use::Complete, "snap-metadata-get")?;
        metadata::get(arguments, &snapshot.metadata)
    }

    pub(super) fn list_snapshot_metadata(&mut self, arguments: &Arguments) -> Answer {
        let snapshot = self.snapshot(arguments, Use::Complete, "snap-metadata-ls")?;
        Ok(json!(snapshot.metadata).to_string())
    }

    pub(super) fn remove_snapshot_metadata(&mut self, arguments: &Arguments) -> Answer {
        let snapshot = self.snapshot(arguments, Use::Complete, "snap-metadata-rm")?;
        metadata::remove(arguments, &mut snapshot.metadata)
    }

    /// The snapshot that a command names.
    pub(super) fn snapshot(
        &mut self,
        arguments: &Arguments,
        allowed: Use,
        operation: &str,
    ) -> Result<&mut SnapshotState, Refusal> {
        let name = arguments.text("snap_name")?;
        let subvolume = self.opened(arguments, "sub_name", allowed, operation)?;
        let found = subvolume.snapshots.get_mut(name);
        found.ok_or_else(|| absent(name))
    }
}

fn absent(name: &str) -> Refusal {
    let text = format!("snapshot '{name}' does not exist");
    Refusal::new(Errno::NoEntry, text)
}
