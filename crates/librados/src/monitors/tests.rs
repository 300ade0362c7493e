use std::collections::HashSet;
use std::io;
use std::net::IpAddr;

use proptest::prelude::*;

use super::{Error, MonHost, Monitors};

/// A resolver that knows three names.
fn look_up(name: &str) -> io::Result<Vec<IpAddr>> {
    let ips: &[&str] = match name {
        "mon-a.example" => &["192.0.2.1"],
        "mons.example" => &["192.0.2.1", "192.0.2.2", "2001:db8::2"],
        "mapped.example" => &["::ffff:192.0.2.9"],
        _ => return Err(io::Error::other("unknown name")),
    };
    Ok(ips.iter().map(|ip| ip.parse().unwrap()).collect())
}

fn mon_host(list: &str) -> String {
    let resolved = Monitors::parse(list).unwrap().resolve_with(look_up);
    resolved
        .as_ref()
        .map_or_else(Error::to_string, MonHost::to_string)
}

#[test]
fn every_form_becomes_numeric_addresses_with_protocol_and_port() {
    for (list, expected) in [
        ("192.0.2.1", "[v2:192.0.2.1:3300],[v1:192.0.2.1:6789]"),
        ("192.0.2.1:6789", "[v1:192.0.2.1:6789]"),
        ("192.0.2.1:3300", "[v2:192.0.2.1:3300]"),
        ("192.0.2.1:7000", "[v2:192.0.2.1:7000],[v1:192.0.2.1:7000]"),
        ("v1:192.0.2.1", "[v1:192.0.2.1:6789]"),
        ("v2:192.0.2.1", "[v2:192.0.2.1:3300]"),
        ("v1:192.0.2.1:7000/0", "[v1:192.0.2.1:7000]"),
        ("192.0.2.1:6789/123", "[v1:192.0.2.1:6789]"),
        ("[192.0.2.1]:6789", "[v1:192.0.2.1:6789]"),
        (
            "2001:db8::1",
            "[v2:[2001:db8::1]:3300],[v1:[2001:db8::1]:6789]",
        ),
        (
            "[2001:db8::1]",
            "[v2:[2001:db8::1]:3300],[v1:[2001:db8::1]:6789]",
        ),
        ("[2001:db8::1]:6789", "[v1:[2001:db8::1]:6789]"),
        ("v2:[2001:db8::1]:3301", "[v2:[2001:db8::1]:3301]"),
        ("v1:2001:db8::1", "[v1:[2001:db8::1]:6789]"),
        ("[::ffff:192.0.2.1]:3300", "[v2:192.0.2.1:3300]"),
        ("mon-a.example", "[v2:192.0.2.1:3300],[v1:192.0.2.1:6789]"),
        ("v1:mon-a.example:7000", "[v1:192.0.2.1:7000]"),
        ("mapped.example:6789", "[v1:192.0.2.9:6789]"),
        (
            "[v2:192.0.2.1:3300/0,v1:192.0.2.1:6789/0]",
            "[v2:192.0.2.1:3300,v1:192.0.2.1:6789]",
        ),
        (
            "[v2:[2001:db8::1]:3300/0,v1:[2001:db8::1]:6789/0]",
            "[v2:[2001:db8::1]:3300,v1:[2001:db8::1]:6789]",
        ),
        (
            "[v2:mon-a.example,v1:mon-a.example]",
            "[v2:192.0.2.1:3300,v1:192.0.2.1:6789]",
        ),
        ("[192.0.2.1:6789]", "[v1:192.0.2.1:6789]"),
    ] {
        assert_eq!(mon_host(list), expected, "{list}");
    }
}

#[test]
fn lists_have_any_separator() {
    let expected = "[v1:192.0.2.1:6789],[v1:192.0.2.2:6789],[v1:192.0.2.3:6789]";
    for list in [
        "192.0.2.1:6789,192.0.2.2:6789,192.0.2.3:6789",
        " 192.0.2.1:6789 ; 192.0.2.2:6789\n192.0.2.3:6789, ",
        "192.0.2.1:6789, [v1:192.0.2.2:6789] v1:192.0.2.3",
    ] {
        assert_eq!(mon_host(list), expected, "{list}");
    }
}

#[test]
fn a_name_of_several_monitors_becomes_all_of_them() {
    assert_eq!(
        mon_host("mons.example:6789"),
        "[v1:192.0.2.1:6789],[v1:192.0.2.2:6789],[v1:[2001:db8::2]:6789]"
    );
    assert_eq!(
        mon_host("[v2:mons.example:3300,v1:mons.example:6789]"),
        "[v2:192.0.2.1:3300,v1:192.0.2.1:6789],[v2:192.0.2.2:3300,v1:192.0.2.2:6789],\
         [v2:[2001:db8::2]:3300,v1:[2001:db8::2]:6789]"
    );
}

#[test]
fn an_address_is_passed_on_once() {
    let once = "[v2:192.0.2.1:3300],[v1:192.0.2.1:6789]";
    assert_eq!(mon_host("192.0.2.1,192.0.2.1,mon-a.example"), once);
    assert_eq!(
        mon_host("[v2:192.0.2.1:3300,v1:192.0.2.1:6789],[v2:192.0.2.1:3300,v1:192.0.2.1:6789]"),
        "[v2:192.0.2.1:3300,v1:192.0.2.1:6789]"
    );
    assert_eq!(
        mon_host("v1:192.0.2.1,[v2:192.0.2.1:3300,v1:192.0.2.1:6789]"),
        "[v1:192.0.2.1:6789],[v2:192.0.2.1:3300]"
    );
}

#[test]
fn each_address_is_a_monitor_of_its_own() {
    let list = "[v2:192.0.2.1:3300,v1:192.0.2.1:6789],v2:[2001:db8::1]:3300";
    let hosts = Monitors::parse(list)
        .unwrap()
        .resolve_with(look_up)
        .unwrap();
    let each: Vec<_> = hosts
        .addresses()
        .map(|(socket, monitors)| format!("{socket} {monitors}"))
        .collect();
    assert_eq!(
        each,
        [
            "192.0.2.1:3300 v2:192.0.2.1:3300",
            "192.0.2.1:6789 v1:192.0.2.1:6789",
            "[2001:db8::1]:3300 v2:[2001:db8::1]:3300"
        ]
    );
}

#[test]
fn unknown_names_are_left_out_unless_nothing_remains() {
    assert_eq!(
        mon_host("gone.example:6789,192.0.2.1:6789"),
        "[v1:192.0.2.1:6789]"
    );
    assert_eq!(
        mon_host("gone.example,lost.example:6789"),
        "no address found for the monitors: gone.example (unknown name), lost.example (unknown name)"
    );
}

#[test]
fn bad_entries_are_named() {
    let port = "the port is not a number from 1 to 65535";
    for (entry, reason) in [
        ("192.0.2.1:", port),
        ("192.0.2.1:0", port),
        ("192.0.2.1:65536", port),
        ("192.0.2.1:+89", port),
        ("mon-a.example:mon", port),
        ("[2001:db8::1]:x", port),
        ("192.0.2", "not an IP address"),
        ("192.0.2.256", "not an IP address"),
        ("2001:db8::1::2", "not an IP address"),
        ("[mon-a.example]:6789", "not an IP address"),
        (
            "fe80::1%eth0",
            "addresses with a zone (`%`) are not supported by Ceph",
        ),
        (
            "[fe80::1%eth0]:6789",
            "addresses with a zone (`%`) are not supported by Ceph",
        ),
        ("[2001:db8::1", "a bracket is not closed"),
        ("[2001:db8::1]6789", "only a port may follow the bracket"),
        ("[]", "the brackets are empty"),
        ("v1:", "the host is missing"),
        (":6789", "the host is missing"),
        ("192.0.2.1:6789/", "a number must follow the slash"),
        ("192.0.2.1:6789:/", "a number must follow the slash"),
        ("192.0.2.1/data", "a number must follow the slash"),
        ("v3:192.0.2.1:6789", "not an IP address"),
        ("-a.example", "not an IP address or DNS name"),
        ("a..example", "not an IP address or DNS name"),
        ("a=b", "not an IP address or DNS name"),
        ("rook-ceph-mon-\u{e4}", "not an IP address or DNS name"),
    ] {
        let expected = Error::Malformed {
            entry: entry.to_owned(),
            reason,
        };
        assert_eq!(Monitors::parse(entry), Err(expected.clone()), "{entry}");
        let list = format!("192.0.2.7:6789,{entry}");
        assert_eq!(Monitors::parse(&list), Err(expected), "{list}");
    }
    for list in ["", " ", ",", " ,; \n"] {
        assert_eq!(Monitors::parse(list), Err(Error::Empty), "{list:?}");
    }
}

fn any_ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
        // Few values, so that some come twice.
        (0..3_u8).prop_map(|last| IpAddr::from([192, 0, 2, last])),
    ]
}

fn any_address() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        any_ip().prop_map(|ip| match ip {
            IpAddr::V6(ip) => format!("[{ip}]"),
            IpAddr::V4(ip) => ip.to_string(),
        }),
        // Not with v: a host `v1` before a port would be a protocol.
        "[a-uw-z][a-z0-9-]{0,8}[a-z0-9](\\.[a-z]{1,5}){0,3}",
    ];
    let port = prop_oneof![
        Just(String::new()),
        (1..=u16::MAX).prop_map(|port| format!(":{port}")),
        Just(":6789".to_owned()),
    ];
    ("(v1:|v2:)?", host, port, "(/[0-9]{1,9})?").prop_map(|parts| {
        let (protocol, host, port, nonce) = parts;
        format!("{protocol}{host}{port}{nonce}")
    })
}

fn any_list() -> impl Strategy<Value = String> {
    let vector = prop::collection::vec(any_address(), 1..4)
        .prop_map(|addresses| format!("[{}]", addresses.join(",")));
    let entry = prop_oneof![3 => any_address(), 1 => vector];
    prop::collection::vec(entry, 1..6).prop_map(|entries| entries.join(","))
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,60}") {
        let _ = Monitors::parse(&text);
    }

    #[test]
    fn any_mix_of_marks_is_parsed_or_refused(text in "[v12:\\[\\]/,;. a%0-]{0,40}") {
        let _ = Monitors::parse(&text);
    }

    #[test]
    fn what_is_shown_parses_to_the_same(list in any_list()) {
        let monitors = Monitors::parse(&list).unwrap();
        prop_assert_eq!(Monitors::parse(&monitors.to_string()).unwrap(), monitors);
    }

    /// The property that keeps librados from ending the process.
    #[test]
    fn no_address_comes_twice(list in any_list()) {
        let monitors = Monitors::parse(&list).unwrap();
        let hosts = monitors.resolve_with(|name| Ok(look_up_any(name))).unwrap();
        let all: Vec<_> = hosts.0.iter().flat_map(|vector| &vector.0).collect();
        let distinct: HashSet<_> = all.iter().collect();
        prop_assert_eq!(distinct.len(), all.len(), "{}", hosts);
        prop_assert!(hosts.0.iter().all(|vector| !vector.0.is_empty()), "{}", hosts);
    }
}

/// Names that start with the same letter are one host.
fn look_up_any(name: &str) -> Vec<IpAddr> {
    let letter = name.bytes().next().unwrap_or_default();
    vec![IpAddr::from([192, 0, 2, letter % 4])]
}
