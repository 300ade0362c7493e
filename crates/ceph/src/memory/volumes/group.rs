//! `fs subvolumegroup ...`

use serde_json::{Value, json};

use super::super::State;
use super::super::client::{Errno, Refusal};
use super::arguments::Arguments;
use super::{Answer, NO_GROUP};

impl State {
    pub(super) fn create_group(&mut self, arguments: &Arguments) -> Answer {
        let name = arguments.text("group_name")?;
        self.volume(arguments)?.create_group(name);
        Ok(String::new())
    }

    pub(super) fn remove_group(&mut self, arguments: &Arguments) -> Answer {
        let name = arguments.text("group_name")?;
        let volume = self.volume(arguments)?;
        if !volume.group(name)?.is_empty() {
            let text = format!("error in rmdir /volumes/{name}");
            return Err(Refusal::new(Errno::NotEmpty, text));
        }
        volume.groups.remove(name);
        Ok(String::new())
    }

    pub(super) fn list_groups(&mut self, arguments: &Arguments) -> Answer {
        let groups = self.volume(arguments)?.groups.keys();
        Ok(groups
            .filter(|name| *name != NO_GROUP)
            .map(|name| json!({ "name": name }))
            .collect::<Value>()
            .to_string())
    }

    pub(super) fn group_path(&mut self, arguments: &Arguments) -> Answer {
        let name = arguments.text("group_name")?;
        self.volume(arguments)?.group(name)?;
        Ok(format!("/volumes/{name}\n"))
    }
}
