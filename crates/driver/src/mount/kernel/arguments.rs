//! The arguments of mount(2): which options are flags, which are for the kernel's client, and which are
//! nobody's business but the driver's.

use std::net::SocketAddr;

use ceph::monitors::{MonHost, Protocol};
use rustix::mount::MountFlags as Flags;

use super::super::{CephFs, Error, MountFlags, options};

#[cfg(test)]
mod tests;

/// Flags of the whole file system, which mount(8) takes as words.
const OF_FILE_SYSTEM: [(&str, Flags); 7] = [
    ("sync", Flags::SYNCHRONOUS),
    ("async", Flags::empty()),
    ("dirsync", Flags::DIRSYNC),
    ("lazytime", Flags::LAZYTIME),
    ("nolazytime", Flags::empty()),
    ("silent", Flags::SILENT),
    ("loud", Flags::empty()),
];

/// Words for mount(8) and fstab(5) that say nothing to a kernel.
const FOR_OTHERS: [&str; 9] = [
    "_netdev", "defaults", "auto", "noauto", "user", "nouser", "users", "nofail", "bind",
];

/// What the volume and its Secret say already. Two of them would contradict each other, and a key among
/// the options would be in StorageClasses, logs and events.
const OF_DRIVER: [&str; 6] = ["name", "secret", "secretfile", "key", "keyfile", "mon_addr"];

/// The option that names the file system: in the kernel, and as mount.ceph takes it too.
const FILE_SYSTEM: [&str; 2] = ["mds_namespace", "fs"];

/// What the kernel takes as options is one page with a zero byte at its end.
const LONGEST: usize = 4095;

/// What a client is told when monitors speak the second protocol only and no mode is given: encryption
/// of what is sent is used where the cluster asks for it.
const MODE_OF_V2: &str = "ms_mode=prefer-crc";

/// The options of a mount, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// For the VFS.
    pub(super) flags: Flags,
    /// For the client, but for name and key.
    pub(super) data: Vec<String>,
    mode: Option<String>,
    has_timeout: bool,
}

/// What mount(2) is called with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    /// Monitors and directory.
    pub(super) source: String,
    /// The options, comma-separated.
    pub(super) data: String,
}

impl Options {
    /// Sorts the options of `fs`.
    ///
    /// # Errors
    /// [`Error::Option`] for one that is the driver's own.
    pub(super) fn read(fs: &CephFs) -> Result<Self, Error> {
        if fs.user.contains([',', '"', '\0']) {
            return Err(refused(
                "name",
                "is the user of the secret, and it is no cephx user",
            ));
        }
        let mut read = Self {
            flags: Flags::empty(),
            data: Vec::new(),
            mode: None,
            has_timeout: false,
        };
        let mut of_mount = Vec::new();
        let mut file_system = fs.name.clone();
        for option in fs.kernel_options.iter() {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if FOR_OTHERS.contains(&name) || name.starts_with("x-") || name == "comment" {
                tracing::debug!("mount option `{name}` is none of the kernel's");
            } else if OF_DRIVER.contains(&name) {
                let why = "is the driver's own: user and key are those of the node-stage secret, monitors \
                           those of config.json; remove it from kernelMountOptions or mountOptions";
                return Err(refused(name, why));
            } else if FILE_SYSTEM.contains(&name) {
                let named = file_system.get_or_insert_with(|| value.to_owned());
                if named != value {
                    return Err(refused(
                        name,
                        "names another file system than fsName of the volume",
                    ));
                }
            } else if options::is_flag(option) {
                of_mount.push(option);
            } else if let Some((_, flag)) = OF_FILE_SYSTEM.iter().find(|(word, _)| *word == option)
            {
                read.flags |= *flag;
            } else {
                match name {
                    "ms_mode" => read.mode = Some(value.to_owned()),
                    "mount_timeout" => read.has_timeout = true,
                    _ => {}
                }
                read.data.push(option.to_owned());
            }
        }
        read.flags |= MountFlags::NONE.with(of_mount).bits();
        if let Some(name) = file_system {
            read.data.insert(0, format!("mds_namespace={name}"));
        }
        Ok(read)
    }

    /// The arguments for a mount of `root` as `user`, whose key the kernel finds under `key_name`, and
    /// which has to be there after `seconds`.
    ///
    /// # Errors
    /// What does not fit together, for people.
    pub(super) fn arguments(
        &self,
        monitors: &MonHost,
        root: &str,
        user: &str,
        key_name: &str,
        seconds: u64,
    ) -> Result<Arguments, String> {
        let (sockets, implied) = self.choose(monitors)?;
        let sockets: Vec<_> = sockets.iter().map(SocketAddr::to_string).collect();
        let mut data = vec![format!("name={user}"), format!("key={key_name}")];
        data.extend(self.data.iter().cloned());
        data.extend(implied.map(str::to_owned));
        if !self.has_timeout {
            data.push(format!("mount_timeout={}", seconds.max(1)));
        }
        let data = data.join(",");
        if data.len() > LONGEST {
            return Err(format!(
                "the mount options are {} bytes long, and the kernel takes {LONGEST}",
                data.len()
            ));
        }
        let slash = if root.starts_with('/') { "" } else { "/" };
        Ok(Arguments {
            source: format!("{}:{slash}{root}", sockets.join(",")),
            data,
        })
    }

    /// Where to connect to: of one protocol, since the kernel speaks one with all monitors. Without
    /// `ms_mode` that is the first one, as it is the kernel's default, unless all monitors are listed
    /// with the second.
    fn choose(
        &self,
        monitors: &MonHost,
    ) -> Result<(Vec<SocketAddr>, Option<&'static str>), String> {
        let of = |wanted| -> Vec<SocketAddr> {
            let sockets = monitors
                .sockets()
                .filter(|(protocol, _)| *protocol == wanted);
            sockets.map(|(_, socket)| socket).collect()
        };
        let (v1, v2) = (of(Protocol::V1), of(Protocol::V2));
        match self.mode.as_deref() {
            None if v1.is_empty() => Ok((v2, Some(MODE_OF_V2))),
            Some("legacy") if v1.is_empty() => Err(
                "ms_mode=legacy needs a monitor at its port of messenger 1, 6789, and all are listed with \
                 that of messenger 2"
                    .to_owned(),
            ),
            None | Some("legacy") => Ok((v1, None)),
            Some(mode) if v2.is_empty() => Err(format!(
                "ms_mode={mode} needs a monitor at its port of messenger 2, 3300, and all are listed with \
                 that of messenger 1"
            )),
            Some(_) => Ok((v2, None)),
        }
    }
}

fn refused(option: &str, why: &'static str) -> Error {
    Error::Option {
        option: option.to_owned(),
        why,
    }
}
