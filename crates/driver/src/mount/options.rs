//! Mount options: the order in which they are merged, and which of them are flags of a mount.

use std::fmt;

use rustix::mount::MountFlags as Flags;

#[cfg(test)]
mod tests;

/// Options for a CephFS client, in order, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountOptions(Vec<String>);

/// Where the options of a mount come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptionSources<'a> {
    /// `fuseMountOptions` or `kernelMountOptions` of the volume (its StorageClass parameters).
    pub volume: &'a str,
    /// The value for the volume's cluster in config.json.
    pub cluster: Option<&'a str>,
    /// The value of the command line flag, for clusters without one of their own.
    pub flag: &'a str,
    /// What lets the client read from the nearest OSD.
    pub read_affinity: &'a str,
    /// The volume capability's mount flags (`mountOptions` of the PV).
    pub capability: &'a [String],
    /// Whether the access mode allows readers only.
    pub access: Access,
}

/// What may be done through a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Reading and writing.
    #[default]
    ReadWrite,
    /// Reading only.
    ReadOnly,
}

impl MountOptions {
    /// Merges in the original's order: the volume's own, the cluster's or else the flag's, those
    /// of read affinity, the capability's; `ro` is added for readers.
    pub fn merge(sources: &OptionSources<'_>) -> Self {
        let mut options = Self::default();
        options.add_list(sources.volume);
        options.add_list(sources.cluster.unwrap_or(sources.flag));
        options.add_list(sources.read_affinity);
        for option in sources.capability {
            options.add_list(option);
        }
        if sources.access == Access::ReadOnly {
            options.add("ro");
        }
        options
    }

    /// The options, each once.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether nothing may be written: of `ro` and `rw` the later one counts, as it does for mount(8).
    pub fn access(&self) -> Access {
        let last = self.iter().filter(|o| matches!(*o, "ro" | "rw")).last();
        match last {
            Some("ro") => Access::ReadOnly,
            _ => Access::ReadWrite,
        }
    }

    fn add_list(&mut self, list: &str) {
        // A quoted value may contain commas: context="system_u:object_r:x:s0:c1,c2".
        let mut quoted = false;
        let options = list.split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        for option in options {
            self.add(option.trim());
        }
    }

    fn add(&mut self, option: &str) {
        if !option.is_empty() && !self.0.iter().any(|present| present == option) {
            self.0.push(option.to_owned());
        }
    }
}

impl fmt::Display for MountOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// The flags that one mount has, apart from others of the same file system: mount(2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MountFlags(Flags);

/// Names of flags, as mountinfo and mount(8) write them.
const NAMES: [(&str, Flags); 8] = [
    ("ro", Flags::RDONLY),
    ("nosuid", Flags::NOSUID),
    ("nodev", Flags::NODEV),
    ("noexec", Flags::NOEXEC),
    ("noatime", Flags::NOATIME),
    ("nodiratime", Flags::NODIRATIME),
    ("relatime", Flags::RELATIME),
    ("nosymfollow", Flags::NOSYMFOLLOW),
];

/// The words of mount(8) that take a flag away.
const OPPOSITES: [(&str, Flags); 8] = [
    ("rw", Flags::RDONLY),
    ("suid", Flags::NOSUID),
    ("dev", Flags::NODEV),
    ("exec", Flags::NOEXEC),
    ("atime", Flags::NOATIME),
    ("diratime", Flags::NODIRATIME),
    ("norelatime", Flags::RELATIME),
    ("symfollow", Flags::NOSYMFOLLOW),
];

impl MountFlags {
    /// No flag.
    pub const NONE: Self = Self(Flags::empty());

    /// Reads the options column of mountinfo.
    pub fn from_kernel(options: &str) -> Self {
        let flags = options.split(',').filter_map(|name| flag(&NAMES, name));
        let mut flags = flags.fold(Flags::empty(), Flags::union);
        // mountinfo has no word for strictatime: it shows neither noatime nor relatime.
        if !flags.intersects(Flags::NOATIME | Flags::RELATIME) {
            flags |= Flags::STRICTATIME;
        }
        Self(flags)
    }

    /// These flags after the given options of a publish; options that are none of a mount's flags
    /// (`_netdev`, `bind`, those of a Ceph client) change nothing.
    #[must_use]
    pub fn with<'a>(self, options: impl IntoIterator<Item = &'a str>) -> Self {
        const TIMES: Flags = Flags::NOATIME
            .union(Flags::RELATIME)
            .union(Flags::STRICTATIME);
        let mut flags = self.0;
        for option in options {
            if let Some(added) = flag(&NAMES, option) {
                if TIMES.contains(added) {
                    flags -= TIMES;
                }
                flags |= added;
            } else if option == "strictatime" {
                flags = (flags - TIMES) | Flags::STRICTATIME;
            } else if let Some(removed) = flag(&OPPOSITES, option) {
                flags -= removed;
            }
        }
        Self(flags)
    }

    /// Whether `ro` is among them.
    pub fn read_only(self) -> bool {
        self.0.contains(Flags::RDONLY)
    }

    /// As mountinfo writes them.
    pub fn text(self) -> String {
        let names = NAMES.iter().filter(|(_, flag)| self.0.contains(*flag));
        names.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
    }

    /// For the syscall.
    pub(super) fn bits(self) -> Flags {
        self.0
    }
}

impl fmt::Debug for MountFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.iter().filter(|(_, flag)| self.0.contains(*flag));
        f.debug_list().entries(names.map(|(name, _)| name)).finish()
    }
}

/// Whether the option is a flag of a mount, and none for a file system.
pub(super) fn is_flag(option: &str) -> bool {
    option == "strictatime" || flag(&NAMES, option).or(flag(&OPPOSITES, option)).is_some()
}

fn flag(names: &[(&str, Flags)], name: &str) -> Option<Flags> {
    let found = names.iter().find(|(known, _)| *known == name);
    found.map(|(_, flag)| *flag)
}
