//! The manager's `volumes` module: subvolume groups and subvolumes of each file system.

mod arguments;
mod clone;
mod group;
mod metadata;
mod quiesce;
mod snapshot;
mod subvolume;

use std::collections::BTreeMap;

use arguments::Arguments;
pub(super) use clone::Job;
pub use clone::{Cloner, Origin};
pub use quiesce::QuiesceState;
use serde_json::{Value, json};
pub use snapshot::SnapshotState;
pub use subvolume::{Stage, SubvolumeState};

use super::State;
use super::client::{Errno, Refusal};
use crate::{Command, Filesystem, Subvolume};

/// The directory of the subvolumes that are in no group.
const NO_GROUP: &str = "_nogroup";

/// The metadata server of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mds {
    /// It serves.
    Active,
    /// It does not run.
    Stopped,
    /// It does not run, because the metadata is damaged.
    Damaged,
}

/// A file system with its subvolumes.
pub(super) struct Volume {
    pub(super) facts: Filesystem,
    pub(super) mds: Mds,
    groups: BTreeMap<String, Group>,
}

type Group = BTreeMap<String, SubvolumeState>;

/// What a command prints.
type Answer = Result<String, Refusal>;

impl Volume {
    pub(super) fn new(facts: Filesystem) -> Self {
        let groups = BTreeMap::from([(NO_GROUP.to_owned(), Group::new())]);
        Self {
            facts,
            mds: Mds::Active,
            groups,
        }
    }

    pub(super) fn create_group(&mut self, group: &str) {
        self.groups.entry(group.to_owned()).or_default();
    }

    pub(super) fn fill(&mut self, at: &Subvolume, bytes: u64) {
        if let Some(subvolume) = self.find(at) {
            subvolume.used = bytes;
        }
    }

    pub(super) fn subvolumes(&self) -> impl Iterator<Item = (Subvolume, SubvolumeState)> {
        self.groups.iter().flat_map(move |(group, subvolumes)| {
            subvolumes.iter().map(move |(name, state)| {
                let group = if group == NO_GROUP { "" } else { group };
                let at = Subvolume {
                    fs: self.facts.name.clone(),
                    group: group.to_owned(),
                    name: name.clone(),
                };
                (at, state.clone())
            })
        })
    }

    fn find(&mut self, at: &Subvolume) -> Option<&mut SubvolumeState> {
        self.groups.get_mut(directory(&at.group))?.get_mut(&at.name)
    }

    fn group(&mut self, group: &str) -> Result<&mut Group, Refusal> {
        let found = self.groups.get_mut(directory(group));
        found.ok_or_else(|| {
            let text = format!("subvolume group '{group}' does not exist");
            Refusal::new(Errno::NoEntry, text)
        })
    }
}

fn directory(group: &str) -> &str {
    if group.is_empty() { NO_GROUP } else { group }
}

impl State {
    /// Whether a manager command gets no answer, as nobody serves the file system that it is about.
    pub(super) fn hangs(&self, command: &Command) -> bool {
        let arguments = Arguments::of(command).ok();
        let name = arguments.as_ref().and_then(|a| a.optional_text("vol_name"));
        let volume = self
            .filesystems
            .iter()
            .find(|fs| Some(&*fs.facts.name) == name);
        volume.is_some_and(|volume| volume.mds != Mds::Active)
    }

    pub(super) fn mgr_command(&mut self, command: &Command) -> Result<Vec<u8>, Refusal> {
        let arguments = Arguments::of(command)?;
        self.clone_on();
        let run: fn(&mut Self, &Arguments) -> Answer = match command.prefix() {
            "fs volume ls" => Self::list_volumes,
            "fs subvolumegroup create" => Self::create_group,
            "fs subvolumegroup rm" => Self::remove_group,
            "fs subvolumegroup ls" => Self::list_groups,
            "fs subvolumegroup getpath" => Self::group_path,
            "fs subvolume create" => Self::create_subvolume,
            "fs subvolume rm" => Self::remove_subvolume,
            "fs subvolume resize" => Self::resize_subvolume,
            "fs subvolume getpath" => Self::subvolume_path,
            "fs subvolume info" => Self::subvolume_info,
            "fs subvolume ls" => Self::list_subvolumes,
            "fs subvolume metadata set" => Self::set_metadata,
            "fs subvolume metadata get" => Self::get_metadata,
            "fs subvolume metadata ls" => Self::list_metadata,
            "fs subvolume metadata rm" => Self::remove_metadata,
            "fs subvolume snapshot create" => Self::create_snapshot,
            "fs subvolume snapshot rm" => Self::remove_snapshot,
            "fs subvolume snapshot info" => Self::snapshot_info,
            "fs subvolume snapshot ls" => Self::list_snapshots,
            "fs subvolume snapshot metadata set" => Self::set_snapshot_metadata,
            "fs subvolume snapshot metadata get" => Self::get_snapshot_metadata,
            "fs subvolume snapshot metadata ls" => Self::list_snapshot_metadata,
            "fs subvolume snapshot metadata rm" => Self::remove_snapshot_metadata,
            "fs subvolume snapshot clone" => Self::start_clone,
            "fs clone status" => Self::clone_status,
            "fs clone cancel" => Self::cancel_clone,
            "fs quiesce" if self.quiesces => Self::quiesce,
            unknown => {
                let text = format!("No handler found for '{unknown}'");
                return Err(Refusal::new(Errno::Invalid, text));
            }
        };
        run(self, &arguments).map(String::into_bytes)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the other commands")]
    fn list_volumes(&mut self, _: &Arguments) -> Answer {
        let volume = |fs: &Volume| json!({ "name": fs.facts.name });
        let volumes: Value = self.filesystems.iter().map(volume).collect();
        Ok(volumes.to_string())
    }

    fn volume(&mut self, arguments: &Arguments) -> Result<&mut Volume, Refusal> {
        let name = arguments.text("vol_name")?;
        self.volume_mut(name)
            .ok_or_else(|| Refusal::new(Errno::NoEntry, format!("FS '{name}' not found")))
    }
}
