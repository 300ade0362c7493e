//! Arguments by the rules of Go's `flag` package: `-x` and `--x` are the same, a value follows after `=` or
//! as the next argument, a boolean takes one only after `=`, and of repeated flags the last counts.
//!
//! One thing differs on purpose: Go stops at the first argument that is not a flag and never sees the
//! rest. Such an argument is an error here, since what follows it would silently have no effect.

use std::ffi::OsString;

use super::Error;
use super::flags::Flags;
use super::table::{self, Flag};
use crate::suggest::suggest;

/// What the arguments say.
pub(super) enum Outcome {
    /// `--help` was among them.
    Help,
    /// The values of all flags.
    Flags(Box<Flags>),
}

/// Reads the arguments after the program's name.
pub(super) fn read(args: impl Iterator<Item = OsString>) -> Result<Outcome, Error> {
    let mut args = args.map(|arg| {
        arg.into_string()
            .map_err(|arg| usage(format!("argument is not UTF-8: {}", arg.display())))
    });
    let mut flags = Flags::default();
    let mut after_boolean = None;
    while let Some(arg) = args.next() {
        let arg = arg?;
        let Some((name, attached)) = split(&arg) else {
            return Err(stray(&arg, after_boolean));
        };
        if name == "help" || name == "h" {
            return Ok(Outcome::Help);
        }
        let flag = find(name)?;
        after_boolean = (flag.is_boolean() && attached.is_none()).then_some(flag.name);
        let value = match attached {
            Some(value) => value.to_owned(),
            None if flag.is_boolean() => "true".to_owned(),
            None => args
                .next()
                .ok_or_else(|| usage(format!("flag --{name} needs a value: --{name}=...")))??,
        };
        flag.set(&mut flags, &value).map_err(|reason| {
            let shown = value.escape_debug();
            usage(format!(
                "flag --{name} cannot have the value `{shown}`: {reason}"
            ))
        })?;
    }
    Ok(Outcome::Flags(Box::new(flags)))
}

/// `--name=value` or `-name=value` or without value; `None` for what is no flag.
fn split(arg: &str) -> Option<(&str, Option<&str>)> {
    let flag = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
    if flag.is_empty() || flag.starts_with(['-', '=']) {
        return None;
    }
    Some(match flag.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (flag, None),
    })
}

fn find(name: &str) -> Result<&'static Flag, Error> {
    table::all().find(|flag| flag.name == name).ok_or_else(|| {
        let names: Vec<_> = table::all().map(|flag| flag.name).collect();
        let remedy = match suggest(name, &names) {
            Some(known) => format!("did you mean --{known}?"),
            None => "--help lists all flags".to_owned(),
        };
        usage(format!(
            "flag --{} is unknown; {remedy}",
            name.escape_debug()
        ))
    })
}

fn stray(arg: &str, after_boolean: Option<&str>) -> Error {
    let shown = arg.escape_debug();
    usage(match after_boolean {
        Some(flag) => {
            format!("stray argument `{shown}`; a value for --{flag} is given as --{flag}={shown}")
        }
        None => {
            format!("stray argument `{shown}`; every argument must be a flag, such as --name=value")
        }
    })
}

fn usage(message: String) -> Error {
    Error::Usage(message)
}
