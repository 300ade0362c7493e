//! `fs subvolume ...`

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::State;
use super::super::client::{Errno, Refusal};
use super::arguments::Arguments;
use super::{Answer, directory};

/// A subvolume as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubvolumeState {
    /// Path of the data directory.
    pub path: String,
    /// Quota in bytes, `None` if unlimited.
    pub quota: Option<u64>,
    /// Bytes used, see [`Memory::fill`](crate::memory::Memory::fill).
    pub used: u64,
    /// Name of the data pool.
    pub data_pool: String,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

impl State {
    pub(super) fn create_subvolume(&mut self, arguments: &Arguments) -> Answer {
        let name = arguments.text("sub_name")?;
        let volume = self.volume(arguments)?;
        volume.group(arguments.group())?;
        let size = match arguments.integer("size")?.map(u64::try_from) {
            Some(Err(_)) => {
                return Err(Refusal::new(Errno::Invalid, "invalid size specified"));
            }
            Some(Ok(size)) => Some(size),
            None => None,
        };
        let pool_ids = volume.facts.data_pools.clone();
        let pools = pool_ids.iter().map(|id| self.pool_name(*id));
        let data_pool = match arguments.optional_text("pool_layout") {
            None => pools.into_iter().next().unwrap_or_default().to_owned(),
            Some(wanted) if pools.into_iter().any(|pool| pool == wanted) => wanted.to_owned(),
            Some(wanted) => {
                let text = format!("invalid pool layout '{wanted}' -- need a valid data pool");
                return Err(Refusal::new(Errno::Invalid, text));
            }
        };
        // The data directory of each life of a name has another name.
        self.version += 1;
        let life = format!("00000000-0000-4000-8000-{:012x}", self.version);
        let group = self.volume(arguments)?.group(arguments.group())?;
        let directory = directory(arguments.group());
        let subvolume = group
            .entry(name.to_owned())
            .or_insert_with(|| SubvolumeState {
                path: format!("/volumes/{directory}/{name}/{life}"),
                quota: None,
                used: 0,
                data_pool,
                metadata: BTreeMap::new(),
            });
        if let Some(size) = size {
            subvolume.quota = (size > 0).then_some(size);
        }
        Ok(String::new())
    }

    pub(super) fn remove_subvolume(&mut self, arguments: &Arguments) -> Answer {
        let found = self.subvolume(arguments);
        if let Err(missing) = found {
            let group_is_there = self.volume(arguments)?.group(arguments.group()).is_ok();
            if arguments.flag("force") && group_is_there {
                return Ok(String::new());
            }
            return Err(missing);
        }
        let group = self.volume(arguments)?.group(arguments.group())?;
        group.remove(arguments.text("sub_name")?);
        Ok(String::new())
    }

    pub(super) fn resize_subvolume(&mut self, arguments: &Arguments) -> Answer {
        let wanted = arguments.text("new_size")?;
        let no_shrink = arguments.flag("no_shrink");
        let subvolume = self.subvolume(arguments)?;
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
        Ok(format!("{}\n", self.subvolume(arguments)?.path))
    }

    pub(super) fn subvolume_info(&mut self, arguments: &Arguments) -> Answer {
        let subvolume = self.subvolume(arguments)?;
        let quota = subvolume.quota.map_or(Value::from("infinite"), Value::from);
        let answer = json!({
            "bytes_pcent": subvolume.percent(),
            "bytes_quota": quota,
            "bytes_used": subvolume.used,
            "data_pool": subvolume.data_pool,
            "features": ["snapshot-clone", "snapshot-autoprotect", "snapshot-retention"],
            "path": subvolume.path,
            "pool_namespace": "",
            "state": "complete",
            "type": "subvolume",
        });
        Ok(answer.to_string())
    }

    pub(super) fn list_subvolumes(&mut self, arguments: &Arguments) -> Answer {
        let group = self.volume(arguments)?.group(arguments.group())?;
        let entries = group.keys().map(|name| json!({ "name": name }));
        Ok(entries.collect::<Value>().to_string())
    }

    pub(super) fn subvolume(
        &mut self,
        arguments: &Arguments,
    ) -> Result<&mut SubvolumeState, Refusal> {
        let name = arguments.text("sub_name")?;
        let group = self.volume(arguments)?.group(arguments.group())?;
        group.get_mut(name).ok_or_else(|| {
            let text = format!("subvolume '{name}' does not exist");
            Refusal::new(Errno::NoEntry, text)
        })
    }
}

impl SubvolumeState {
    /// How full it is, as the manager prints it.
    fn percent(&self) -> String {
        let Some(quota) = self.quota else {
            return "undefined".to_owned();
        };
        let hundredths = u128::from(self.used) * 10_000 / u128::from(quota);
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    }
}
