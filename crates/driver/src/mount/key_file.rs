//! Handing a cephx key to a program without a file system, an argument or an environment variable.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags};
use secrecy::{ExposeSecret, SecretString};

/// How a program that has the key on its standard input names it.
///
/// Standard input rather than another inherited descriptor: a descriptor without close-on-exec would
/// also be inherited by whatever else the driver starts at that moment. ceph-fuse reads the key while
/// it parses its arguments and puts `/dev/null` in the place of standard input when it becomes a
/// daemon (observed on 16.2.15), so the memory is freed then.
pub(super) const ON_STDIN: &str = "/proc/self/fd/0";

/// Puts the key into memory that has a descriptor but no name, sealed against changes.
///
/// A pipe does not do: Ceph's programs ask for the size of the file first.
pub(super) fn in_memory(key: &SecretString) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create("key", flags)?);
    file.write_all(key.expose_secret().as_bytes())?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn the_key_can_be_read_and_not_changed() {
        let mut file = File::from(in_memory(&SecretString::from("AQA=")).unwrap());
        let mut content = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "AQA=");
        file.write_all(b"x").unwrap_err();
        file.set_len(0).unwrap_err();
    }
}
