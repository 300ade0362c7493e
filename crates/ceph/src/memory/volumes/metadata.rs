//! `fs subvolume metadata ...`, which the manager keeps in an INI file.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::State;
use super::super::client::{Errno, Refusal};
use super::Answer;
use super::arguments::Arguments;

impl State {
    pub(super) fn set_metadata(&mut self, arguments: &Arguments) -> Answer {
        let subvolume = self.subvolume(arguments, "user-metadata-set")?;
        set(arguments, &mut subvolume.metadata)
    }

    pub(super) fn get_metadata(&mut self, arguments: &Arguments) -> Answer {
        let subvolume = self.subvolume(arguments, "user-metadata-get")?;
        get(arguments, &subvolume.metadata)
    }

    pub(super) fn list_metadata(&mut self, arguments: &Arguments) -> Answer {
        let subvolume = self.subvolume(arguments, "user-metadata-ls")?;
        Ok(json!(subvolume.metadata).to_string())
    }

    pub(super) fn remove_metadata(&mut self, arguments: &Arguments) -> Answer {
        let subvolume = self.subvolume(arguments, "user-metadata-rm")?;
        remove(arguments, &mut subvolume.metadata)
    }
}

pub(super) fn set(arguments: &Arguments, metadata: &mut BTreeMap<String, String>) -> Answer {
    let value = interpolated(arguments.text("value")?)?;
    metadata.insert(key(arguments)?, value.trim().to_owned());
    Ok(String::new())
}

pub(super) fn get(arguments: &Arguments, metadata: &BTreeMap<String, String>) -> Answer {
    let value = metadata.get(&key(arguments)?);
    let value = value.ok_or_else(|| missing(arguments))?;
    Ok(format!("{value}\n"))
}

pub(super) fn remove(arguments: &Arguments, metadata: &mut BTreeMap<String, String>) -> Answer {
    let removed = metadata.remove(&key(arguments)?);
    removed
        .map(|_| String::new())
        .ok_or_else(|| missing(arguments))
}

/// The INI file folds the case of keys.
fn key(arguments: &Arguments) -> Result<String, Refusal> {
    Ok(arguments.text("key_name")?.to_lowercase())
}

/// In the INI file `%` starts a reference and `%%` is the sign itself.
fn interpolated(value: &str) -> Result<String, Refusal> {
    let unescaped = value.replace("%%", "");
    if unescaped.contains('%') {
        let text = format!("ValueError: invalid interpolation syntax in '{value}'");
        return Err(Refusal::new(Errno::Invalid, text));
    }
    Ok(value.replace("%%", "%"))
}

fn missing(arguments: &Arguments) -> Refusal {
    let key = arguments.optional_text("key_name").unwrap_or_default();
    Refusal::new(Errno::NoEntry, format!("key '{key}' does not exist."))
}
