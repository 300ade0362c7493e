//! The command line: every flag of the original, by the syntax of Go's `flag` package, turned into typed
//! settings. Nothing else in the driver looks at flags or at the environment.
//!
//! * `table` has one row per flag, `flags` one field per flag that has an effect;
//! * `syntax` reads arguments into those fields, `help` prints the table;
//! * `settings` are what the parts of the driver are given.

mod endpoint;
mod environment;
mod flags;
mod help;
mod settings;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod value;
mod version;

pub use endpoint::Endpoint;
pub use environment::Environment;
pub use settings::{
    CommonSettings, ControllerSettings, DriverSettings, LivenessSettings, NodeSettings, PidLimit,
    RegistrarSettings, RegistrationSettings, Role, Settings,
};

use std::ffi::OsString;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// Print this text and leave with success.
    Print(String),
    /// Run with these settings.
    Run(Box<Settings>),
}

/// Why the program cannot start with this command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The command line itself is wrong.
    #[error("{0}")]
    Usage(String),
    /// It is well formed, and asks for something that cannot be.
    #[error("{0}")]
    Settings(String),
}

impl Error {
    /// The exit code that the original has for this kind of error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Settings(_) => 1,
        }
    }
}

/// Reads the arguments, the first of which is the name of the program.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    environment: &Environment,
) -> Result<Command, Error> {
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_default();
    match syntax::read(args)? {
        syntax::Outcome::Help => Ok(Command::Print(help::text(&help::program_name(&program)))),
        syntax::Outcome::Flags(flags) if flags.version => Ok(Command::Print(version::text())),
        syntax::Outcome::Flags(flags) => {
            Settings::new(&flags, environment).map(|settings| Command::Run(Box::new(settings)))
        }
    }
}
