//! Why the kernel refused to mount: from its number and the lines in its log.

use std::io;

use ceph::Context;
use rustix::io::Errno;

use super::super::failure::Cause;
use super::super::{CephFs, Error, NetNamespaceError, monitors};

#[cfg(test)]
mod tests;

/// What a mount ended at.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The network namespace.
    NetNamespace(NetNamespaceError),
    /// No monitor has an address.
    Monitors(String),
    /// The options contradict each other, or the monitors.
    Options(String),
    /// The keyring.
    Key(io::Error),
    /// mount(2).
    Call(Errno, Vec<String>),
}

/// Phrases of the client in the kernel's log and what they mean, the telling ones first (6.1, 6.12).
const PHRASES: &[(&str, Cause)] = &[
    ("Unknown parameter", Cause::BadOption),
    ("Bad value for", Cause::BadOption),
    ("authentication failed", Cause::Rejected),
    ("error -13", Cause::Rejected),
    ("server is speaking msgr", Cause::OtherProtocol),
    ("V1_BANNER", Cause::OtherProtocol),
    ("V2_BANNER", Cause::OtherProtocol),
    ("missing required protocol features", Cause::OldKernel),
    ("feature set mismatch", Cause::OldKernel),
];

/// Lines about a monitor begin so; only those of the mount's own are there.
const MONITOR: &str = "libceph: mon";

/// The client found a monitor that took it in.
const SESSION: &str = "session established";

impl Refusal {
    pub(super) fn call(errno: Errno, lines: Vec<String>) -> Self {
        Self::Call(errno, lines)
    }

    /// What it comes down to, and the kernel's words.
    ///
    /// # Errors
    /// What has nothing to do with Ceph.
    pub(super) async fn explain(self, cx: &Context, fs: &CephFs) -> Result<(Cause, String), Error> {
        match self {
            Self::NetNamespace(error) => Err(error.into()),
            Self::Monitors(why) => Ok((Cause::BadMonitors, why)),
            Self::Options(why) => Ok((Cause::BadOption, why)),
            Self::Key(error) if error.kind() == io::ErrorKind::InvalidInput => {
                Ok((Cause::BadKey, String::new()))
            }
            Self::Key(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {
                Ok((Cause::NoModule, String::new()))
            }
            Self::Key(source) => Err(Error::LentKey { source }),
            Self::Call(errno, lines) => {
                let mut cause = of_call(errno, &lines);
                let here = fs.net_namespace.is_none();
                let reachable = match cause {
                    // Of a port where nobody listens the log can say the same as of one with another protocol.
                    Cause::NoSession | Cause::OtherProtocol if here => {
                        monitors::any_reachable(cx, &fs.monitors).await
                    }
                    // In another network namespace a connection of ours would prove nothing.
                    _ => cause != Cause::NoSession,
                };
                if !reachable {
                    cause = Cause::Unreachable;
                }
                let said = if lines.is_empty() {
                    io::Error::from(errno).to_string()
                } else {
                    lines.join("\n")
                };
                Ok((cause, said))
            }
        }
    }
}

/// The cause as far as errno and log tell. The client answers `EHOSTUNREACH` for all that keeps it from
/// a map of metadata servers.
fn of_call(errno: Errno, lines: &[String]) -> Cause {
    let said = |phrase: &str| lines.iter().any(|line| line.contains(phrase));
    if errno == Errno::NODEV {
        return Cause::NoModule;
    }
    let means = |line: &String, (phrase, cause): &(&str, Cause)| {
        // Clients of other mounts lose metadata servers and OSDs in the same words.
        let is_heard = *cause != Cause::OtherProtocol || line.starts_with(MONITOR);
        is_heard && line.contains(phrase)
    };
    let meaning = PHRASES
        .iter()
        .find(|phrase| lines.iter().any(|line| means(line, phrase)));
    if let Some((_, cause)) = meaning {
        return *cause;
    }
    match errno {
        Errno::INVAL => Cause::BadOption,
        Errno::NOENT => Cause::NoDirectory,
        Errno::ACCESS | Errno::PERM => Cause::NotAllowed,
        Errno::HOSTUNREACH | Errno::TIMEDOUT | Errno::IO if said(SESSION) => Cause::NoMds,
        Errno::HOSTUNREACH | Errno::TIMEDOUT | Errno::IO => Cause::NoSession,
        _ => Cause::Other,
    }
}
