//! Whether monitors can be reached, tried with a bare TCP connection.
//!
//! ceph-fuse says the same for "nobody listens there" and "your key is wrong", which need different
//! cures. A connection that is accepted tells them apart.

use std::time::Duration;

use ceph::Context;
use futures::future::select_ok;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Ports of a monitor that is listed without one: msgr2, then msgr1.
const PORTS: [u16; 2] = [3300, 6789];

/// A monitor that takes longer to accept a connection counts as not reachable.
const LIMIT: Duration = Duration::from_secs(2);

/// Whether one of the monitors accepts a connection.
pub(super) async fn any_reachable(cx: &Context, monitors: &str) -> bool {
    let addresses = addresses(monitors);
    let connections = addresses.into_iter().map(|(host, port)| {
        Box::pin(async move { TcpStream::connect((host.as_str(), port)).await })
    });
    let connections: Vec<_> = connections.collect();
    let limit = LIMIT.min(cx.remaining());
    !connections.is_empty() && matches!(timeout(limit, select_ok(connections)).await, Ok(Ok(_)))
}

/// Host and port of each address in a comma list: `host`, `host:port`, `[v6]:port`, `v2:host:port`,
/// `[v2:host:port,v1:host:port]`, each with an optional `/nonce`.
fn addresses(monitors: &str) -> Vec<(String, u16)> {
    let mut found = Vec::new();
    for address in monitors.split([',', ';', ' ']) {
        // The brackets of an address vector, which split into one at the first and one at the last.
        let vector_start = address
            .strip_prefix('[')
            .filter(|rest| rest.starts_with('v'));
        let address = vector_start.unwrap_or(address);
        let address = address.split('/').next().unwrap_or_default();
        let bare = address.strip_prefix("v1:").or(address.strip_prefix("v2:"));
        let (host, port) = host_and_port(bare.unwrap_or(address));
        if host.is_empty() {
            continue;
        }
        match port {
            Some(port) => found.push((host.to_owned(), port)),
            None => found.extend(PORTS.map(|port| (host.to_owned(), port))),
        }
    }
    found
}

fn host_and_port(address: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = address
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        let port = rest
            .strip_prefix(':')
            .map(|port| port.trim_end_matches(']'));
        return (host, port.and_then(|port| port.parse().ok()));
    }
    let address = address.trim_end_matches(']');
    match address.rsplit_once(':') {
        // More colons: an IPv6 address without brackets, so without a port.
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_config_json_is_read() {
        let one = |host: &str, port| vec![(host.to_owned(), port)];
        let both = |host: &str| vec![(host.to_owned(), 3300), (host.to_owned(), 6789)];
        let cases = [
            ("192.0.2.1:6789", one("192.0.2.1", 6789)),
            ("192.0.2.1", both("192.0.2.1")),
            ("mon.example:3300", one("mon.example", 3300)),
            ("[2001:db8::1]:3300", one("2001:db8::1", 3300)),
            ("[2001:db8::1]", both("2001:db8::1")),
            ("2001:db8::1", both("2001:db8::1")),
            ("v2:192.0.2.1:3300/0", one("192.0.2.1", 3300)),
            (
                "[v2:192.0.2.1:3300/0,v1:192.0.2.1:6789/0]",
                [one("192.0.2.1", 3300), one("192.0.2.1", 6789)].concat(),
            ),
            (
                "[v2:[2001:db8::1]:3300,v1:[2001:db8::1]:6789]",
                [one("2001:db8::1", 3300), one("2001:db8::1", 6789)].concat(),
            ),
            ("a:1,b:2", [one("a", 1), one("b", 2)].concat()),
            ("", vec![]),
            (",,", vec![]),
        ];
        for (monitors, expected) in cases {
            assert_eq!(addresses(monitors), expected, "{monitors}");
        }
    }

    #[tokio::test]
    async fn a_listener_is_reachable_and_a_closed_port_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap().to_string();
        let cx = Context::with_timeout(Duration::from_secs(5));
        assert!(any_reachable(&cx, &format!("127.0.0.1:1,{open}")).await);
        drop(listener);
        assert!(!any_reachable(&cx, &open).await);
        assert!(!any_reachable(&cx, "").await);
    }
}
