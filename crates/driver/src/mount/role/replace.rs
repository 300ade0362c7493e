//! Replacing a dead mount in the mount namespace of other processes.
//!
//! A thread can only enter another mount namespace if it shares its root and working directory with no
//! other, so this is a process of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;
use rustix::thread::LinkNameSpaceType;

use super::super::{MountFlags as Flags, tree};
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
        // In the container's namespace it would be writable for a moment.
        let options = Flags::from_kernel(&self.options);
        let tree = tree::copy(&self.source, options).map_err(step("prepare the mount"))?;

        let kind = Some(LinkNameSpaceType::Mount);
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind)
            .map_err(step("enter the namespace"))?;
        // From here on every path is one of the container's, and no link in it leads out.
        rustix::process::fchdir(&root).map_err(step("enter the root"))?;
        rustix::process::chroot(".").map_err(step("enter the root"))?;
        let gone = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
        rustix::mount::unmount(&self.at, gone).map_err(step("detach the dead mount"))?;
        tree::attach(&tree, &self.at).map_err(step("mount"))
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
