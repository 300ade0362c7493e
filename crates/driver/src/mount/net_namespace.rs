//! Network namespaces: `netNamespaceFilePath` of config.json.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::LinkNameSpaceType;

/// The file system that namespaces are files of: `NSFS_MAGIC` of linux/magic.h.
const NSFS: u64 = 0x6e73_6673;

/// The network namespace of a cluster cannot be entered.
#[derive(Debug, thiserror::Error)]
#[error(
    "the network namespace `{}` (netNamespaceFilePath in config.json) cannot be entered: {why}",
    path.display()
)]
pub struct NetNamespaceError {
    /// Its path.
    pub path: PathBuf,
    /// Why, and how to cure it.
    pub why: String,
}

/// Takes the calling thread into the namespace, for good.
pub(super) fn enter(path: &Path) -> Result<(), NetNamespaceError> {
    let error = |why: String| NetNamespaceError {
        path: path.to_owned(),
        why,
    };
    let namespace = open(path).map_err(error)?;
    let network = Some(LinkNameSpaceType::Network);
    match rustix::thread::move_into_link_name_space(namespace.as_fd(), network) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL) => Err(error("it is a namespace of another kind".to_owned())),
        Err(errno) => Err(error(std::io::Error::from(errno).to_string())),
    }
}

fn open(path: &Path) -> Result<OwnedFd, String> {
    // Whatever is there must not make us wait for it to open.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT => {
            "it does not exist on this node, or not in the driver's container, which needs \
                         the directory of the node with mountPropagation HostToContainer"
                .to_owned()
        }
        errno => std::io::Error::from(errno).to_string(),
    })?;
    let kind =
        rustix::fs::fstatfs(&opened).map_err(|errno| std::io::Error::from(errno).to_string())?;
    if u64::try_from(kind.f_type) != Ok(NSFS) {
        return Err("it is not a namespace: `ip netns add` makes one".to_owned());
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_network_namespace_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let cases = [
            (directory.path().join("absent"), "does not exist"),
            (file, "not a namespace"),
            (directory.path().to_owned(), "not a namespace"),
        ];
        for (path, why) in cases {
            let error = enter(&path).unwrap_err().to_string();
            assert!(
                error.contains(why) && error.contains("netNamespaceFilePath"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_namespace_of_another_kind_is_refused() {
        // Without the right to enter any it is refused for that.
        let error = enter(Path::new("/proc/self/ns/uts"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("cannot be entered"), "{error}");
    }
}
