//! What can go wrong.

use core::ffi::c_int;
use std::ffi::CString;
use std::path::PathBuf;

use crate::monitors;

/// A failed call.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The C library could not be loaded.
    #[error("librados cannot be loaded: {0}; install the package librados2")]
    Library(String),
    /// The monitor addresses are malformed, or none of their names is known.
    #[error(transparent)]
    Monitors(#[from] monitors::Error),
    /// librados cannot read the `ceph.conf`, or does not understand it.
    #[error("librados cannot use the configuration file `{}`: errno {errno}", path.display())]
    ConfFile {
        /// The file.
        path: PathBuf,
        /// The errno, positive; 22 if it is malformed.
        errno: i32,
    },
    /// A string for librados has a zero byte inside, which C cannot express.
    #[error("{0} contains a zero byte")]
    ZeroByte(&'static str),
    /// librados could not allocate.
    #[error("{0}: out of memory")]
    OutOfMemory(&'static str),
    /// A setting does not have the value that was given to it, and calls would not be sound without.
    #[error("librados does not take the setting `{0}`")]
    Setting(String),
    /// librados or a daemon answered with an error.
    #[error("{call}: errno {errno}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Answered {
        /// The C function, and what it was about if that is not in the arguments of the caller.
        call: String,
        /// The errno, positive.
        errno: i32,
        /// What Ceph says about it, often nothing.
        detail: String,
    },
}

impl Error {
    /// The errno, positive, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Answered { errno, .. } | Self::ConfFile { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "is given to map_err")]
    pub(crate) fn library(error: impl ToString) -> Self {
        Self::Library(error.to_string())
    }

    pub(crate) fn answered(call: &str, code: c_int, detail: &[u8]) -> Self {
        Self::Answered {
            call: call.to_owned(),
            // C_SaferCond::wait_for answers a positive errno, everything else a negative one.
            errno: code.saturating_abs(),
            detail: String::from_utf8_lossy(detail).trim().to_owned(),
        }
    }
}

/// The answer of a C function that is negative on errors.
pub(crate) fn check(call: &str, code: c_int) -> Result<c_int, Error> {
    if code < 0 {
        Err(Error::answered(call, code, b""))
    } else {
        Ok(code)
    }
}

/// A string for C; `what` names it in the error.
pub(crate) fn c_string(what: &'static str, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::ZeroByte(what))
}
