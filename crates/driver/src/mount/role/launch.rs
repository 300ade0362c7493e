//! Becoming a client that outlives the driver: out of its session, process group and cgroups.
//!
//! All that takes a while is done before the launcher knows what it is to become, so that it can be started
//! ahead of the need. Until then it is nothing without the driver, and ends with it.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::ExitCode;

use super::complain;
use super::order::Order;

/// The exit status if a cgroup could not be entered, and nothing has been started.
pub(in super::super) const NOT_ENTERED: i32 = 120;

/// The exit status of a shell that cannot run a program.
const NOT_STARTED: u8 = 127;

/// The variable in a client's environment that says which driver has started it.
const OWNER: &str = "SPIRULA_OWNER";

/// Whether `process` was started by the driver `owner`, or became what was.
pub(in super::super) fn is_owned_by(owner: &str, process: i32) -> bool {
    let mark = format!("{OWNER}={owner}");
    let environment = std::fs::read(format!("/proc/{process}/environ"));
    environment.is_ok_and(|all| {
        all.split(|&byte| byte == 0)
            .any(|one| one == mark.as_bytes())
    })
}

/// Arguments: the owner, and directories of cgroups. The order comes on standard input.
pub(super) fn play(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    // A stop signal that a terminal sends, or the hang-up when it closes, goes to the session.
    if let Err(error) = rustix::process::setsid() {
        complain(&format!("cannot make a session: {error}"));
        return ExitCode::from(NOT_STARTED);
    }
    let owner = arguments.next().unwrap_or_default();
    for directory in arguments {
        if let Err(error) = enter(Path::new(&directory)) {
            let directory = directory.display();
            complain(&format!("cannot enter cgroup `{directory}`: {error}"));
            return ExitCode::from(u8::try_from(NOT_ENTERED).unwrap_or(NOT_STARTED));
        }
    }
    let order = match Order::receive(io::stdin()) {
        Ok(Some(order)) => order,
        Ok(None) => return ExitCode::from(NOT_STARTED),
        Err(error) => {
            complain(&format!("cannot receive what to start: {error}"));
            return ExitCode::from(NOT_STARTED);
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "this process is the child that the driver has given a deadline"
    )]
    let error = std::process::Command::new(&order.program)
        .args(order.arguments)
        .stdin(order.stdin)
        .env(OWNER, owner)
        .exec();
    complain(&format!(
        "cannot start `{}`: {error}",
        order.program.display()
    ));
    ExitCode::from(NOT_STARTED)
}

/// `0` stands for the process that writes it, in whatever process namespace.
fn enter(directory: &Path) -> io::Result<()> {
    std::fs::write(directory.join("cgroup.procs"), "0")
}
