//! Replacing a dead mount in the mount namespace of other processes.
//!
//! A thread can only enter another mount namespace if it shares its root and working directory with no
//! other, so this is a process of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::super::MountFlags as Flags;
use super::complain;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Replace {
    /// A process that sees the dead mount.
    pub(in super::super) process: i32,
    /// What to show instead, in our namespace.
    pub(in super::super) source: PathBuf,
    /// Where the dead mount is, from the root of the process.
    pub(in super::super) at: PathBuf,
    /// The options of the dead mount, comma-separated as in mountinfo.
    pub(in super::super) options: String,
}

impl Replace {
    pub(super) fn arguments(&self) -> [OsString; 4] {
        [
            self.process.to_string().into(),
            self.source.clone().into(),
            self.at.clone().into(),
            self.options.clone().into(),
        ]
    }

    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        Some(Self {
            process: arguments.next()?.to_str()?.parse().ok()?,
            source: arguments.next()?.into(),
            at: arguments.next()?.into(),
            options: arguments.next()?.into_string().ok()?,
        })
    }

    fn run(&self) -> Result<(), (&'static str, Errno)> {
        let step = |what| move |errno| (what, errno);
        let process = format!("/proc/{}", self.process);
        let open = |name: &str, flags| {
            rustix::fs::open(
                format!("{process}/{name}"),
                flags | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        let namespace = open("ns/mnt", OFlags::RDONLY).map_err(step("open the namespace"))?;
        let root = open("root", OFlags::PATH | OFlags::DIRECTORY).map_err(step("open the root"))?;
        let tree = self.tree().map_err(step("prepare the mount"))?;

        let kind = Some(LinkNameSpaceType::Mount);
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind)
            .map_err(step("enter the namespace"))?;
        // From here on every path is one of the container's, and no link in it leads out.
        rustix::process::fchdir(&root).map_err(step("enter the root"))?;
        rustix::process::chroot(".").map_err(step("enter the root"))?;
        let gone = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
        rustix::mount::unmount(&self.at, gone).map_err(step("detach the dead mount"))?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        rustix::mount::move_mount(&tree, "", CWD, &self.at, flags).map_err(step("mount"))
    }

    /// A copy of the source with the options of the dead mount. It gets them in a namespace that nobody
    /// else sees: in the container's it would be writable for a moment.
    fn tree(&self) -> Result<std::os::fd::OwnedFd, Errno> {
        #[expect(
            deprecated,
            reason = "what it can do wrong is to part threads from their descriptors, with another flag"
        )]
        rustix::thread::unshare(UnshareFlags::NEWNS)?;
        let alone = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", alone)?;
        let place = self.bind()?;
        let flags = Flags::from_kernel(&self.options).bits() | MountFlags::BIND;
        rustix::mount::mount_remount(place, flags, "")?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        rustix::mount::open_tree(CWD, place, flags)
    }
}

impl Replace {
    /// Binds the source over what every machine has. Over itself it would wait for those who look
    /// something up in it, and they may wait for the cluster.
    fn bind(&self) -> Result<&'static str, Errno> {
        const DIRECTORY: &str = "/proc";
        const FILE: &str = "/proc/version";
        match rustix::mount::mount_bind(&self.source, DIRECTORY) {
            // A `subPath` can be a file.
            Err(Errno::NOTDIR) => rustix::mount::mount_bind(&self.source, FILE).map(|()| FILE),
            other => other.map(|()| DIRECTORY),
        }
    }
}

pub(super) fn play(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(replace) = Replace::parse(arguments) else {
        complain("what to replace is not understood");
        return ExitCode::FAILURE;
    };
    match replace.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err((step, errno)) => {
            complain(&format!("cannot {step}: {errno}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_back() {
        let replace = Replace {
            process: 7,
            source: "/staging/a b".into(),
            at: "/data".into(),
            options: "ro,relatime".to_owned(),
        };
        assert_eq!(
            Replace::parse(replace.arguments().into_iter()),
            Some(replace)
        );
        assert_eq!(Replace::parse(["x".into()].into_iter()), None);
    }
}
