//! A cephx key that is lent to the kernel for one mount(2).
//!
//! It hangs on the calling thread alone, so it is gone with that thread, however the driver ends. The
//! kernel's client copies it while it mounts and needs it never again: what is mounted reconnects and
//! authenticates anew from its copy.

use std::io;

use keyutils::{Key, KeyType, Keyring, SpecialKeyring};

/// A cephx key that the calling thread lends to the kernel; taken back when dropped.
#[derive(Debug)]
pub(super) struct LentKey(Option<Key>);

/// The key type of the kernel's CephFS client; known to the kernel once the module is loaded.
struct Ceph;

impl KeyType for Ceph {
    type Description = str;
    type Payload = [u8];

    fn name() -> &'static str {
        "ceph"
    }
}

impl LentKey {
    /// Lends `key`, decoded from base64, under `name`. `ErrorKind::InvalidInput` if it is not a cephx key.
    pub(super) fn new(name: &str, key: &[u8]) -> io::Result<Self> {
        let lend = || {
            let mut ring = Keyring::attach_or_create(SpecialKeyring::Thread)?;
            ring.add_key::<Ceph, _, _>(name, key)
        };
        Ok(Self(Some(lend().map_err(io::Error::from)?)))
    }
}

impl Drop for LentKey {
    fn drop(&mut self) {
        if let Some(key) = self.0.take() {
            // Else it goes with the thread.
            let _ = key.invalidate();
        }
    }
}
