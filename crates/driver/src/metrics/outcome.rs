//! How something ended, as the value of a label.

use std::fmt::{self, Debug, Write as _};

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// `OK`, or the name of what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Outcome<E>(pub(super) Result<(), E>);

impl<E: Debug> EncodeLabelValue for Outcome<E> {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match &self.0 {
            Ok(()) => encoder.write_str("OK"),
            Err(error) => write!(encoder, "{error:?}"),
        }
    }
}
