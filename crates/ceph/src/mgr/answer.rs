//! Answers of the commands.

mod clone;
mod snapshot;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(super) use self::clone::CloneAnswer;
pub(super) use self::snapshot::SnapshotAnswer;
use crate::subvolume::Info;
use crate::{Error, ErrorKind, Result};

/// An entry of a listing.
#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

/// The answer to `fs subvolume info`. With `state` = `snapshot-retained` it has neither path nor sizes.
#[derive(Deserialize)]
pub(super) struct InfoAnswer {
    #[serde(default)]
    path: String,
    #[serde(default)]
    bytes_quota: Quota,
    #[serde(default)]
    bytes_used: u64,
    #[serde(default)]
    features: Vec<String>,
    state: String,
    #[serde(default)]
    data_pool: String,
}

/// A number of bytes, or the word `infinite`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Quota {
    Bytes(u64),
    Word(Infinite),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Infinite {
    Infinite,
}

impl Default for Quota {
    fn default() -> Self {
        Self::Word(Infinite::Infinite)
    }
}

impl From<InfoAnswer> for Info {
    fn from(answer: InfoAnswer) -> Self {
        Self {
            path: answer.path,
            quota: match answer.bytes_quota {
                Quota::Bytes(bytes) => Some(bytes),
                Quota::Word(Infinite::Infinite) => None,
            },
            used: answer.bytes_used,
            features: answer.features,
            state: answer.state,
            data_pool: answer.data_pool,
        }
    }
}

pub(super) fn parse<T: DeserializeOwned>(prefix: &str, answer: &[u8]) -> Result<T> {
    serde_json::from_slice(answer).map_err(|error| bad_answer(prefix, &error.to_string()))
}

pub(super) fn bad_answer(prefix: &str, detail: &str) -> Error {
    let call = format!("mgr command `{prefix}`");
    Error::new(ErrorKind::BadAnswer, call, detail)
}
