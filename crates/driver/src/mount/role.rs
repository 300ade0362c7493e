//! The driver's own program in the roles of its helpers.
//!
//! Some steps have to be taken by a process of one thread, or by the process that becomes a daemon,
//! between fork and exec, where Rust code that is not `unsafe` cannot run. The driver starts its own
//! program for them, with a role in place of flags. Administrators never do.

mod launch;
mod order;
mod replace;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) use launch::{NOT_ENTERED, is_owned_by};
pub(super) use order::Order;
pub(super) use replace::Replace;

/// Waits to become a client that outlives the driver.
const LAUNCH: &str = "internal:launch";
/// Replaces a mount in another namespace.
const REPLACE: &str = "internal:replace";

/// Where the driver's own program is found.
#[derive(Clone, Debug)]
pub struct OwnProgram(PathBuf);

impl OwnProgram {
    /// The program at `path`, for tests, which are another program themselves.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.clone()
    }
}

impl Default for OwnProgram {
    /// The running one, also when its file has been replaced since.
    fn default() -> Self {
        Self::at("/proc/self/exe")
    }
}

/// Plays the role that the arguments of the process name; `None` if they name none. To be called before
/// anything else: it needs the process to have one thread.
pub fn play(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    match arguments.next()?.to_str()? {
        LAUNCH => Some(launch::play(arguments)),
        REPLACE => Some(replace::play(arguments)),
        _ => None,
    }
}

/// The arguments that have our program enter the cgroups `enter` and become what an [`Order`] on its standard input
/// says, with a mark of `owner`, see [`is_owned_by`].
pub(super) fn launch(owner: &str, enter: &[PathBuf]) -> Vec<OsString> {
    let mut arguments = vec![LAUNCH.into(), owner.into()];
    arguments.extend(enter.iter().map(|directory| directory.clone().into()));
    arguments
}

/// The arguments that have our program replace a mount.
pub(super) fn replace(replace: &Replace) -> Vec<OsString> {
    let mut arguments = vec![REPLACE.into()];
    arguments.extend(replace.arguments());
    arguments
}

/// For the driver that waits for this process, and for its log.
fn complain(message: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{message}");
}
