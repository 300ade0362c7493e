//! The text of a line. Whatever is in a message, a line stays one line: request names come from outside,
//! and must not be able to forge a second one.

use std::fmt::Write;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::record::{Fields, Rpc};
use super::{Format, Settings, Severity};

/// What a line says.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) time: Timestamp,
    pub(super) severity: Severity,
    /// The least `--v` at which it is logged.
    pub(super) verbosity: u8,
    /// File and line in the source.
    pub(super) source: Option<(&'static str, u32)>,
    pub(super) rpc: Option<Rpc>,
    pub(super) fields: Fields,
}

/// Turns [`Line`]s into text.
#[derive(Clone, Debug)]
pub(super) struct Formatter {
    format: Format,
    directory_in_source: bool,
    skip_headers: bool,
    pid: u32,
}

impl Formatter {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            format: settings.format,
            directory_in_source: settings.directory_in_source,
            skip_headers: settings.skip_headers,
            pid: std::process::id(),
        }
    }

    /// The line, with the newline at its end.
    pub(super) fn format(&self, line: &Line) -> String {
        let mut text = match self.format {
            Format::Klog => one_line(self.klog(line)),
            Format::Json => self.json(line),
        };
        text.push('\n');
        text
    }

    /// `Lmmdd hh:mm:ss.uuuuuu threadid file:line] msg`
    fn klog(&self, line: &Line) -> String {
        let mut text = String::with_capacity(128);
        // Writing to a string does not fail.
        if !self.skip_headers {
            let letter = match line.severity {
                Severity::Info => 'I',
                Severity::Warning => 'W',
                Severity::Error => 'E',
                Severity::Fatal => 'F',
            };
            let time = line.time.strftime("%m%d %H:%M:%S%.6f");
            let source = self.source(line);
            let _ = write!(text, "{letter}{time} {:>7} {source}] ", self.pid);
        }
        if let Some(rpc) = &line.rpc {
            let _ = write!(text, "ID: {} ", rpc.id);
            if !rpc.req_id.is_empty() {
                let _ = write!(text, "Req-ID: {} ", word(&rpc.req_id));
            }
        }
        text.push_str(&line.fields.message);
        for (name, value) in &line.fields.others {
            let _ = write!(text, " {name}={value}");
        }
        text
    }

    fn json(&self, line: &Line) -> String {
        let rpc = line.rpc.as_ref();
        let object = Json {
            ts: format!("{:.6}", line.time),
            level: match line.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Error => "error",
                Severity::Fatal => "fatal",
            },
            v: line.verbosity,
            id: rpc.map(|rpc| rpc.id),
            req_id: rpc
                .map(|rpc| rpc.req_id.as_str())
                .filter(|id| !id.is_empty()),
            rpc: rpc.map(|rpc| rpc.method.as_str()),
            msg: &line.fields.message,
            source: self.source(line),
            fields: line
                .fields
                .others
                .iter()
                .map(|(name, value)| (*name, value))
                .collect(),
        };
        // Strings, numbers and string keys always serialise.
        serde_json::to_string(&object).unwrap_or_default()
    }

    fn source(&self, line: &Line) -> String {
        let Some((file, number)) = line.source else {
            return "???:1".to_owned();
        };
        let path = Path::new(file);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let directory = path.parent().and_then(Path::file_name);
        match directory.filter(|_| self.directory_in_source) {
            Some(directory) => format!("{}/{name}:{number}", directory.to_string_lossy()),
            None => format!("{name}:{number}"),
        }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    ts: String,
    level: &'static str,
    v: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc: Option<&'a str>,
    msg: &'a str,
    source: String,
    /// Apart from the keys above, which an event could otherwise repeat.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    fields: std::collections::BTreeMap<&'static str, &'a Value>,
}

/// `text` as it is if it is one word of printable characters, else quoted: white space in a request
/// name must not look like the end of the name.
fn word(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_graphic() && c != '"') {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

/// Escapes everything that ends a line or moves a terminal's cursor.
fn one_line(text: String) -> String {
    let unprintable = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if !text.contains(unprintable) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if unprintable(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}
