//! Errors of librados as errors of this crate.

use crate::{Error, ErrorKind};

/// The error of a `call`.
pub(super) fn of_call(call: impl Into<String>, error: librados::Error) -> Error {
    match error {
        librados::Error::Answered { errno, detail, .. } => Error::answered(call, errno, detail),
        error @ (librados::Error::ZeroByte(_) | librados::Error::Monitors(_)) => {
            Error::new(ErrorKind::Invalid, call, error.to_string())
        }
        error => Error::new(ErrorKind::Other, call, error.to_string()),
    }
}

/// The error of a `call` to an OSD.
pub(super) fn of_osd_call(call: impl Into<String>, error: librados::Error) -> Error {
    let mut error = of_call(call, error);
    if error.kind == ErrorKind::TimedOut && error.detail.is_empty() {
        "the OSDs did not answer".clone_into(&mut error.detail);
    }
    error
}
