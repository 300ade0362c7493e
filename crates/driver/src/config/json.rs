//! Typed access to JSON by the rules of Go's decoder, which wrote the habits of this file: keys match
//! in any case, unknown keys are ignored, `null` is the same as an absent key.

use serde_json::{Map, Value};

/// Why `config.json` cannot be used. Never holds the file's content beyond names of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// There is nothing in it.
    #[error("it is empty, and should hold a JSON array of clusters")]
    Empty,
    /// It is not JSON.
    #[error("not valid JSON at line {line}, column {column}: {reason}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// The parser's words.
        reason: String,
    },
    /// A value has another type than its key needs.
    #[error("{at}: expected {expected}, found {found}")]
    Type {
        /// Which value, e.g. ``entry 2 (clusterID `a`), key `cephFS.subvolumeGroup` ``.
        at: String,
        /// The type that it must have.
        expected: &'static str,
        /// The type that it has.
        found: &'static str,
    },
}

/// Parses the text as far as JSON goes.
pub(super) fn document(bytes: &[u8]) -> Result<Value, ParseError> {
    if bytes.trim_ascii().is_empty() {
        return Err(ParseError::Empty);
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // serde_json appends the position to its text; it is told apart here.
        let text = error.to_string();
        let reason = text
            .strip_suffix(&format!(" at line {line} column {column}"))
            .unwrap_or(&text);
        ParseError::Syntax {
            line,
            column,
            reason: reason.to_owned(),
        }
    })
}

/// A JSON object together with its place in the file, for messages.
pub(super) struct Object<'a> {
    fields: Option<&'a Map<String, Value>>,
    place: String,
    prefix: String,
}

impl<'a> Object<'a> {
    /// `value` as an object; `null` has no keys. `place` names the entry.
    pub(super) fn new(value: &'a Value, place: String) -> Result<Self, ParseError> {
        let fields = match value {
            Value::Null => None,
            Value::Object(fields) => Some(fields),
            other => return Err(type_error(place, "an object", other)),
        };
        Ok(Self {
            fields,
            place,
            prefix: String::new(),
        })
    }

    /// The same object under another name in messages.
    pub(super) fn named(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// The object under `key`; an absent one has no keys.
    pub(super) fn object(&self, key: &str) -> Result<Object<'a>, ParseError> {
        let fields = match self.get(key) {
            None => None,
            Some(Value::Object(fields)) => Some(fields),
            Some(other) => return Err(self.wrong_type(key, "an object", other)),
        };
        Ok(Object {
            fields,
            place: self.place.clone(),
            prefix: format!("{}{key}.", self.prefix),
        })
    }

    /// The string under `key`; `""` if absent.
    pub(super) fn string(&self, key: &str) -> Result<String, ParseError> {
        match self.get(key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(self.wrong_type(key, "a string", other)),
        }
    }

    /// The boolean under `key`; `false` if absent.
    pub(super) fn boolean(&self, key: &str) -> Result<bool, ParseError> {
        match self.get(key) {
            None => Ok(false),
            Some(Value::Bool(yes)) => Ok(*yes),
            Some(other) => Err(self.wrong_type(key, "true or false", other)),
        }
    }

    /// The strings under `key`; none if absent. A `null` among them is an empty string, as in Go.
    pub(super) fn strings(&self, key: &str) -> Result<Vec<String>, ParseError> {
        let expected = "an array of strings";
        match self.get(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| match value {
                    Value::String(text) => Ok(text.clone()),
                    Value::Null => Ok(String::new()),
                    other => Err(type_error(
                        format!("{}, a value in `{}{key}`", self.place, self.prefix),
                        "a string",
                        other,
                    )),
                })
                .collect(),
            Some(other) => Err(self.wrong_type(key, expected, other)),
        }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        let fields = self.fields?;
        let value = fields.get(key).or_else(|| {
            let mut near = fields
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(key));
            near.next().map(|(_, value)| value)
        });
        value.filter(|value| !value.is_null())
    }

    fn wrong_type(&self, key: &str, expected: &'static str, found: &Value) -> ParseError {
        let at = format!("{}, key `{}{key}`", self.place, self.prefix);
        type_error(at, expected, found)
    }
}

pub(super) fn type_error(at: String, expected: &'static str, found: &Value) -> ParseError {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    ParseError::Type {
        at,
        expected,
        found,
    }
}
