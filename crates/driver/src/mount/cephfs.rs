//! What is to be mounted, and what serves a mount.

use std::path::PathBuf;

use secrecy::SecretString;

use super::{Mount, MountOptions, MounterKind, Snapshot};

/// A directory of a CephFS, and how to mount it.
#[derive(Clone, Debug)]
pub struct CephFs {
    /// Comma list of monitors as in config.json.
    pub monitors: String,
    /// File system name; `None` for the cluster's default one.
    pub name: Option<String>,
    /// The directory, from the root of the file system.
    pub root: String,
    /// The snapshot of the directory that is to be seen in its place, read-only.
    pub snapshot: Option<Snapshot>,
    /// cephx user, without `client.`.
    pub user: String,
    /// Its key.
    pub key: SecretString,
    /// Options if ceph-fuse mounts it.
    pub fuse_options: MountOptions,
    /// Options if the kernel's client mounts it.
    pub kernel_options: MountOptions,
    /// Network namespace in which the client shall reach the cluster; `None` for the driver's own.
    pub net_namespace: Option<PathBuf>,
    /// The client that is asked for.
    pub mounter: MounterKind,
}

/// What serves a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Process id of the client, if it is a process.
    pub process: Option<i32>,
    /// Comma list of monitors that it was started with.
    pub monitors: Option<String>,
    /// File system name, `None` if it was started without one.
    pub name: Option<String>,
    /// The mounted directory, from the root of the file system.
    pub root: Option<String>,
}

impl Serving {
    /// What a mount of the kernel's client shows, `None` if that is not understood.
    ///
    /// Its source is `MONITORS:/PATH`, or, by a mount.ceph of Ceph 17 or newer, `USER@FSID.NAME=/PATH`.
    pub(super) fn of_kernel(mount: &Mount) -> Option<Self> {
        let source = mount.source.to_str()?;
        let option = |wanted: &str| {
            let options = mount.super_options.split(',');
            let mut pairs = options.filter_map(|option| option.split_once('='));
            let found = pairs.find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value.to_owned())
        };
        let (name, monitors, root) = match source.split_once(":/") {
            Some((monitors, root)) => (option("mds_namespace"), Some(monitors.to_owned()), root),
            None => {
                let (client, root) = source.split_once("=/")?;
                let name = client.rsplit_once('.').map(|(_, name)| name.to_owned());
                (name, option("mon_addr"), root)
            }
        };
        Some(Self {
            process: None,
            monitors,
            name,
            root: Some(format!("/{root}")),
        })
    }

    /// What tells this mount apart from one of `fs`; `None` if they are the same as far as is known.
    ///
    /// Monitors are not compared: their list changes during the life of a cluster.
    pub fn differs_from(&self, fs: &CephFs) -> Option<String> {
        let trimmed = |path: &str| path.trim_matches('/').to_owned();
        if let Some(root) = &self.root
            && trimmed(root) != trimmed(&fs.root)
        {
            return Some(format!("directory `{root}` instead of `{}`", fs.root));
        }
        match (&self.name, &fs.name) {
            (Some(mounted), Some(wanted)) if mounted != wanted => {
                Some(format!("file system `{mounted}` instead of `{wanted}`"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MountTable;
    use super::*;

    fn fs(name: Option<&str>, root: &str) -> CephFs {
        CephFs {
            monitors: "192.0.2.1:6789".to_owned(),
            name: name.map(str::to_owned),
            root: root.to_owned(),
            snapshot: None,
            user: "u".to_owned(),
            key: SecretString::from("k"),
            fuse_options: MountOptions::default(),
            kernel_options: MountOptions::default(),
            net_namespace: None,
            mounter: MounterKind::Fuse,
        }
    }

    fn serving(name: Option<&str>, root: Option<&str>) -> Serving {
        Serving {
            process: Some(1),
            monitors: None,
            name: name.map(str::to_owned),
            root: root.map(str::to_owned),
        }
    }

    #[test]
    fn a_kernel_mount_tells_what_it_serves() {
        let serving = |source: &str, options: &str| {
            let line = format!("38 29 0:33 / /stage rw shared:13 - ceph {source} {options}\n");
            let table = MountTable::parse(line.as_bytes()).unwrap();
            Serving::of_kernel(&table.mounts()[0])
        };
        let ours = serving(
            "192.0.2.1:6789,[2001:db8::1]:6789:/volumes/csi/v",
            "rw,name=node,secret=<hidden>,acl,mds_namespace=a",
        );
        let ours = ours.unwrap();
        assert_eq!(
            ours.monitors.as_deref(),
            Some("192.0.2.1:6789,[2001:db8::1]:6789")
        );
        assert_eq!(ours.differs_from(&fs(Some("a"), "/volumes/csi/v")), None);
        let new_syntax = serving(
            "node@502da56d-ca19-4a30-a7ad-6682fd278042.a=/volumes/csi/v",
            "rw,name=node,secret=<hidden>,mon_addr=192.0.2.1:6789",
        );
        assert_eq!(
            new_syntax
                .unwrap()
                .differs_from(&fs(Some("a"), "/volumes/csi/v")),
            None
        );
        assert!(serving("192.0.2.1:/", "rw").unwrap().name.is_none());
        assert_eq!(serving("nonsense", "rw"), None);
    }

    #[test]
    fn only_what_is_known_is_compared() {
        let wanted = fs(Some("a"), "/volumes/csi/v");
        for same in [
            serving(Some("a"), Some("/volumes/csi/v")),
            serving(None, Some("/volumes/csi/v/")),
            serving(Some("a"), None),
        ] {
            assert_eq!(same.differs_from(&wanted), None, "{same:?}");
        }
        let other_root = serving(Some("a"), Some("/volumes/csi/w"));
        assert!(
            other_root
                .differs_from(&wanted)
                .unwrap()
                .contains("/volumes/csi/w")
        );
        let other_fs = serving(Some("b"), Some("/volumes/csi/v"));
        assert!(
            other_fs
                .differs_from(&wanted)
                .unwrap()
                .contains("file system `b`")
        );
    }
}
