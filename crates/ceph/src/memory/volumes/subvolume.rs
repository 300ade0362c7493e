//! `fs subvolume ...`

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::State;
use super::super::client::{Errno, Refusal};
use super::arguments::Arguments;
use super::clone::Origin;
use super::snapshot::SnapshotState;
use super::{Answer, directory};

/// A subvolume as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubvolumeState {
    /// Path of the data directory; empty in [`Stage::Retained`].
    pub path: String,
    /// Quota in bytes, `None` if unlimited.
    pub quota: Option<u64>,
    /// Bytes used, see [`Memory::fill`](crate::memory::Memory::fill).
    pub used: u64,
    /// Name of the data pool.
    pub data_pool: String,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
    /// Snapshots by name.
    pub snapshots: BTreeMap<String, SnapshotState>,
    /// How far it is.
    pub stage: Stage,
    /// What it is a clone of, `None` if it is none.
    pub origin: Option<Origin>,
}

/// The states of a subvolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Usable.
    Complete,
    /// Removed; only its snapshots are there.
    Retained,
    /// A clone that waits for a thread.
    Pending,
    /// A clone that is being filled.
    InProgress,
    /// A clone that was given up.
    Failed {
        /// Why, positive.
        errno: i32,
        /// Why.
        text: String,
    },
    /// A clone that was canceled.
    Canceled,
}

/// What a command can do with a subvolume that is not complete.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Nothing.
    Complete,
    /// It works on the snapshots of a removed one too.
    Retained,
    /// It works on unfinished clones too.
    Clone,
}

impl Stage {
    /// As the manager prints it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Retained => "snapshot-retained",
            Self::Pending => "pending",
            Self::InProgress => "in-progress",
            Self::Failed { .. } => "failed",
            Self::Canceled => "canceled",
        }
    }
}

impl State {
    pub(super) fn create_subvolume(&mut self, arguments: &Arguments) -> Answer {
        let name = arguments.text("sub_name")?.to_owned();
        match self.opened(arguments, "sub_name", Use::Complete, "create") {
            Err(refusal) if refusal.errno != Errno::NoEntry as i32 => return Err(refusal),
            _ => {}
        }
        let size = match arguments.integer("size")?.map(u64::try_from) {
            Some(Err(_)) => {
                return Err(Refusal::new(Errno::Invalid, "invalid size specified"));
            }
            Some(Ok(size)) => Some(size),
            None => None,
        };
        let default = self.default_pool(arguments)?;
        let data_pool = self.data_pool(arguments, default)?;
        let path = self.new_path(arguments.group(), &name);
        let group = self.volume(arguments)?.group(arguments.group())?;
        let subvolume = group.entry(name).or_insert_with(SubvolumeState::nothing);
        if subvolume.stage == Stage::Retained {
            subvolume.path = path;
            subvolume.quota = None;
            subvolume.used = 0;
            subvolume.data_pool = data_pool;
            subvolume.stage = Stage::Complete;
            subvolume.origin = None;
        }
        if let Some(size) = size {
            subvolume.quota = (size > 0).then_some(size);
        }
        Ok(String::new())
    }

    /// The data directory of each life of a name has another name.
    pub(super) fn new_path(&mut self, group: &str, name: &str) -> String {
        self.version += 1;
        let life = format!("00000000-0000-4000-8000-{:012x}", self.version);
        format!("/volumes/{}/{name}/{life}", directory(group))
    }

    fn default_pool(&mut self, arguments: &Arguments) -> Result<String, Refusal> {
        let pools = self.volume(arguments)?.facts.data_pools.clone();
        let first = pools.first().map(|id| self.pool_name(*id).to_owned());
        Ok(first.unwrap_or_default())
    }

    /// The pool that the command asks for, or else `default`.
    pub(super) fn data_pool(
        &mut self,
        arguments: &Arguments,
        default: String,
    ) -> Result<String, Refusal> {
        let pools = self.volume(arguments)?.facts.data_pools.clone();
        let mut pools = pools.iter().map(|id| self.pool_name(*id));
        match arguments.optional_text("pool_layout") {
            None => Ok(default),
            Some(wanted) if pools.any(|pool| pool == wanted) => Ok(wanted.to_owned()),
            Some(wanted) => {
                let text = format!("invalid pool layout '{wanted}' -- need a valid data pool");
                Err(Refusal::new(Errno::Invalid, text))
            }
        }
    }

    pub(super) fn remove_subvolume(&mut self, arguments: &Arguments) -> Answer {
        let force = arguments.flag("force");
        let allowed = if force { Use::Clone } else { Use::Retained };
        let found = match self.opened(arguments, "sub_name", allowed, "rm") {
            Ok(found) => found,
            Err(absent) if force && absent.errno == Errno::NoEntry as i32 => {
                return Ok(String::new());
            }
            Err(mut refusal) => {
                if !force && refusal.errno == Errno::Again as i32 {
                    refusal.text.push_str(" (use --force to override)");
                }
                return Err(refusal);
            }
        };
        if found.snapshots.is_empty() {
            if matches!(found.stage, Stage::Pending | Stage::InProgress) {
                let name = arguments.text("sub_name")?;
                let text = format!("{name} clone in-progress -- please cancel the clone and retry");
                return Err(Refusal::new(Errno::Again, text));
            }
            let group = self.volume(arguments)?.group(arguments.group())?;
            group.remove(arguments.text("sub_name")?);
        } else if arguments.flag("retain_snapshots") {
            found.path.clear();
            found.metadata.clear();
            found.stage = Stage::Retained;
        } else {
            let text = format!("subvolume '{}' has snapshots", arguments.text("sub_name")?);
            return Err(Refusal::new(Errno::NotEmpty, text));
        }
        Ok(String::new())
    }

    pub(super) fn resize_subvolume(&mut self, arguments: &Arguments) -> Answer {
        let wanted = arguments.text("new_size")?;
        let no_shrink = arguments.flag("no_shrink");
        let subvolume = self.subvolume(arguments, "resize")?;
        let quota = match wanted.parse::<i64>().map(u64::try_from) {
            _ if wanted == "inf" || wanted == "infinite" => None,
            Ok(Ok(bytes)) if bytes > 0 => Some(bytes),
            Ok(_) => return Err(Refusal::new(Errno::Invalid, "Invalid subvolume size")),
            Err(_) => {
                let text = format!("invalid size option '{wanted}'");
                return Err(Refusal::new(Errno::Invalid, text));
            }
        };
        if let Some(bytes) = quota
            && no_shrink
            && bytes < subvolume.used
        {
            let used = subvolume.used;
            let text = format!(
                "Can't resize the subvolume. The new size '{bytes}' would be lesser than the current \
                 used size '{used}'"
            );
            return Err(Refusal::new(Errno::Invalid, text));
        }
        subvolume.quota = quota;
        let answer = json!([
            { "bytes_used": subvolume.used },
            { "bytes_quota": quota.unwrap_or(0) },
            { "bytes_pcent": subvolume.percent() },
        ]);
        Ok(answer.to_string())
    }

    pub(super) fn subvolume_path(&mut self, arguments: &Arguments) -> Answer {
        Ok(format!("{}\n", self.subvolume(arguments, "getpath")?.path))
    }

    pub(super) fn subvolume_info(&mut self, arguments: &Arguments) -> Answer {
        let subvolume = self.opened(arguments, "sub_name", Use::Retained, "info")?;
        let features = [
            "snapshot-clone",
            "snapshot-autoprotect",
            "snapshot-retention",
        ];
        let kind = subvolume.kind();
        if subvolume.stage == Stage::Retained {
            let state = subvolume.stage.name();
            return Ok(json!({ "features": features, "state": state, "type": kind }).to_string());
        }
        let quota = subvolume.quota.map_or(Value::from("infinite"), Value::from);
        let answer = json!({
            "bytes_pcent": subvolume.percent(),
            "bytes_quota": quota,
            "bytes_used": subvolume.used,
            "data_pool": subvolume.data_pool,
            "features": features,
            "path": subvolume.path,
            "pool_namespace": "",
            "state": subvolume.stage.name(),
            "type": kind,
        });
        Ok(answer.to_string())
    }

    pub(super) fn list_subvolumes(&mut self, arguments: &Arguments) -> Answer {
        let group = self.volume(arguments)?.group(arguments.group())?;
        let entries = group.keys().map(|name| json!({ "name": name }));
        Ok(entries.collect::<Value>().to_string())
    }

    /// The subvolume of a command that needs it to be complete.
    pub(super) fn subvolume(
        &mut self,
        arguments: &Arguments,
        operation: &str,
    ) -> Result<&mut SubvolumeState, Refusal> {
        self.opened(arguments, "sub_name", Use::Complete, operation)
    }

    /// The subvolume that the argument `key` names, if it is in a stage in which `operation` is allowed.
    pub(super) fn opened(
        &mut self,
        arguments: &Arguments,
        key: &str,
        allowed: Use,
        operation: &str,
    ) -> Result<&mut SubvolumeState, Refusal> {
        let name = arguments.text(key)?;
        let group = self.volume(arguments)?.group(arguments.group())?;
        let found = group.get_mut(name).ok_or_else(|| {
            let text = format!("subvolume '{name}' does not exist");
            Refusal::new(Errno::NoEntry, text)
        })?;
        match (&found.stage, allowed) {
            (Stage::Complete, _)
            | (Stage::Retained, Use::Retained | Use::Clone)
            | (
                Stage::Pending | Stage::InProgress | Stage::Failed { .. } | Stage::Canceled,
                Use::Clone,
            ) => Ok(found),
            (Stage::Retained, Use::Complete) => {
                let text = format!("subvolume '{name}' is removed and has only snapshots retained");
                Err(Refusal::new(Errno::NoEntry, text))
            }
            _ => {
                let text = format!("subvolume '{name}' is not ready for operation {operation}");
                Err(Refusal::new(Errno::Again, text))
            }
        }
    }
}

impl SubvolumeState {
    /// What a name is before its first life.
    pub(super) fn nothing() -> Self {
        Self {
            path: String::new(),
            quota: None,
            used: 0,
            data_pool: String::new(),
            metadata: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            stage: Stage::Retained,
            origin: None,
        }
    }

    fn kind(&self) -> &'static str {
        if self.origin.is_some() {
            "clone"
        } else {
            "subvolume"
        }
    }

    /// How full it is, as the manager prints it.
    fn percent(&self) -> String {
        let Some(quota) = self.quota else {
            return "undefined".to_owned();
        };
        let hundredths = u128::from(self.used) * 10_000 / u128::from(quota);
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }
}
