//! Who connects to which cluster.

use std::fmt;
use std::hash::{Hash, Hasher};

use secrecy::{ExposeSecret as _, SecretString};

/// A cephx user of a cluster, with its key. Displayed and debugged without the key.
#[derive(Clone)]
pub struct Identity {
    /// Monitor addresses as configured, comma separated.
    pub monitors: String,
    /// User name without the `client.` prefix.
    pub user: String,
    /// The cephx key, base64.
    pub key: SecretString,
}

impl Identity {
    /// Whether this is the same user of the same cluster, perhaps with another key.
    pub(super) fn is_same_user(&self, other: &Self) -> bool {
        (&self.monitors, &self.user) == (&other.monitors, &other.user)
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.is_same_user(other) && self.key.expose_secret() == other.key.expose_secret()
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    /// Leaves out the key, which almost never tells two identities apart.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.monitors, &self.user).hash(state);
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "as `client.{}` to `{}`", self.user, self.monitors)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("monitors", &self.monitors)
            .field("user", &self.user)
            .field("key", &"***")
            .finish()
    }
}
