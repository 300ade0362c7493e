//! The text of a flag's value, by the rules of Go's `strconv` and `time` packages. Errors say what the
//! value should look like; the caller adds which flag and value it was.

use std::time::Duration;

use crate::logging::{Format, Severity};

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err("it is neither `true` nor `false`".to_owned()),
    }
}

pub(super) fn number(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| "it is not a whole number".to_owned())
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| "it is not a port number from 0 to 65535".to_owned())
}

pub(super) fn format(text: &str) -> Result<Format, String> {
    match text {
        "klog" => Ok(Format::Klog),
        "json" => Ok(Format::Json),
        _ => Err("it is neither `klog` nor `json`".to_owned()),
    }
}

pub(super) fn severity(text: &str) -> Result<Severity, String> {
    match text.to_ascii_uppercase().as_str() {
        "0" | "INFO" => Ok(Severity::Info),
        "1" | "WARNING" => Ok(Severity::Warning),
        "2" | "ERROR" => Ok(Severity::Error),
        "3" | "FATAL" => Ok(Severity::Fatal),
        _ => Err("it is not one of INFO, WARNING, ERROR, FATAL or 0 to 3".to_owned()),
    }
}

/// A duration as Go writes it: `0`, or numbers with a unit in a row, such as `1m30s`, `1.5h`, `300ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "it is not a duration such as `30s`, `1m30s` or `0`".to_owned();
    let rest = text.strip_prefix('+').unwrap_or(text);
    if rest.starts_with('-') {
        return Err("a duration cannot be negative".to_owned());
    }
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(bad());
    }
    let mut rest = rest;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (part, tail) = duration_part(rest).ok_or_else(bad)?;
        total = total
            .checked_add(part)
            .ok_or("it is longer than any clock runs")?;
        rest = tail;
    }
    Ok(total)
}

/// The first number with its unit, and what follows it.
fn duration_part(text: &str) -> Option<(Duration, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let end = rest
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some((Duration::try_from_secs_f64(number * seconds).ok()?, rest))
}
