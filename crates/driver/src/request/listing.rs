//! What requests for listings and for single volumes have in common.

use super::{Error, check_id, required};
use crate::ids::Volume;

/// The most entries that the caller wants, 0 for no limit.
///
/// # Errors
/// [`Error::Invalid`] if negative.
pub fn max_entries(number: i32) -> Result<usize, Error> {
    usize::try_from(number).map_err(|_| {
        let why = format!("is {number}; it cannot be negative, and 0 means no limit");
        Error::invalid("max_entries", why)
    })
}

/// A volume id that is there and not too long.
///
/// # Errors
/// [`Error`].
pub fn volume_id(id: &str) -> Result<&str, Error> {
    let id = required("volume_id", id)?;
    check_id::<Volume>("volume_id", id)?;
    Ok(id)
}
