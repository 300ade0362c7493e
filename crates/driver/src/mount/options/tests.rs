use proptest::prelude::*;

use super::*;

#[test]
fn sources_are_merged_in_the_original_s_order() {
    let sources = OptionSources {
        volume: "debug, big_writes",
        cluster: Some("noatime,debug"),
        flag: "ignored",
        read_affinity: "read_from_replica=localize,crush_location=zone:z1|host:h1",
        capability: &["nosuid,noatime".to_owned(), " auto_cache ".to_owned()],
        access: Access::ReadOnly,
    };
    let merged = MountOptions::merge(&sources).to_string();
    assert_eq!(
        merged,
        "debug,big_writes,noatime,read_from_replica=localize,crush_location=zone:z1|host:h1,nosuid,auto_cache,ro"
    );
}

#[test]
fn the_flag_counts_for_clusters_without_a_value_of_their_own() {
    let merge = |cluster| {
        let sources = OptionSources {
            cluster,
            flag: "a,b",
            ..OptionSources::default()
        };
        MountOptions::merge(&sources).to_string()
    };
    assert_eq!(merge(None), "a,b");
    assert_eq!(merge(Some("c")), "c");
}

#[test]
fn readers_get_ro_once() {
    let capability = ["ro".to_owned()];
    let sources = OptionSources {
        capability: &capability,
        access: Access::ReadOnly,
        ..OptionSources::default()
    };
    assert_eq!(MountOptions::merge(&sources).to_string(), "ro");
}

#[test]
fn a_quoted_value_keeps_its_commas() {
    let volume = r#"context="system_u:object_r:t:s0:c1,c2",noatime"#;
    let sources = OptionSources {
        volume,
        ..OptionSources::default()
    };
    let merged = MountOptions::merge(&sources);
    assert_eq!(merged.iter().count(), 2);
    assert_eq!(merged.to_string(), volume);
}

#[test]
fn the_later_of_ro_and_rw_counts() {
    let access = |volume| {
        MountOptions::merge(&OptionSources {
            volume,
            ..OptionSources::default()
        })
        .access()
    };
    assert_eq!(access(""), Access::ReadWrite);
    assert_eq!(access("rw,ro"), Access::ReadOnly);
    assert_eq!(access("ro,rw"), Access::ReadWrite);
}

#[test]
fn flags_of_a_mount_are_kept_and_changed_by_name() {
    let flags = MountFlags::from_kernel("rw,nosuid,nodev,relatime");
    let changed = flags.with(["ro", "noexec", "bind", "_netdev", "noatime"]);
    assert_eq!(
        format!("{changed:?}"),
        r#"["ro", "nosuid", "nodev", "noexec", "noatime"]"#
    );
    assert_eq!(changed.with(["rw", "exec", "relatime"]), flags);
    assert!(changed.read_only() && !flags.read_only());
}

#[test]
fn a_mount_without_a_word_on_access_times_has_strict_ones() {
    let strict = MountFlags::from_kernel("rw");
    assert!(strict.bits().contains(Flags::STRICTATIME));
    assert!(
        !strict
            .with(["relatime"])
            .bits()
            .contains(Flags::STRICTATIME)
    );
}

fn lists() -> impl Strategy<Value = String> {
    proptest::collection::vec("[a-d ]{0,3}", 0..6).prop_map(|options| options.join(","))
}

proptest! {
    #[test]
    fn every_option_is_there_once_and_in_order_of_its_first_source(
        volume in lists(), cluster in lists(), capability in proptest::collection::vec(lists(), 0..3),
    ) {
        let sources = OptionSources {
            volume: &volume,
            cluster: Some(&cluster),
            capability: &capability,
            ..OptionSources::default()
        };
        let merged = MountOptions::merge(&sources);
        let all = [volume.clone(), cluster.clone(), capability.join(",")].join(",");
        let mut expected: Vec<&str> = Vec::new();
        for option in all.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            if !expected.contains(&option) {
                expected.push(option);
            }
        }
        prop_assert_eq!(merged.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn flags_survive_a_remount_without_options(bits in 0_usize..256) {
        let names = NAMES.iter().enumerate();
        let names = names.filter(|(index, _)| bits & (1 << index) != 0).map(|(_, (name, _))| *name);
        let flags = MountFlags::from_kernel(&names.collect::<Vec<_>>().join(","));
        prop_assert_eq!(flags.with(["bind", "_netdev", "x-something"]), flags);
    }
}
