//! The text of `--help`, printed from the table.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

use super::flags::Flags;
use super::table::{Flag, Form, GROUPS, Kind};

/// Columns of the help text, and of its first column.
const WIDTH: usize = 100;
const FLAG_WIDTH: usize = 30;

/// The name by which the program was called: `spirula`, or `cephcsi` through a link.
pub(super) fn program_name(path: &OsStr) -> String {
    let name = Path::new(path).file_name().unwrap_or(OsStr::new("spirula"));
    name.to_string_lossy().into_owned()
}

/// The help text.
pub(super) fn text(program: &str) -> String {
    let mut text = format!(
        "CSI driver for CephFS\n\n\
         Usage: {program} --type=cephfs --nodeid=<name> [flags]\n       {program} --type=liveness [flags]\n       {program} --type=registrar --kubelet-registration-path=<path> [flags]\n\n\
         Flags can be written -x or --x, values --x=v or --x v; a boolean is --x or --x=false.\n\
         Called `cephcsi` the program is the same.\n"
    );
    let mut defaults = Flags::default();
    for group in GROUPS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n{}:", group.title);
        for flag in group.flags {
            row(&mut text, flag, &mut defaults);
        }
    }
    text
}

fn row(text: &mut String, flag: &Flag, defaults: &mut Flags) {
    let first = format!("  --{}{}", flag.name, placeholder(&flag.kind));
    let mut help = flag.help.to_owned();
    if let Some(default) = default(&flag.kind, defaults) {
        let _ = write!(help, " (default {default})");
    }
    match flag.kind {
        Kind::NotYet(_) => help.push_str(" [no effect yet]"),
        Kind::Ignored(_) => help.push_str(" [ignored]"),
        _ => {}
    }
    let mut column = first;
    for line in wrap(&help, WIDTH - FLAG_WIDTH) {
        // A long flag has its line to itself.
        if column.len() >= FLAG_WIDTH {
            let _ = writeln!(text, "{column}");
            column.clear();
        }
        let _ = writeln!(text, "{column:FLAG_WIDTH$}{line}");
        column.clear();
    }
}

fn placeholder(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool(_) | Kind::Ignored(Form::Bool) | Kind::NotYet(Form::Bool) => "",
        Kind::Text(_) | Kind::Ignored(Form::Text) | Kind::NotYet(Form::Text) => "=<text>",
        Kind::Number(_) | Kind::Ignored(Form::Number) | Kind::NotYet(Form::Number) => "=<number>",
        Kind::Port(_) => "=<port>",
        Kind::Duration(_) => "=<duration>",
        Kind::Format(_) => "=<format>",
        Kind::Severity(_) => "=<severity>",
    }
}

/// The default where it is worth a word.
fn default(kind: &Kind, flags: &mut Flags) -> Option<String> {
    match kind {
        Kind::Text(field) => {
            let text = field(flags);
            (!text.is_empty()).then(|| format!("{text:?}"))
        }
        Kind::Bool(field) => Some(field(flags).to_string()).filter(|text| text == "true"),
        Kind::Number(field) => Some(field(flags).to_string()),
        Kind::Port(field) => Some(field(flags).to_string()),
        Kind::Duration(field) => Some(format!("{:?}", field(flags))),
        Kind::Format(field) => Some(format!("{:?}", field(flags)).to_lowercase()),
        Kind::Severity(field) => Some(format!("{:?}", field(flags)).to_uppercase()),
        Kind::Ignored(_) | Kind::NotYet(_) => None,
    }
}

/// Breaks `text` into lines of at most `width` columns between words.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![];
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
