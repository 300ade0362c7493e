use ceph::monitors::Monitors;
use secrecy::SecretString;

use super::super::super::{MountOptions, MounterKind, OptionSources};
use super::*;

fn fs(name: Option<&str>, options: &str) -> CephFs {
    CephFs {
        monitors: String::new(),
        name: name.map(str::to_owned),
        root: "/volumes/csi/v".to_owned(),
        snapshot: None,
        user: "node".to_owned(),
        key: SecretString::from("AQthekey"),
        fuse_options: MountOptions::default(),
        kernel_options: MountOptions::merge(&OptionSources {
            volume: options,
            ..OptionSources::default()
        }),
        net_namespace: None,
        mounter: MounterKind::Kernel,
    }
}

fn arguments(monitors: &str, options: &str) -> Result<Arguments, String> {
    let monitors = Monitors::parse(monitors).unwrap().resolve().unwrap();
    let options = Options::read(&fs(Some("cephfs"), options)).unwrap();
    options.arguments(&monitors, "/volumes/csi/v", "node", "client.node", 30)
}

#[test]
fn each_word_goes_where_it_belongs() {
    let words = "ro,noatime,_netdev,nosuid,sync,x-systemd.automount,rasize=1024,\
                 context=\"system_u:object_r:t:s0:c1,c2\",recover_session=clean,defaults";
    let options = Options::read(&fs(None, words)).unwrap();
    assert_eq!(
        options.flags,
        Flags::RDONLY | Flags::NOATIME | Flags::NOSUID | Flags::SYNCHRONOUS
    );
    assert_eq!(
        options.data,
        [
            "rasize=1024",
            "context=\"system_u:object_r:t:s0:c1,c2\"",
            "recover_session=clean",
        ]
    );
}

#[test]
fn the_kernel_gets_what_mount_ceph_would_give_it() {
    let read_affinity = "read_from_replica=localize,crush_location=host:a|rack:b";
    let arguments =
        arguments("192.0.2.1:6789,192.0.2.2,[2001:db8::1]:6789", read_affinity).unwrap();
    assert_eq!(
        arguments.source,
        "192.0.2.1:6789,192.0.2.2:6789,[2001:db8::1]:6789:/volumes/csi/v"
    );
    assert_eq!(
        arguments.data,
        "name=node,key=client.node,mds_namespace=cephfs,read_from_replica=localize,\
         crush_location=host:a|rack:b,mount_timeout=30"
    );
}

#[test]
fn the_mode_decides_the_ports_and_the_ports_the_mode() {
    let both = "[v2:192.0.2.1:3300/0,v1:192.0.2.1:6789/0]";
    let cases = [
        ("192.0.2.1", "", "192.0.2.1:6789", ""),
        (
            "192.0.2.1",
            "ms_mode=legacy",
            "192.0.2.1:6789",
            "ms_mode=legacy,",
        ),
        (
            "192.0.2.1",
            "ms_mode=secure",
            "192.0.2.1:3300",
            "ms_mode=secure,",
        ),
        (
            "192.0.2.1:7000",
            "ms_mode=crc",
            "192.0.2.1:7000",
            "ms_mode=crc,",
        ),
        ("192.0.2.1:7000", "", "192.0.2.1:7000", ""),
        (
            "192.0.2.1:3300",
            "",
            "192.0.2.1:3300",
            "ms_mode=prefer-crc,",
        ),
        ("v2:192.0.2.1", "", "192.0.2.1:3300", "ms_mode=prefer-crc,"),
        (both, "", "192.0.2.1:6789", ""),
        (
            both,
            "ms_mode=prefer-secure",
            "192.0.2.1:3300",
            "ms_mode=prefer-secure,",
        ),
    ];
    for (monitors, options, socket, mode) in cases {
        let arguments = arguments(monitors, options).unwrap();
        let at = format!("{monitors} {options}");
        assert_eq!(arguments.source, format!("{socket}:/volumes/csi/v"), "{at}");
        let data = format!("name=node,key=client.node,mds_namespace=cephfs,{mode}mount_timeout=30");
        assert_eq!(arguments.data, data, "{at}");
    }
    for (monitors, options) in [
        ("192.0.2.1:3300", "ms_mode=legacy"),
        ("192.0.2.1:6789", "ms_mode=crc"),
    ] {
        let why = arguments(monitors, options).unwrap_err();
        assert!(why.contains(options), "{why}");
    }
}

#[test]
fn a_timeout_of_the_user_counts() {
    let arguments = arguments("192.0.2.1", "mount_timeout=7").unwrap();
    assert_eq!(arguments.data.matches("mount_timeout").count(), 1);
    assert!(arguments.data.ends_with("mount_timeout=7"));
}

#[test]
fn what_is_the_driver_s_own_is_refused_and_not_repeated() {
    for option in [
        "secret=AQsecret",
        "secretfile=/AQsecret",
        "key=AQsecret",
        "name=AQsecret",
    ] {
        let refused = Options::read(&fs(None, option)).unwrap_err();
        let text = format!("{refused} {refused:?}");
        let name = option.split('=').next().unwrap();
        assert!(text.contains(&format!("`{name}`")), "{text}");
        assert!(!text.contains("AQsecret"), "{text}");
    }
}

#[test]
fn the_file_system_may_be_named_twice_but_not_otherwise() {
    for (name, option) in [
        (Some("a"), "mds_namespace=a"),
        (Some("a"), "fs=a"),
        (None, "mds_namespace=a"),
        (None, "fs=a"),
    ] {
        let options = Options::read(&fs(name, option)).unwrap();
        assert_eq!(options.data, ["mds_namespace=a"]);
    }
    Options::read(&fs(Some("a"), "mds_namespace=b")).unwrap_err();
}

#[test]
fn options_that_do_not_fit_into_a_page_are_refused() {
    let why = arguments("192.0.2.1", &format!("crush_location={}", "x".repeat(5000)));
    assert!(why.unwrap_err().contains("4095"));
}
