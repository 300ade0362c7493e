//! Replacing a dead mount in the mount namespace of other processes.
//!
//! A thread can only enter another mount namespace if it shares its root and working directory with no
//! other, so this is a process of its own.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::thread::LinkNameSpaceType;

use super::super::{MountFlags as Flags, namespaces, tree};
use super::complain;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Replace {
    /// A process that sees the dead mount.
    pub(in super::super) process: i32,
    /// Its mount namespace.
    pub(in super::super) namespace: u64,
    /// What to show instead, in our namespace.
    pub(in super::super) source: PathBuf,
    /// The id of the dead mount.
    pub(in super::super) mount: u64,
    /// `major:minor` of its superblock.
    pub(in super::super) device: String,
    /// Where it is, from the root of the process.
    pub(in super::super) at: PathBuf,
    /// The options of the dead mount, comma-separated as in mountinfo.
    pub(in super::super) options: String,
}

impl Replace {
    pub(super) fn arguments(&self) -> [OsString; 7] {
        [
            self.process.to_string().into(),
            self.namespace.to_string().into(),
            self.source.clone().into(),
            self.mount.to_string().into(),
            self.device.clone().into(),
            self.at.clone().into(),
            self.options.clone().into(),
        ]
    }

    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        Some(Self {
            process: number(arguments.next())?,
            namespace: number(arguments.next())?,
            source: arguments.next()?.into(),
            mount: number(arguments.next())?,
            device: arguments.next()?.into_string().ok()?,
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
        if !self.is_there(&namespace) {
            return Ok(());
        }
        // In the container's namespace it would be writable for a moment.
        let options = Flags::from_kernel(&self.options);
        let tree = tree::copy(&self.source, options).map_err(step("prepare the mount"))?;

        let kind = Some(LinkNameSpaceType::Mount);
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind)
            .map_err(step("enter the namespace"))?;
        // From here on every path is one of the container's, and no link in it leads out.
        rustix::process::fchdir(&root).map_err(step("enter the root"))?;
        rustix::process::chroot(".").map_err(step("enter the root"))?;
        // A dead mount still tells whether it is a directory, and after it is detached there is no way back.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::open(&self.at, flags, Mode::empty());
        let source = rustix::fs::fstat(&tree).map_err(step("look at the mount"))?;
        if opened.is_ok() != FileType::from_raw_mode(source.st_mode).is_dir() {
            return Err(("show a file as a directory, or the reverse", Errno::NOTDIR));
        }
        drop(opened);
        let gone = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
        rustix::mount::unmount(&self.at, gone).map_err(step("detach the dead mount"))?;
        tree::attach(&tree, &self.at).map_err(step("mount"))?;
        // It is a copy of one that may be shared, and what a container mounts is its own.
        rustix::mount::mount_change(&self.at, MountPropagationFlags::PRIVATE)
            .map_err(step("part from others what is mounted"))
    }

    /// Whether the process is of the `namespace` that was looked at, and still has the dead mount on top there.
    fn is_there(&self, namespace: &OwnedFd) -> bool {
        let same = rustix::fs::fstat(namespace).is_ok_and(|stat| stat.st_ino == self.namespace);
        let table = namespaces::table_of(self.process);
        same && table.is_some_and(|table| {
            let found = table.at(&self.at);
            found.is_some_and(|mount| mount.id == self.mount && mount.device == self.device)
        })
    }
}

fn number<T: FromStr>(argument: Option<OsString>) -> Option<T> {
    argument?.to_str()?.parse().ok()
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
            namespace: 4_026_531_840,
            source: "/staging/a b".into(),
            mount: 42,
            device: "0:50".to_owned(),
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
