//! Volume ids.

/// The uuid of all ids here.
pub(crate) const UUID: &str = "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";

/// Of the volume of [`Lab::with_stored`](crate::lab::Lab::with_stored); elsewhere there is none with
/// this id.
pub(crate) const STORED: &str =
    "0001-0002-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";

/// Name of the snapshot of [`Lab::with_snapshot`](crate::lab::Lab::with_snapshot).
pub(crate) const SNAPSHOT: &str = "snapshot-1";

/// Its cluster is not in config.json.
pub(crate) const OTHER_CLUSTER: &str =
    "0001-0002-c2-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";

/// Its cluster has no such file system.
pub(crate) const OTHER_FILE_SYSTEM: &str =
    "0001-0002-c1-0000000000000063-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";

/// Keys of the record of a volume that shows a snapshot.
pub(crate) const SNAPSHOT_BACKED: &[(&str, &str)] = &[("csi.volume.backingsnapshotid", "snap-1")];

/// Keys of the record of an encrypted volume.
pub(crate) const ENCRYPTED: &[(&str, &str)] = &[
    ("csi.volume.encryptKMS", "vault"),
    ("csi.volume.encryptionType", "file"),
];

/// config.json with another subvolume group than it had.
pub(crate) const OTHER_GROUP: &str = r#"[{"clusterID": "c1", "monitors": ["127.0.0.1:6789"],
    "cephFS": {"subvolumeGroup": "other"}}]"#;

/// config.json without the cluster that it had.
pub(crate) const NO_CLUSTER: &str = r#"[{"clusterID": "c2", "monitors": ["127.0.0.1:6789"]}]"#;

/// Texts that are no ids of dynamic volumes: a name for the case, the text, and why it is none.
pub(crate) const UNDECODABLE: &[(&str, &str, &str)] = &[
    (
        "static volume",
        "my-static-volume",
        "has 16 bytes, a dynamic one has at least 64",
    ),
    (
        "a byte too short",
        "0001-0000--000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        "has 63 bytes, a dynamic one has at least 64",
    ),
    (
        "version that is no number",
        "00+1-0002-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        "has no valid version",
    ),
    (
        "length that is no number",
        "0001-00zz-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        "has no valid cluster id length",
    ),
    (
        "length beyond the end",
        "0001-ffff-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        "has no valid cluster id",
    ),
    (
        "length one too small",
        "0001-0001-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        "has no valid file system id",
    ),
    (
        "length that ends inside of a character",
        "0001-0001-ü-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        "has no valid cluster id",
    ),
    (
        "file system id that is no number",
        "0001-0002-c1-000000000000000g-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        "has no valid file system id",
    ),
    (
        "file system id with a sign",
        "0001-0002-c1--000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        "has no valid file system id",
    ),
    (
        "uuid with one character too many",
        "0001-0002-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e0",
        "has no valid uuid",
    ),
    (
        "uuid with one character too few",
        "0001-0002-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3",
        "has no valid uuid",
    ),
    (
        "two ids in one",
        "0001-0002-c1-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e,0001-0002-c1",
        "has no valid uuid",
    ),
];
