//! From CSI messages to typed requests: whatever passes here is well formed, and nothing below looks
//! at a CSI message or a map of strings.

mod capability;
mod listing;
mod node;
mod parameters;
#[cfg(test)]
mod tests;
mod volume;

pub use capability::Capability;
pub use listing::{max_entries, volume_id};
pub use node::{
    BACKING_SNAPSHOT_NAME, ClientOptions, Place, PublishVolume, Source, StageVolume, Targets,
    UnpublishVolume, UnstageVolume, VolumeHealth, VolumeStats,
};
pub use parameters::Parameters;
pub(crate) use parameters::optional;
use volume::check_id;
pub use volume::{CreateVolume, DeleteVolume, ExpandVolume, ValidateVolume};

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
