//! What is fuzzed, and what each parser promises besides not to panic.

use std::path::Path;

use csi_proto::v1::{CreateVolumeRequest, NodeStageVolumeRequest};
use librados::Monitors;
use prost::Message as _;
use spirula::config;
use spirula::credentials::{Credentials, Secrets};
use spirula::ids::VolumeId;
use spirula::mount::MountTable;
use spirula::request::{CreateVolume, StageVolume};

use crate::fuzzer::Target;

/// All targets with their names.
pub(crate) fn all() -> Vec<(&'static str, Target)> {
    vec![
        ("volume_id", volume_id()),
        ("config_json", config_json()),
        ("mountinfo", mountinfo()),
        ("monitors", monitors()),
        ("secrets", secrets()),
        ("create_volume", create_volume()),
        ("stage_volume", stage_volume()),
    ]
}

fn seeds<const N: usize>(texts: [&str; N]) -> Vec<Vec<u8>> {
    texts.map(|text| text.as_bytes().to_vec()).into()
}

/// The kind of an error: the field that its text begins with, and what stands before and behind all
/// that it quotes, which may come from the input. Numbers do not matter.
fn kind(text: &str) -> String {
    // The name of a field as it is in the input.
    let text = text.split("; it has '").next().unwrap_or_default();
    let field = text
        .strip_prefix('`')
        .and_then(|rest| rest.split('`').next());
    let before = text.split('`').next();
    let behind = text.rsplit('`').next();
    let parts = [field, before, behind].into_iter().flatten();
    let chars = parts.flat_map(str::chars);
    chars.filter(|char| !char.is_ascii_digit()).collect()
}

/// An id that is read is written as the same one, if it is of this version.
pub(crate) fn volume_id() -> Target {
    Target {
        seeds: seeds([
            "0001-0009-rook-ceph-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
            "0001-0001-c-ffffffffffffffff-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
            "my-static-volume",
            "",
        ]),
        words: &[
            "0001",
            "0000",
            "ffff",
            "-",
            "+",
            "ü",
            "\u{10ffff}",
            "0040",
            "0041",
        ],
        answer: |input| {
            let text = String::from_utf8_lossy(input);
            let id = match VolumeId::decode(&text) {
                Ok(id) => id,
                Err(error) => return kind(&error.to_string()),
            };
            assert_eq!(id.uuid().as_str().len(), 36);
            let Ok(written) = VolumeId::new(id.cluster_id(), id.fs_id(), id.uuid().clone()) else {
                return "too long".to_owned();
            };
            let written = written.to_string();
            assert!(written.len() <= 128, "{written}");
            assert_eq!(VolumeId::decode(&written).unwrap(), id);
            "decoded".to_owned()
        },
    }
}

/// The error never repeats the file, which people keep other things in; entries are found by their id.
pub(crate) fn config_json() -> Target {
    Target {
        seeds: seeds([
            r#"[{"clusterID": "c1", "monitors": ["127.0.0.1:6789", "[v2:10.0.0.1:3300,v1:10.0.0.1:6789]"],
                "cephFS": {"subvolumeGroup": "csi", "radosNamespace": "csi", "netNamespaceFilePath": "/n",
                "kernelMountOptions": "a,b", "fuseMountOptions": "c", "controllerPublishSecretRef":
                {"name": "n", "namespace": "s"}}, "readAffinity": {"enabled": true,
                "crushLocationLabels": ["zone"]}, "rbd": {"mirrorDaemonCount": 1}}, null]"#,
            r#"[{"CLUSTERID": "", "Monitors": [null]}]"#,
            "null",
            "",
        ]),
        words: &[
            "null",
            "true",
            "[",
            "]",
            "{",
            "}",
            "\"",
            ",",
            ":",
            "\\u0000",
            "\\ud800",
            "1e999",
            "-0",
            "\"clusterID\"",
            "\"monitors\"",
            "\"cephFS\"",
            "\"readAffinity\"",
            "[[[[[[[[[[[[[[[[",
        ],
        answer: |input| match config::parse(input) {
            Ok(clusters) => {
                for (at, _) in input.iter().enumerate().filter(|(_, byte)| **byte == b'"') {
                    let text = String::from_utf8_lossy(&input[at + 1..]);
                    let id = text.split('"').next().unwrap_or_default();
                    if let Some(entry) = clusters.get(id) {
                        assert_eq!(entry.cluster_id, id);
                        assert!(!entry.subvolume_group.is_empty());
                    }
                }
                format!("{} entries", clusters.len().min(5))
            }
            Err(error) => {
                let text = error.to_string();
                let quoted: usize = text.split('`').skip(1).step_by(2).map(str::len).sum();
                assert!(text.len() - quoted < 200, "{text}");
                kind(&text)
            }
        },
    }
}

/// A lookup ends, and finds a mount that is above the path.
pub(crate) fn mountinfo() -> Target {
    Target {
        seeds: seeds([
            "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n\
             22 27 0:21 / /proc rw,nosuid,nodev,noexec - proc proc rw\n\
             42 27 0:39 / /stage rw,nosuid,nodev,relatime shared:7 - fuse.ceph-fuse ceph-fuse rw\n\
             43 42 0:39 / /stage ro shared:7 master:3 - fuse.ceph-fuse ceph-fuse rw\n\
             44 27 0:40 /volumes/x /kernel\\040dir rw,noatime - ceph 192.0.2.1:6789:/volumes/x ro\n",
            "1 1 0:1 / / rw - rootfs rootfs rw\n",
            "",
        ]),
        words: &[
            " ", "\n", " - ", "\\040", "\\134", "\\999", "\\", "/", "/stage", "42", "27", "rw",
        ],
        answer: |input| match MountTable::parse(input) {
            Ok(table) => {
                for mount in table.mounts() {
                    let found = table.containing(&mount.mount_point);
                    if let Some(found) = found {
                        assert!(mount.mount_point.starts_with(&found.mount_point));
                    }
                    if let Some(at) = table.at(&mount.mount_point) {
                        assert_eq!(at.mount_point, mount.mount_point);
                    }
                    assert!(table.under(&mount.mount_point).count() > 0);
                    assert!(table.of_device(&mount.device).count() > 0);
                }
                let root = table.at(Path::new("/")).is_some();
                format!("{} mounts, root {root}", table.mounts().len().min(9))
            }
            Err(error) => kind(&error.to_string()),
        },
    }
}

/// What is read is written so that it is read as the same again.
pub(crate) fn monitors() -> Target {
    Target {
        seeds: seeds([
            "192.0.2.1:6789,mon-a.example;[2001:db8::1]:3300 2001:db8::2",
            "[v2:192.0.2.1:3300/0,v1:192.0.2.1:6789/0],v1:mon.example:7000/4294967295",
            "::ffff:192.0.2.1",
            "",
        ]),
        words: &[
            "v1:", "v2:", "[", "]", "/0", ":6789", ":", "::", ",", "1.2.3", "%eth0", "0",
        ],
        answer: |input| {
            let text = String::from_utf8_lossy(input);
            match Monitors::parse(&text) {
                Ok(monitors) => {
                    let written = monitors.to_string();
                    assert_eq!(Monitors::parse(&written).unwrap(), monitors, "{written}");
                    let ports = written.matches(':').count().min(5);
                    format!("{ports} {}", written.contains('['))
                }
                Err(error) => kind(&error.to_string()),
            }
        },
    }
}

/// A key is never in an error. Input: lines of `name=value`.
pub(crate) fn secrets() -> Target {
    Target {
        seeds: seeds([
            "userID=client.k8s\nuserKey=AQBvaBRnAAAAABAAa2tra2tra2tra2tra2tra2s=\n",
            "adminID= admin \nadminKey=AQAA7wNrwnFsKxAA9yLs/wca7PSw4UUYf1UIgA==\nuserId=x",
            "",
        ]),
        words: &[
            "userID", "userKey", "adminID", "adminKey", "=", "client.", "\n", " ", ",", "QVF",
        ],
        answer: |input| {
            let text = String::from_utf8_lossy(input);
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let secrets: Secrets = pairs.collect();
            match Credentials::from_secrets(&secrets) {
                Ok(credentials) => {
                    assert!(!credentials.id.is_empty());
                    assert!(!credentials.id.contains([',', ' ', '\n']));
                    "accepted".to_owned()
                }
                Err(error) => {
                    let text = error.to_string();
                    let values = secrets.values().map(|value| value.trim());
                    // Shorter ones occur in any text.
                    for value in values.filter(|value| value.len() > 20) {
                        assert!(!text.contains(value), "{text}");
                    }
                    kind(&text)
                }
            }
        },
    }
}

/// Any message that is a request is refused or understood. Input: the bytes on the wire.
pub(crate) fn create_volume() -> Target {
    let mut request = CreateVolumeRequest {
        name: "pvc-1".to_owned(),
        capacity_range: Some(csi_proto::v1::CapacityRange {
            required_bytes: 1 << 30,
            limit_bytes: 2 << 30,
        }),
        volume_capabilities: vec![capability()],
        parameters: map(&[
            ("clusterID", "c1"),
            ("fsName", "cephfs"),
            ("volumeNamePrefix", "p-"),
        ]),
        secrets: good_secrets(),
        ..CreateVolumeRequest::default()
    };
    let whole = request.encode_to_vec();
    request.parameters.clear();
    Target {
        seeds: vec![whole, request.encode_to_vec()],
        words: &[
            "clusterID",
            "fsName",
            "pool",
            "encrypted",
            "true",
            "mounter",
            "\u{0}",
            "%",
            "/",
        ],
        answer: |input| {
            let Ok(request) = CreateVolumeRequest::decode(input) else {
                return "no message".to_owned();
            };
            match CreateVolume::parse(&request) {
                Ok(parsed) => {
                    assert!((1..=128).contains(&parsed.name.len()));
                    let prefix = parsed.parameters.name_prefix.unwrap_or_default();
                    assert!(!prefix.contains(['/', '%', '\0']) && prefix.len() <= 219);
                    if let Some(size) = parsed.size {
                        assert!(size.admits(Some(size.quota())) && size.quota() > 0);
                    }
                    "accepted".to_owned()
                }
                Err(error) => kind(&error.to_string()),
            }
        },
    }
}

/// Likewise; a path that is accepted is absolute and does not climb.
pub(crate) fn stage_volume() -> Target {
    let mut request = NodeStageVolumeRequest {
        volume_id: "0001-0002-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e".to_owned(),
        staging_target_path: "/plugins/hash/globalmount".to_owned(),
        volume_capability: Some(capability()),
        secrets: good_secrets(),
        volume_context: map(&[
            ("fsName", "cephfs"),
            (
                "subvolumeName",
                "csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
            ),
            (
                "subvolumePath",
                "/volumes/csi/csi-vol-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e/d",
            ),
        ]),
        ..NodeStageVolumeRequest::default()
    };
    let dynamic = request.encode_to_vec();
    request.volume_id = "my-pv".to_owned();
    let fields = [
        ("staticVolume", "true"),
        ("clusterID", "c1"),
        ("rootPath", "/data"),
    ];
    request.volume_context = map(&fields);
    let r#static = request.encode_to_vec();
    let fields = [
        ("monitors", "m"),
        ("provisionVolume", "false"),
        ("rootPath", "/d"),
    ];
    request.volume_context = map(&fields);
    Target {
        seeds: vec![dynamic, r#static, request.encode_to_vec()],
        words: &[
            "staticVolume",
            "true",
            "false",
            "..",
            "/",
            "mounter",
            "fuse",
            "encrypted",
            "rootPath",
        ],
        answer: |input| {
            let Ok(request) = NodeStageVolumeRequest::decode(input) else {
                return "no message".to_owned();
            };
            match StageVolume::parse(&request) {
                Ok(parsed) => {
                    assert!(parsed.staging.is_absolute(), "{}", parsed.staging.display());
                    assert!(parsed.staging.iter().all(|part| part != ".."));
                    format!("{:?}", std::mem::discriminant(&parsed.source))
                }
                Err(error) => kind(&error.to_string()),
            }
        },
    }
}

fn map(entries: &[(&str, &str)]) -> Secrets {
    let entries = entries.iter();
    let entries = entries.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    entries.collect()
}

fn good_secrets() -> Secrets {
    map(&[
        ("userID", "k8s"),
        ("userKey", "AQBvaBRnAAAAABAAa2tra2tra2tra2tra2tra2s="),
    ])
}

fn capability() -> csi_proto::v1::VolumeCapability {
    use csi_proto::v1::volume_capability::access_mode::Mode;
    use csi_proto::v1::volume_capability::{AccessMode, AccessType, MountVolume};
    csi_proto::v1::VolumeCapability {
        access_mode: Some(AccessMode {
            mode: Mode::MultiNodeMultiWriter.into(),
        }),
        access_type: Some(AccessType::Mount(MountVolume::default())),
    }
}
