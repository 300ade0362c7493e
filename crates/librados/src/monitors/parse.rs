//! From text to [`Monitor`]s.

use std::net::{IpAddr, Ipv6Addr};

use super::{Address, Error, Host, Monitor, Protocol};

/// Parses a list of monitors.
pub(super) fn monitors(list: &str) -> Result<Vec<Monitor>, Error> {
    let monitors = split(list, |c| matches!(c, ',' | ';') || c.is_whitespace())
        .map(|entry| {
            monitor(entry).map_err(|reason| Error::Malformed {
                entry: entry.to_owned(),
                reason,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if monitors.is_empty() {
        return Err(Error::Empty);
    }
    Ok(monitors)
}

/// The non-empty parts between separators that stand outside of brackets.
fn split(text: &str, is_separator: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    text.split(move |c| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && is_separator(c)
    })
    .filter(|part| !part.is_empty())
}

fn monitor(entry: &str) -> Result<Monitor, &'static str> {
    match entry
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(inside) if inside.parse::<IpAddr>().is_err() => {
            let addresses = split(inside, |c| c == ',' || c.is_whitespace())
                .map(address)
                .collect::<Result<Vec<_>, _>>()?;
            if addresses.is_empty() {
                return Err("the brackets are empty");
            }
            Ok(Monitor(addresses))
        }
        _ => Ok(Monitor(vec![address(entry)?])),
    }
}

fn address(text: &str) -> Result<Address, &'static str> {
    let (protocol, rest) = if let Some(rest) = text.strip_prefix("v1:") {
        (Some(Protocol::V1), rest)
    } else if let Some(rest) = text.strip_prefix("v2:") {
        (Some(Protocol::V2), rest)
    } else {
        (None, text)
    };
    let (host, port) = host_and_port(without_nonce(rest)?)?;
    Ok(Address {
        protocol,
        host,
        port,
    })
}

/// A nonce tells two lives of a daemon apart, and means nothing to one who connects.
fn without_nonce(text: &str) -> Result<&str, &'static str> {
    match text.split_once('/') {
        None => Ok(text),
        Some((address, nonce)) if nonce.parse::<u32>().is_ok() => Ok(address),
        Some(_) => Err("a number must follow the slash"),
    }
}

fn host_and_port(text: &str) -> Result<(Host, Option<u16>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
        let ip = inside.parse().map_err(|_| bad_ip(inside))?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(self::port(port)?),
            None if rest.is_empty() => None,
            None => return Err("only a port may follow the bracket"),
        };
        return Ok((ip_host(ip), port));
    }
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Ok((ip_host(ip.into()), None));
    }
    match text.split_once(':') {
        None => Ok((host(text)?, None)),
        Some((_, port)) if port.contains(':') => Err(bad_ip(text)),
        Some((name, port)) => Ok((host(name)?, Some(self::port(port)?))),
    }
}

fn bad_ip(text: &str) -> &'static str {
    if text.contains('%') {
        "addresses with a zone (`%`) are not supported by Ceph"
    } else {
        "not an IP address"
    }
}

fn port(text: &str) -> Result<u16, &'static str> {
    match text.parse() {
        Ok(port @ 1..) if text.starts_with(|c: char| c.is_ascii_digit()) => Ok(port),
        _ => Err("the port is not a number from 1 to 65535"),
    }
}

fn host(text: &str) -> Result<Host, &'static str> {
    if let Ok(ip) = text.parse() {
        return Ok(ip_host(ip));
    }
    if text.is_empty() {
        return Err("the host is missing");
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err("not an IP address or DNS name");
    }
    // Names do not end so, but resolvers take 1.2.3 for an address.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not an IP address");
    }
    Ok(Host::Name(text.to_owned()))
}

/// IPv4 addresses in the form of IPv6 ones are unknown to Ceph.
fn ip_host(ip: IpAddr) -> Host {
    Host::Ip(ip.to_canonical())
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
