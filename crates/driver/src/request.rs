//! From CSI messages to typed requests: whatever passes here is well formed, and nothing below looks
//! at a CSI message or a map of strings.

mod capability;
mod group;
mod listing;
mod node;
mod parameters;
mod snapshot;
#[cfg(test)]
mod tests;
mod volume;

pub use capability::Capability;
pub use group::{CreateGroupSnapshot, DeleteGroupSnapshot, GetGroupSnapshot};
pub use listing::{max_entries, volume_id};
pub use node::{
    BACKING_SNAPSHOT_NAME, ClientOptions, Place, PublishVolume, Source, StageVolume, Targets,
    UnpublishVolume, UnstageVolume, VolumeHealth, VolumeStats,
};
pub use parameters::Parameters;
pub(crate) use parameters::optional;
pub use snapshot::{CreateSnapshot, DeleteSnapshot, GetSnapshot, ListSnapshots};
pub use volume::{CreateVolume, DeleteVolume, ExpandVolume, ValidateVolume};

use crate::ids;

/// Longest request name: what a name may have in the CSI specification.
const MAX_NAME: usize = 128;

/// A request that cannot be served as it is; asking again will not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A required field is not set.
    #[error("`{0}` is missing in the request")]
    Missing(&'static str),
    /// A field has a value that cannot be used.
    #[error("`{field}`: {why}")]
    Invalid {
        /// The field or parameter.
        field: String,
        /// What is wrong and how to cure it.
        why: String,
    },
}

impl Error {
    /// A field that cannot be used.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.into(),
            why: why.into(),
        }
    }
}

/// `value`, unless it is empty.
///
/// # Errors
/// [`Error::Missing`] naming `field`.
pub fn required<'a>(field: &'static str, value: &'a str) -> Result<&'a str, Error> {
    if value.is_empty() {
        Err(Error::Missing(field))
    } else {
        Ok(value)
    }
}

/// Names become omap keys and log fields: the specification's limit and its banned characters.
fn check_name<K: ids::Kind>(name: &str) -> Result<(), Error> {
    if name.len() > MAX_NAME {
        let why = format!(
            "has {} bytes, a {} name has at most {MAX_NAME}",
            name.len(),
            K::NOUN
        );
        return Err(Error::invalid("name", why));
    }
    let allowed = |char: char| !char.is_control() || matches!(char, '\t' | '\n' | '\r');
    match name.chars().find(|char| !allowed(*char)) {
        Some(char) => Err(Error::invalid(
            "name",
            format!("contains the control character {char:?}"),
        )),
        None => Ok(()),
    }
}

fn check_id<K: ids::Kind>(field: &'static str, id: &str) -> Result<(), Error> {
    if id.len() > ids::MAX_LEN {
        let why = format!(
            "has {} bytes, a {} id has at most {}",
            id.len(),
            K::NOUN,
            ids::MAX_LEN
        );
        return Err(Error::invalid(field, why));
    }
    Ok(())
}
