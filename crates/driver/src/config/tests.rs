use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;
use crate::logging::{Format, tests as log};

/// Every key that the original knows, in entries as its operator and its charts write them.
const FULL: &str = r#"[
  {
    "clusterID": "rook-ceph",
    "monitors": ["10.0.0.1:6789", "v2:10.0.0.2:3300", "[fd00::3]:6789"],
    "cephFS": {
      "netNamespaceFilePath": "/var/lib/kubelet/plugins/cephfs.csi.ceph.com/rook-ceph.net.ns",
      "subvolumeGroup": "tenant-a",
      "radosNamespace": "journal-a",
      "kernelMountOptions": "ms_mode=secure",
      "fuseMountOptions": "debug",
      "controllerPublishSecretRef": {"name": "fence", "namespace": "rook-ceph"}
    },
    "rbd": {"netNamespaceFilePath": "", "radosNamespace": "", "mirrorDaemonCount": 2},
    "nfs": {"netNamespaceFilePath": ""},
    "readAffinity": {"enabled": true, "crushLocationLabels": ["topology.kubernetes.io/zone"]},
    "replicationDestination": {"anything": []}
  },
  {"clusterID": "plain", "monitors": ["mon.example"]},
  {"clusterID": "plain", "monitors": ["second.example"]},
  {"clusterID": "silent", "monitors": []}
]"#;

fn cluster(json: &str, id: &str) -> Result<ClusterEntry, Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    fs::write(&path, json).unwrap();
    Config::open(&path, DEFAULT_RADOS_NAMESPACE).cluster(id)
}

#[test]
fn every_field_is_read() {
    assert_eq!(
        cluster(FULL, "rook-ceph").unwrap(),
        ClusterEntry {
            cluster_id: "rook-ceph".into(),
            monitors: "10.0.0.1:6789,v2:10.0.0.2:3300,[fd00::3]:6789".into(),
            subvolume_group: "tenant-a".into(),
            rados_namespace: "journal-a".into(),
            kernel_mount_options: Some("ms_mode=secure".into()),
            fuse_mount_options: Some("debug".into()),
            net_namespace_file: Some(
                "/var/lib/kubelet/plugins/cephfs.csi.ceph.com/rook-ceph.net.ns".into()
            ),
            controller_publish_secret: Some(SecretRef {
                name: "fence".into(),
                namespace: "rook-ceph".into()
            }),
            read_affinity: ReadAffinity {
                enabled: true,
                crush_location_labels: vec!["topology.kubernetes.io/zone".into()]
            },
        }
    );
}

#[test]
fn absent_fields_have_the_defaults_of_the_original() {
    let entry = cluster(FULL, "plain").unwrap();
    assert_eq!(
        entry.monitors, "mon.example",
        "the first of two entries wins"
    );
    assert_eq!(entry.subvolume_group, "csi");
    assert_eq!(entry.rados_namespace, "csi");
    assert_eq!(entry.kernel_mount_options, None);
    assert_eq!(entry.fuse_mount_options, None);
    assert_eq!(entry.net_namespace_file, None);
    assert_eq!(entry.controller_publish_secret, None);
    assert_eq!(entry.read_affinity, ReadAffinity::default());
}

#[test]
fn the_flag_is_the_namespace_of_clusters_that_name_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    fs::write(&path, FULL).unwrap();
    let config = Config::open(&path, "from-flag");
    assert_eq!(
        config.cluster("plain").unwrap().rados_namespace,
        "from-flag"
    );
    assert_eq!(
        config.cluster("rook-ceph").unwrap().rados_namespace,
        "journal-a"
    );
}

#[test]
fn keys_match_in_any_case_and_null_is_absent() {
    let entry = cluster(
        r#"[{"CLUSTERID":"a","Monitors":["m", null, " "],"cephfs":{"SubVolumeGroup":"g",
            "radosnamespace":null},"readaffinity":null},null]"#,
        "a",
    )
    .unwrap();
    assert_eq!(entry.monitors, "m");
    assert_eq!(entry.subvolume_group, "g");
    assert_eq!(entry.rados_namespace, "csi");
}

#[test]
fn an_exact_key_counts_before_one_in_another_case() {
    let json = r#"[{"CLUSTERID":"no","clusterID":"yes","monitors":["m"]}]"#;
    assert!(cluster(json, "yes").is_ok());
}

#[test]
fn lookups_that_fail_say_what_there_is() {
    for (json, id, message) in [
        (
            FULL,
            "x",
            "clusterID `x` is not in config.json; it has: rook-ceph, plain, plain, silent",
        ),
        (
            "[]",
            "x",
            "clusterID `x` is not in config.json; it has: no clusters",
        ),
        (
            "null",
            "x",
            "clusterID `x` is not in config.json; it has: no clusters",
        ),
        (
            FULL,
            "silent",
            "clusterID `silent` has no monitors in config.json; list at least one in `monitors`",
        ),
    ] {
        assert_eq!(cluster(json, id).unwrap_err().to_string(), message);
    }
    let many = (0..23)
        .map(|i| format!(r#"{{"clusterID":"c{i}"}}"#))
        .collect::<Vec<_>>();
    let error = cluster(&format!("[{}]", many.join(",")), "x")
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("c18, c19 and 3 more"), "{error}");
}

#[test]
fn files_that_do_not_parse_are_told_by_place() {
    for (json, message) in [
        ("", "it is empty, and should hold a JSON array of clusters"),
        (
            "[{]",
            "not valid JSON at line 1, column 3: key must be a string",
        ),
        (
            "[\n{\"clusterID\": \"a\",}]",
            "not valid JSON at line 2, column 19: trailing comma",
        ),
        (
            "[] x",
            "not valid JSON at line 1, column 4: trailing characters",
        ),
        (
            "{}",
            "the file: expected an array of clusters, found an object",
        ),
        (r#"["a"]"#, "entry 1: expected an object, found a string"),
        (
            r#"[{},{"clusterID":7}]"#,
            "entry 2, key `clusterID`: expected a string, found a number",
        ),
        (
            r#"[{"clusterID":"a","monitors":"m"}]"#,
            "entry 1 (clusterID `a`), key `monitors`: expected an array of strings, found a string",
        ),
        (
            r#"[{"clusterID":"a","monitors":["m",3]}]"#,
            "entry 1 (clusterID `a`), a value in `monitors`: expected a string, found a number",
        ),
        (
            r#"[{"clusterID":"a","cephFS":[]}]"#,
            "entry 1 (clusterID `a`), key `cephFS`: expected an object, found an array",
        ),
        (
            r#"[{"clusterID":"a","cephFS":{"subvolumeGroup":true}}]"#,
            "entry 1 (clusterID `a`), key `cephFS.subvolumeGroup`: expected a string, found true or false",
        ),
        (
            r#"[{"clusterID":"a","cephFS":{"controllerPublishSecretRef":{"name":{}}}}]"#,
            "entry 1 (clusterID `a`), key `cephFS.controllerPublishSecretRef.name`: expected a string, \
             found an object",
        ),
        (
            r#"[{"clusterID":"a","readAffinity":{"enabled":"yes"}}]"#,
            "entry 1 (clusterID `a`), key `readAffinity.enabled`: expected true or false, found a string",
        ),
    ] {
        assert_eq!(
            parse(json.as_bytes()).unwrap_err().to_string(),
            message,
            "{json}"
        );
    }
}

/// Puts `json` where the kubelet would: `config.json -> ..data/config.json`, `..data -> <version>`.
fn publish(dir: &Path, version: &str, json: &str) {
    fs::create_dir(dir.join(version)).unwrap();
    fs::write(dir.join(version).join("config.json"), json).unwrap();
    symlink(version, dir.join("..data_tmp")).unwrap();
    fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
}

#[test]
fn a_changed_config_map_is_read_again_and_a_bad_one_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    symlink("..data/config.json", &path).unwrap();
    let config = Config::open(&path, DEFAULT_RADOS_NAMESPACE);
    let monitors = || config.cluster("a").map(|entry| entry.monitors);

    let absent = monitors().unwrap_err().to_string();
    assert!(
        absent.contains("not found; mount the ConfigMap"),
        "{absent}"
    );
    assert!(matches!(config.check(), Err(Error::Absent { .. })));

    publish(dir.path(), "1", r#"[{"clusterID":"a","monitors":["one"]}]"#);
    assert_eq!(monitors().unwrap(), "one");
    publish(dir.path(), "2", r#"[{"clusterID":"a","monitors":["two"]}]"#);
    assert_eq!(monitors().unwrap(), "two", "same length, another file");
    publish(dir.path(), "3", r#"[{"clusterID":"a","monitors":"thr"}]"#);
    assert_eq!(monitors().unwrap(), "two", "the last good copy stays");
    assert!(config.check().is_ok());
    fs::remove_file(dir.path().join("..data")).unwrap();
    assert_eq!(monitors().unwrap(), "two", "also when the file is gone");
    publish(
        dir.path(),
        "4",
        r#"[{"clusterID":"a","monitors":["four"]}]"#,
    );
    assert_eq!(monitors().unwrap(), "four");
}

#[test]
fn each_change_is_logged_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    let lines = log::lines(&log::settings(2, Format::Klog), || {
        let config = Config::open(&path, DEFAULT_RADOS_NAMESPACE);
        for json in ["[]", "[", "[1]", "[ ]", r#"[{"clusterID":"a"}]"#, "[]"] {
            fs::write(&path, json).unwrap();
            for _ in 0..3 {
                let _ = config.cluster("a");
            }
        }
    });
    let file = path.display();
    let lines: Vec<_> = lines.iter().map(|line| log::message(line)).collect();
    let empty = || {
        let nothing = "until it does, nothing can be made or mounted";
        format!("config file `{file}`: it lists no clusters; {nothing}")
    };
    assert_eq!(
        lines,
        [
            format!(
                "config file `{file}`: not found; mount the ConfigMap with key `config.json` there, \
                 or name another file with --config-file"
            ),
            format!("read {file} clusters=0"),
            empty(),
            format!(
                "config file `{file}`: cannot be used: not valid JSON at line 1, column 1: EOF while \
                 parsing a list; the last good copy stays in use"
            ),
            format!(
                "config file `{file}`: cannot be used: entry 1: expected an object, found a number; \
                 the last good copy stays in use"
            ),
            format!("read {file} clusters=0"),
            format!("read {file} clusters=1"),
            format!("read {file} clusters=0"),
            empty(),
        ]
    );
}

#[test]
fn a_bad_file_at_the_start_is_an_error_until_it_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    fs::write(&path, "[{").unwrap();
    let config = Config::open(&path, DEFAULT_RADOS_NAMESPACE);
    assert!(matches!(config.cluster("a"), Err(Error::Malformed { .. })));
    assert!(
        matches!(config.cluster("a"), Err(Error::Malformed { .. })),
        "asked twice"
    );
    fs::write(&path, r#"[{"clusterID":"a","monitors":["one"]}]"#).unwrap();
    assert_eq!(config.cluster("a").unwrap().monitors, "one");
}

#[test]
fn errors_never_show_the_file() {
    let json = r#"[{"clusterID":"a","monitors":["m"],"note":"hunter2","cephFS":"hunter2"}]"#;
    let error = cluster(json, "a").unwrap_err();
    let text = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_directory_and_a_huge_file_are_unreadable() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        Config::open(dir.path(), "csi").cluster("a"),
        Err(Error::Unreadable { .. })
    ));
    let path = dir.path().join("config.json");
    fs::File::create(&path).unwrap().set_len(9 << 20).unwrap();
    assert!(matches!(
        Config::open(&path, "csi").cluster("a"),
        Err(Error::Unreadable { .. })
    ));
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        "[a-z]{0,5}".prop_map(Into::into),
    ];
    let key = prop_oneof![
        Just("clusterID".to_owned()),
        Just("monitors".to_owned()),
        Just("CEPHFS".to_owned()),
        Just("readAffinity".to_owned()),
        "[a-z]{1,4}",
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(key.clone(), inner, 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_json_gives_an_answer_and_a_readable_error(value in any_json()) {
        if let Err(error) = parse(value.to_string().as_bytes()) {
            prop_assert!(error.to_string().contains("expected"), "{}", error);
        }
    }

    #[test]
    fn what_was_written_is_found(ids in prop::collection::vec("[a-z0-9-]{1,12}", 1..6), wanted: usize) {
        let entries: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(i, id)| serde_json::json!({"clusterID": id, "monitors": [format!("mon{i}")]}))
            .collect();
        let map = parse(serde_json::Value::from(entries).to_string().as_bytes()).unwrap();
        let id = &ids[wanted % ids.len()];
        let first = ids.iter().position(|other| other == id).unwrap();
        prop_assert_eq!(&map.get(id).unwrap().monitors, &format!("mon{first}"));
    }
}
