//! Secrets in the kernel's keyring: in kernel memory, which is neither swapped nor in any file.
//!
//! A [`Keyring`] hangs on the keyring of the user that the driver runs as, so it outlives the process and
//! its container, and ends with the machine.

use std::io;
use std::sync::{Mutex, PoisonError};

use keyutils::keytypes::User;
use keyutils::{Key, SpecialKeyring};
use secrecy::{ExposeSecret, SecretString};

#[cfg(test)]
mod tests;

/// Held while a keyring is looked for and made: one that is made twice takes the place of the first.
static MAKING: Mutex<()> = Mutex::new(());

/// A named set of secrets that outlives the process.
#[derive(Clone, Debug)]
pub struct Keyring {
    name: String,
}

/// The keyring did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot {call} `{name}` in the kernel's keyring{}", cure(.source))]
pub struct Error {
    /// What was tried.
    pub call: &'static str,
    /// The name of the secret, or of the keyring.
    pub name: String,
    /// Why it failed.
    pub source: io::Error,
}

fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported => {
            "; the driver's container has to be privileged, or its seccomp profile has to allow add_key, \
             request_key and keyctl"
        }
        io::ErrorKind::QuotaExceeded => "; /proc/sys/kernel/keys/root_maxkeys limits their number",
        _ => "",
    }
}

impl Keyring {
    /// The keyring by this name, which need not be there yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Keeps `secret` under `name`, in place of one that is there.
    ///
    /// # Errors
    /// [`Error`]; also for a name that contains `;` or a zero byte, and for more than 32,767 bytes.
    pub fn store(&self, name: &str, secret: &SecretString) -> Result<(), Error> {
        let store = || {
            check(name)?;
            let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
            let mut ring = possessed_user_keyring()?;
            let mut ring = match ring.search_for_keyring(self.name.as_str(), None) {
                Ok(ring) => ring,
                Err(_) => ring.add_keyring(self.name.as_str())?,
            };
            ring.add_key::<User, _, _>(name, secret.expose_secret().as_bytes())
        };
        store().map(drop).map_err(|e| self::error("store", name, e))
    }

    /// The secret by this name; `None` if there is none.
    ///
    /// # Errors
    /// [`Error`].
    pub fn read(&self, name: &str) -> Result<Option<SecretString>, Error> {
        let Some(key) = self.key("read", name)? else {
            return Ok(None);
        };
        let bytes = match key.read() {
            Err(errno) if is_absent(errno) => return Ok(None),
            other => other.map_err(|errno| error("read", name, errno))?,
        };
        let text = String::from_utf8(bytes).map_err(|_| Error {
            call: "read",
            name: name.to_owned(),
            source: io::ErrorKind::InvalidData.into(),
        })?;
        Ok(Some(text.into()))
    }

    /// Makes the kernel forget the secret by this name; one that is gone is fine.
    ///
    /// # Errors
    /// [`Error`].
    pub fn revoke(&self, name: &str) -> Result<(), Error> {
        match self.key("revoke", name)?.map(Key::invalidate) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(errno)) if is_absent(errno) => Ok(()),
            Some(Err(errno)) => Err(error("revoke", name, errno)),
        }
    }

    /// The names of all secrets that are kept.
    ///
    /// # Errors
    /// [`Error`].
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let list = || {
            let ring = possessed_user_keyring()?;
            let (keys, _) = ring.search_for_keyring(self.name.as_str(), None)?.read()?;
            // One that is revoked meanwhile has no description any more.
            let descriptions = keys.iter().filter_map(|key| key.description().ok());
            Ok(descriptions.map(|key| key.description).collect())
        };
        match list() {
            Err(errno) if is_absent(errno) => Ok(Vec::new()),
            other => other.map_err(|errno| error("list", &self.name, errno)),
        }
    }

    fn key(&self, call: &'static str, name: &str) -> Result<Option<Key>, Error> {
        let find = || {
            check(name)?;
            let ring = possessed_user_keyring()?;
            let ring = ring.search_for_keyring(self.name.as_str(), None)?;
            ring.search_for_key::<User, _, _>(name, None)
        };
        match find() {
            Ok(key) => Ok(Some(key)),
            Err(errno) if is_absent(errno) => Ok(None),
            Err(errno) => Err(error(call, name, errno)),
        }
    }
}

/// The keyring of the user, which the calling thread may read secrets from.
///
/// The kernel gives a secret only to who possesses it: whose own keyrings lead to it. The session that a
/// container runtime starts the driver in leads to an empty keyring, so a link of the thread's has to.
fn possessed_user_keyring() -> Result<keyutils::Keyring, errno::Errno> {
    let user = keyutils::Keyring::attach_or_create(SpecialKeyring::User)?;
    let mut thread = keyutils::Keyring::attach_or_create(SpecialKeyring::Thread)?;
    thread.link_keyring(&user)?;
    Ok(user)
}

/// The kernel's list of keys separates its columns by semicolons.
fn check(name: &str) -> Result<(), errno::Errno> {
    if name.contains([';', '\0']) {
        return Err(errno::Errno(rustix::io::Errno::INVAL.raw_os_error()));
    }
    Ok(())
}

/// Never there, revoked, or expired.
fn is_absent(errno: errno::Errno) -> bool {
    use rustix::io::Errno;
    [Errno::NOKEY, Errno::KEYREVOKED, Errno::KEYEXPIRED]
        .iter()
        .any(|absent| absent.raw_os_error() == errno.0)
}

fn error(call: &'static str, name: &str, errno: errno::Errno) -> Error {
    Error {
        call,
        name: name.to_owned(),
        source: errno.into(),
    }
}
