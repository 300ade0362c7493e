//! `Debug` of the messages that carry credentials: every value of a secret map is `***`.
//!
//! Which messages and fields these are comes from the option `csi_secret` in the proto file: the
//! build script writes one line per message and takes the derived `Debug` away, so a message that
//! gets a secret field later is covered without a change here.

use std::collections::BTreeMap;
use std::fmt;

use crate::v1;

macro_rules! redacted_debug {
    ($message:ident: $($how:ident($field:ident)),*) => {
        impl fmt::Debug for v1::$message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($field), &$how(&self.$field)))*
                    .finish()
            }
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/redacted.rs"));

/// A field that prints as in the derived `Debug`.
fn shown<T: fmt::Debug>(value: &T) -> &T {
    value
}

/// A field whose keys may be seen and whose values may not.
fn secret(map: &BTreeMap<String, String>) -> Redacted<'_> {
    Redacted(map)
}

struct Redacted<'a>(&'a BTreeMap<String, String>);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.0.keys().map(|key| (key, format_args!("***"))))
            .finish()
    }
}
