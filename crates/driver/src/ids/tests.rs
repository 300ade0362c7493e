use proptest::prelude::*;

use super::*;

const UUID: &str = "4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e";

/// Ids written out by hand from the format's description.
#[test]
fn golden() {
    let cases = [
        (
            "rook-ceph",
            1,
            "0001-0009-rook-ceph-0000000000000001-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        ),
        (
            "b9127830-b0cc-4e34-aa47-9d1a2e9949a8",
            0x2a,
            "0001-0024-b9127830-b0cc-4e34-aa47-9d1a2e9949a8-000000000000002a-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        ),
        (
            "c",
            -1,
            "0001-0001-c-ffffffffffffffff-4ea1a1f2-7b56-4d0c-9c3e-0f6b8a2d1c3e",
        ),
    ];
    for (cluster, fs_id, text) in cases {
        let id = VolumeId::new(cluster, fs_id, VolumeUuid::at_end_of(UUID).unwrap()).unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(VolumeId::decode(text).unwrap(), id);
    }
}

#[test]
fn version_hyphens_and_uuid_syntax_are_not_checked() {
    let id = VolumeId::decode("0002_0001_c_0000000000000007_not-a-uuid-but-thirty-six-chars-long")
        .unwrap();
    assert_eq!((id.cluster_id(), id.fs_id()), ("c", 7));
    assert_eq!(id.uuid().as_str(), "not-a-uuid-but-thirty-six-chars-long");
}

#[test]
fn refusals_name_the_field() {
    let text = |id: &str| VolumeId::decode(id).unwrap_err().to_string();
    assert_eq!(
        text("my-static-volume"),
        "volume id `my-static-volume` has 16 bytes, a dynamic one has at least 64"
    );
    let cases = [
        (format!("00+1-0001-c-0000000000000001-{UUID}"), "version"),
        (
            format!("0001-00zz-c-0000000000000001-{UUID}"),
            "cluster id length",
        ),
        (format!("0001-ffff-c-0000000000000001-{UUID}"), "cluster id"),
        (
            format!("0001-0001-c-00000000000000g1-{UUID}"),
            "file system id",
        ),
        (format!("0001-0001-c-0000000000000001-{UUID}x"), "uuid"),
        (
            format!("0001-0002-c-0000000000000001-{UUID}"),
            "file system id",
        ),
        (format!("0001-0001-ü-000000000000001-{UUID}"), "cluster id"),
    ];
    for (id, field) in cases {
        assert_eq!(text(&id), format!("volume id `{id}` has no valid {field}"));
    }
}

#[test]
fn a_cluster_id_that_fits_no_id_is_refused() {
    let uuid = || VolumeUuid::at_end_of(UUID).unwrap();
    assert!(VolumeId::new(&"c".repeat(64), 1, uuid()).is_ok());
    let error = VolumeId::new(&"c".repeat(65), 1, uuid()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has 65 bytes, a volume id has room for 64"),
        "{error}"
    );
}

#[test]
fn uuid_from_stored_values() {
    let of = |text: &str| VolumeUuid::at_end_of(text).map(|uuid| uuid.0);
    assert_eq!(of(UUID).as_deref(), Some(UUID));
    assert_eq!(
        of(&format!("0000000000000002/{UUID}")).as_deref(),
        Some(UUID)
    );
    assert_eq!(of("short"), None);
}

/// The format is one; what is asked for is told in the words of who asks.
#[test]
fn a_snapshot_id_is_written_like_a_volume_id() {
    let text = format!("0001-0009-rook-ceph-0000000000000001-{UUID}");
    let id = SnapshotId::decode(&text).unwrap();
    assert_eq!((id.to_string(), id.uuid().as_str()), (text, UUID));
    assert_eq!(
        SnapshotId::decode("snap-1").unwrap_err().to_string(),
        "snapshot id `snap-1` has 6 bytes, a dynamic one has at least 64"
    );
}

proptest! {
    #[test]
    fn round_trip(cluster in "[a-zA-Z0-9-]{1,64}", fs_id: i64) {
        let id = VolumeId::new(&cluster, fs_id, VolumeUuid::random()).unwrap();
        prop_assert_eq!(VolumeId::decode(&id.to_string()).unwrap(), id);
    }

    #[test]
    fn decoding_never_panics(id in "\\PC{0,140}") {
        let _ = VolumeId::decode(&id);
    }

    #[test]
    fn decoding_nearly_right_ids_never_panics(
        id in "[0-9a-f]{4}-00[0-9a-f]{2}-[a-zü-]{0,20}-[0-9a-f]{16}-[0-9a-f-]{36}"
    ) {
        if let Ok(decoded) = VolumeId::decode(&id) {
            prop_assert_eq!(decoded.uuid().as_str().len(), 36);
        }
    }
}
