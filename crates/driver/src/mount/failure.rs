//! Why a Ceph client could not mount, from the little that it says.

use std::fmt;

use super::CephFs;

#[cfg(test)]
mod tests;

/// A mount that a Ceph client refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// Which client.
    pub client: &'static str,
    /// What it comes down to.
    pub cause: Cause,
    /// cephx user, without `client.`.
    pub user: String,
    /// File system name, `None` for the default one.
    pub name: Option<String>,
    /// The directory that was to be mounted.
    pub root: String,
    /// The monitors.
    pub monitors: String,
    /// The client's own words, secrets masked.
    pub said: String,
}

/// What made a mount fail, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The key is not a cephx key.
    BadKey,
    /// Monitors can be reached, but the user and key got no session with them.
    Rejected,
    /// No monitor can be reached.
    Unreachable,
    /// The monitor list is not understood or its names do not resolve.
    BadMonitors,
    /// The user's MDS capabilities do not cover the directory.
    NotAllowed,
    /// The directory is not there.
    NoDirectory,
    /// The file system is not there.
    NoFileSystem,
    /// No MDS answered.
    NoMds,
    /// An option is unknown to the client.
    BadOption,
    /// The network namespace cannot be entered.
    NetNamespace,
    /// The node does not let FUSE be used.
    NoFuse,
    /// The kernel does not know CephFS.
    NoModule,
    /// The kernel lacks a feature that the cluster asks of its clients.
    OldKernel,
    /// The monitors speak another messenger protocol at these ports.
    OtherProtocol,
    /// Monitors can be reached, but gave no session, and nothing says why.
    NoSession,
    /// Anything else.
    Other,
}

/// What a client printed, read before its monitors have been tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It names the cause.
    Cause(Cause),
    /// It got no session with a monitor: [`Cause::Rejected`] or [`Cause::Unreachable`], and
    /// ceph-fuse says the same for both.
    NoSession,
}

/// Phrases of ceph-fuse and what they mean, the telling ones first (16.2.15, 18.2.7).
const PHRASES: &[(&str, Said)] = &[
    ("failed to decode key", Said::Cause(Cause::BadKey)),
    ("unable to parse addrs", Said::Cause(Cause::BadMonitors)),
    ("cannot identify monitors", Said::Cause(Cause::BadMonitors)),
    ("failed to fetch mon config", Said::NoSession),
    (
        "mdsmap subscription failed",
        Said::Cause(Cause::NoFileSystem),
    ),
    ("(2) No such file", Said::Cause(Cause::NoDirectory)),
    ("non-allowable root", Said::Cause(Cause::NotAllowed)),
    (
        "(1) Operation not permitted",
        Said::Cause(Cause::NotAllowed),
    ),
    ("(13) Permission denied", Said::Cause(Cause::NotAllowed)),
    ("(110) Connection timed out", Said::Cause(Cause::NoMds)),
    ("no mds server is up", Said::Cause(Cause::NoMds)),
    ("unknown option", Said::Cause(Cause::BadOption)),
    ("fuse device not found", Said::Cause(Cause::NoFuse)),
    ("failed to open /dev/fuse", Said::Cause(Cause::NoFuse)),
    ("nsenter:", Said::Cause(Cause::NetNamespace)),
];

impl Said {
    pub(super) fn read(stderr: &str) -> Self {
        let found = PHRASES.iter().find(|(phrase, _)| stderr.contains(phrase));
        found.map_or(Self::Cause(Cause::Other), |(_, said)| *said)
    }
}

impl Failure {
    pub(super) fn new(client: &'static str, cause: Cause, fs: &CephFs, stderr: &str) -> Self {
        Self {
            client,
            cause,
            user: fs.user.clone(),
            name: fs.name.clone(),
            root: fs.root.clone(),
            monitors: fs.monitors.clone(),
            said: essence(stderr),
        }
    }

    fn file_system(&self) -> String {
        match &self.name {
            Some(name) => format!("file system `{name}`"),
            None => "the default file system".to_owned(),
        }
    }
}

/// What is left of a client's words without its reports of progress and its time stamps.
fn essence(stderr: &str) -> String {
    // Between a v1 and a v2 monitor port the client tries both and reports the one that failed.
    const PROGRESS: [&str; 4] = [
        "_handle_peer_banner",
        "init, newargv",
        "starting ceph client",
        "starting fuse",
    ];
    let telling = stderr.lines().map(str::trim).filter(|line| {
        !line.is_empty() && !PROGRESS.iter().any(|progress| line.contains(progress))
    });
    // `2026-01-01T00:00:00.000+0000 7f00 -1 text`
    let text = telling.map(|line| match line.split_once(" -1 ") {
        Some((stamp, text)) if stamp.starts_with("20") => text.trim(),
        _ => line,
    });
    text.collect::<Vec<_>>().join("; ")
}

impl Cause {
    /// What can be said of it without knowing the mount.
    fn text(self) -> &'static str {
        match self {
            Self::NoDirectory => "the directory does not exist",
            Self::NoFileSystem => {
                "that file system does not exist; `ceph fs ls` names those that do"
            }
            Self::NoMds => {
                "no metadata server of it answered; `ceph fs status` tells whether there is such a file \
                 system, and whether one is active"
            }
            Self::BadOption => "a mount option is not known to it",
            Self::NetNamespace => {
                "the network namespace of netNamespaceFilePath in config.json cannot be entered"
            }
            Self::NoFuse => {
                "FUSE is not usable on this node: load the kernel module `fuse` and give the driver's \
                 container the device /dev/fuse"
            }
            Self::NoModule => {
                "the kernel of this node has no CephFS client; install the package with its module `ceph` \
                 and load it"
            }
            Self::OldKernel => {
                "the kernel of this node is too old for the cluster; use a newer one, or `mounter: fuse`"
            }
            _ => "it failed",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client,
            user,
            root,
            monitors,
            said,
            ..
        } = self;
        let fs = self.file_system();
        write!(f, "{client} cannot mount `{root}` of {fs}: ")?;
        match self.cause {
            Cause::BadKey => write!(
                f,
                "the key of user `{user}` in the secret is not a cephx key; `ceph auth get-key \
                 client.{user}` prints the right one"
            ),
            Cause::Rejected => write!(
                f,
                "monitors `{monitors}` can be reached, but accept no session of user `{user}`: compare \
                 user and key in the secret with `ceph auth get client.{user}`"
            ),
            Cause::Unreachable => write!(
                f,
                "none of the monitors `{monitors}` can be reached from this node, or they do not answer; check \
                 the network, `monitors` in config.json, and `ceph status`"
            ),
            Cause::BadMonitors => write!(
                f,
                "the monitor list `{monitors}` is not understood or its names do not resolve on this node"
            ),
            Cause::NotAllowed => write!(
                f,
                "user `{user}` is not allowed to; `ceph fs authorize {} client.{user} {root} rw` allows it",
                self.name.as_deref().unwrap_or("<file system>")
            ),
            Cause::OtherProtocol => write!(
                f,
                "monitors `{monitors}` speak another protocol at these ports; `ms_mode=legacy` is for port \
                 6789, the other modes are for port 3300"
            ),
            Cause::NoSession => write!(
                f,
                "monitors `{monitors}` can be reached, but there is no session with the cluster, and the \
                 kernel's log, which says why, cannot be read here; compare user and key in the secret with \
                 `ceph auth get client.{user}`, and see `ceph fs status`"
            ),
            cause => f.write_str(cause.text()),
        }?;
        if said.is_empty() {
            Ok(())
        } else {
            write!(f, " (it said: {said})")
        }
    }
}
