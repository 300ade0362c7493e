//! The JSON of a command, read as the `volumes` module reads it.

use serde_json::{Map, Value};

use super::super::client::{Errno, Refusal};
use crate::Command;

pub(super) struct Arguments(Map<String, Value>);

impl Arguments {
    pub(super) fn of(command: &Command) -> Result<Self, Refusal> {
        let parsed = serde_json::from_str(command.json());
        parsed
            .map(Self)
            .map_err(|error| Refusal::new(Errno::Invalid, error.to_string()))
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || Refusal::new(Errno::Invalid, format!("KeyError: '{name}'"));
        self.optional_text(name).ok_or_else(missing)
    }

    pub(super) fn optional_text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// The subvolume group, `""` for none.
    pub(super) fn group(&self) -> &str {
        self.optional_text("group_name").unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool) == Some(true)
    }

    /// A list of texts; empty if it was not given.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    }

    /// A number with a fraction.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name).and_then(Value::as_f64)
    }

    /// A number, `None` if it was not given.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        let number = value.as_i64();
        let invalid = || {
            Refusal::new(
                Errno::Invalid,
                format!("invalid {name} specified: '{value}'"),
            )
        };
        number.map(Some).ok_or_else(invalid)
    }
}
