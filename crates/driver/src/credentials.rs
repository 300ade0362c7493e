//! The cephx user and key in a request's secrets.
//!
//! Since release 3.14 of the original the fields `userID`/`userKey` are meant for everything. Before,
//! the controller and dynamic volumes used `adminID`/`adminKey`, and Secrets of that time are still
//! around; these fields count when there is no complete user pair. What the original's example has in angle
//! brackets is for somebody to fill in, and does not count: nothing but static volumes used to need that pair. A
//! Secret that has two good pairs is read as since 3.14: by its user pair. If that user may not create
//! volumes, Ceph refuses with "permission denied", and the remedy is to widen its caps or to drop the pair.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::suggest::suggest;

/// The secrets of a CSI request: field names and values.
pub type Secrets = BTreeMap<String, String>;

const USER: Pair = Pair {
    id: "userID",
    key: "userKey",
};
const ADMIN: Pair = Pair {
    id: "adminID",
    key: "adminKey",
};
const MONITORS: &str = "monitors";
const PASSPHRASE: &str = "encryptionPassphrase";
/// The fields that a Secret for this driver may have.
pub(crate) const FIELDS: &[&str] = &[USER.id, USER.key, ADMIN.id, ADMIN.key, MONITORS, PASSPHRASE];

/// The base64 text of the shortest cephx key: a header of 12 bytes and 16 bytes of key.
const SHORTEST_KEY: usize = 40;

/// A cephx user: `id` is its name without `client.`, e.g. `csi-cephfs-node`.
#[derive(Clone)]
pub struct Credentials {
    /// Name without `client.`.
    pub id: String,
    /// Its key, in base64 as `ceph auth get-key` prints it.
    pub key: SecretString,
}

/// Why a request's secrets hold no credentials. Names fields, never their values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No secrets at all.
    #[error(
        "provided secret is empty; the StorageClass or PersistentVolume must name a Secret with \
         `userID` and `userKey`"
    )]
    Empty,
    /// The user's name is missing.
    #[error("missing ID field '{field}' in secrets{}", hint(.found.as_deref()))]
    MissingId {
        /// Name of the field.
        field: &'static str,
        /// A field that is there and has nearly this name.
        found: Option<String>,
    },
    /// The user's key is missing.
    #[error("missing key field '{field}' in secrets{}", hint(.found.as_deref()))]
    MissingKey {
        /// Name of the field.
        field: &'static str,
        /// A field that is there and has nearly this name.
        found: Option<String>,
    },
    /// The user's name cannot be one.
    #[error("field '{field}' in secrets is not a cephx user name: {reason}")]
    BadId {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The key cannot be one.
    #[error(
        "field '{field}' in secrets is not a cephx key: {reason}; `ceph auth get-key` prints the key"
    )]
    BadKey {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Credentials {
    /// Finds the credentials in the secrets of a request.
    pub fn from_secrets(secrets: &Secrets) -> Result<Self, Error> {
        if secrets.is_empty() {
            return Err(Error::Empty);
        }
        match (USER.found(secrets), ADMIN.found(secrets)) {
            (Found::Both, _) => USER.parse(secrets),
            (_, Found::Both) => {
                let (id, key) = (USER.id, USER.key);
                let (old_id, old_key) = (ADMIN.id, ADMIN.key);
                tracing::warn!(
                    "the secret has no complete pair {id} and {key}: using the deprecated {old_id} and {old_key}"
                );
                ADMIN.parse(secrets)
            }
            (Found::Nothing, Found::Half) => ADMIN.parse(secrets),
            (_, Found::Half | Found::Nothing) => USER.parse(secrets),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("id", &self.id)
            .field("key", &"***")
            .finish()
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.key.expose_secret() == other.key.expose_secret()
    }
}

impl Eq for Credentials {}

/// The monitors that a Secret brings along: they take the place of those in the volume context of old
/// static volumes, which list monitors and no clusterID.
pub fn monitors(secrets: &Secrets) -> Option<&str> {
    field(secrets, MONITORS)
}

fn is_placeholder(value: &str) -> bool {
    value.starts_with('<') && value.ends_with('>')
}

/// Two fields that belong together.
#[derive(Clone, Copy)]
struct Pair {
    id: &'static str,
    key: &'static str,
}

enum Found {
    Nothing,
    Half,
    Both,
}

impl Pair {
    fn found(self, secrets: &Secrets) -> Found {
        let filled = |name| field(secrets, name).filter(|value| !is_placeholder(value));
        match (filled(self.id), filled(self.key)) {
            (None, None) => Found::Nothing,
            (Some(_), Some(_)) => Found::Both,
            _ => Found::Half,
        }
    }

    fn parse(self, secrets: &Secrets) -> Result<Credentials, Error> {
        Ok(Credentials {
            id: self.parse_id(secrets)?,
            key: self.parse_key(secrets)?,
        })
    }

    fn parse_id(self, secrets: &Secrets) -> Result<String, Error> {
        let text = field(secrets, self.id).ok_or_else(|| Error::MissingId {
            field: self.id,
            found: misspelt(secrets, self.id),
        })?;
        let id = text.strip_prefix("client.").unwrap_or(text);
        let bad = |reason| Error::BadId {
            field: self.id,
            reason,
        };
        if id.is_empty() {
            return Err(bad("nothing follows `client.`"));
        }
        // The name becomes part of mount options, where a comma would start another one.
        if id.contains(|c: char| !c.is_ascii_graphic() || c == ',') {
            return Err(bad(
                "it has a comma, white space or a character outside of ASCII",
            ));
        }
        Ok(id.to_owned())
    }

    fn parse_key(self, secrets: &Secrets) -> Result<SecretString, Error> {
        let text = field(secrets, self.key).ok_or_else(|| Error::MissingKey {
            field: self.key,
            found: misspelt(secrets, self.key),
        })?;
        match wrong_with_key(text) {
            None => Ok(SecretString::from(text)),
            Some(reason) => Err(Error::BadKey {
                field: self.key,
                reason,
            }),
        }
    }
}

/// The value of a field without the white space that editors and `echo` leave around it; `None` if
/// nothing else is there.
fn field<'a>(secrets: &'a Secrets, name: &str) -> Option<&'a str> {
    let text = secrets.get(name)?.trim();
    Some(text).filter(|text| !text.is_empty())
}

fn wrong_with_key(text: &str) -> Option<&'static str> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let in_alphabet = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    if !digits.chars().all(in_alphabet) {
        Some("it has characters that base64 does not have")
    } else if padding > 2 || !text.len().is_multiple_of(4) {
        Some("it is not complete base64, a part was cut off")
    } else if text.len() < SHORTEST_KEY {
        Some("it is too short")
    } else if text.starts_with("QV") {
        // Keys start with a type of 1 or 2 in two bytes, `AQ` or `Ag` in base64; `QV` or `QW` is that again.
        Some("it is encoded in base64 twice; write it to `stringData`, or encode it once in `data`")
    } else {
        None
    }
}

/// A field that is there and looks like `wanted` mistyped.
fn misspelt(secrets: &Secrets, wanted: &str) -> Option<String> {
    let mut unknown = secrets
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()));
    unknown
        .find(|name| suggest(name, FIELDS) == Some(wanted))
        .cloned()
}

fn hint(found: Option<&str>) -> String {
    found.map_or_else(String::new, |name| {
        format!("; it has '{}'", name.escape_debug())
    })
}
