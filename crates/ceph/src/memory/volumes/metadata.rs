//! `fs subvolume metadata ...`, which the manager keeps in an INI file.

use serde_json::json;

use super::super::State;
use super::super::client::{Errno, Refusal};
use super::Answer;
use super::arguments::Arguments;

impl State {
    pub(super) fn set_metadata(&mut self, arguments: &Arguments) -> Answer {
        let key = key(arguments)?;
        let value = interpolated(arguments.text("value")?)?;
        let metadata = &mut self.subvolume(arguments)?.metadata;
        metadata.insert(key, value.trim().to_owned());
        Ok(String::new())
    }

    pub(super) fn get_metadata(&mut self, arguments: &Arguments) -> Answer {
        let metadata = &self.subvolume(arguments)?.metadata;
        let value = metadata.get(&key(arguments)?);
        let value = value.ok_or_else(|| missing(arguments))?;
        Ok(format!("{value}\n"))
    }

    pub(super) fn list_metadata(&mut self, arguments: &Arguments) -> Answer {
        Ok(json!(self.subvolume(arguments)?.metadata).to_string())
    }

    pub(super) fn remove_metadata(&mut self, arguments: &Arguments) -> Answer {
        let metadata = &mut self.subvolume(arguments)?.metadata;
        let removed = metadata.remove(&key(arguments)?);
        removed
            .map(|_| String::new())
            .ok_or_else(|| missing(arguments))
    }
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
