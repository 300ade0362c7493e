//! No message prints a secret.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;

use csi_proto::v1;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, Value};

const SECRET: &str = "AQD0c2VjcmV0LWtleQ==";
const SECRET_NAME: &str = "userKey";
const VISIBLE: &str = "to-be-seen";

/// Formats one value of each listed message and answers with their names.
macro_rules! check {
    ($pool:expr; $($message:ident),* $(,)?) => {
        BTreeSet::from([$({
            check_message::<v1::$message>($pool, stringify!($message));
            format!("csi.v1.{}", stringify!($message))
        }),*])
    };
}

#[test]
fn every_message_with_secrets_hides_their_values() {
    let pool = pool();
    let checked = check!(&pool;
        ControllerExpandVolumeRequest,
        ControllerGetVolumeHealthRequest,
        ControllerListVolumeHealthRequest,
        ControllerModifyVolumeRequest,
        ControllerPublishVolumeRequest,
        ControllerUnpublishVolumeRequest,
        CreateSnapshotRequest,
        CreateVolumeGroupSnapshotRequest,
        CreateVolumeRequest,
        DeleteSnapshotRequest,
        DeleteVolumeGroupSnapshotRequest,
        DeleteVolumeRequest,
        GetMetadataAllocatedRequest,
        GetMetadataDeltaRequest,
        GetSnapshotRequest,
        GetVolumeGroupSnapshotRequest,
        ListSnapshotsRequest,
        NodeExpandVolumeRequest,
        NodeGetStorageHealthRequest,
        NodePublishVolumeRequest,
        NodeStageVolumeRequest,
        ValidateVolumeCapabilitiesRequest,
    );
    let with_secrets: BTreeSet<_> = pool
        .all_messages()
        .filter(|message| message.fields().any(|field| is_secret(&field)))
        .map(|message| message.full_name().to_owned())
        .collect();
    assert_eq!(checked, with_secrets, "the list above is not complete");
}

#[test]
fn no_other_message_contains_one_with_secrets_that_could_be_missed() {
    for message in pool().all_messages() {
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind() {
                let nested = inner.fields().any(|field| is_secret(&field));
                assert!(
                    !nested,
                    "{} nests secrets: add it to the test above",
                    field.full_name()
                );
            }
        }
    }
}

#[test]
fn the_rest_of_a_message_prints_as_usual_on_one_line() {
    let request = v1::NodePublishVolumeRequest {
        volume_id: "0001".into(),
        readonly: true,
        volume_capability: Some(v1::VolumeCapability {
            access_mode: Some(v1::volume_capability::AccessMode { mode: 5 }),
            access_type: None,
        }),
        secrets: [
            ("userID".into(), "admin".into()),
            (SECRET_NAME.into(), SECRET.into()),
        ]
        .into(),
        ..Default::default()
    };
    let expected = concat!(
        r#"NodePublishVolumeRequest { volume_id: "0001", publish_context: {}, "#,
        r#"staging_target_path: "", target_path: "", "#,
        "volume_capability: Some(VolumeCapability { ",
        "access_mode: Some(AccessMode { mode: MultiNodeMultiWriter }), access_type: None }), ",
        r#"readonly: true, secrets: {"userID": ***, "userKey": ***}, volume_context: {} }"#,
    );
    assert_eq!(format!("{request:?}"), expected);
    assert!(format!("{:?}", tonic::Request::new(request)).contains(expected));
}

fn check_message<M: Message + Default + Debug>(pool: &DescriptorPool, name: &str) {
    let descriptor = pool
        .get_message_by_name(&format!("csi.v1.{name}"))
        .expect(name);
    let mut filled = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if let Some(value) = sample(&field) {
            filled.set_field(&field, value);
        }
    }
    let message = M::decode(filled.encode_to_vec().as_slice()).expect(name);
    for printed in [format!("{message:?}"), format!("{message:#?}")] {
        assert!(!printed.contains(SECRET), "{printed}");
        assert!(
            printed.contains(SECRET_NAME) && printed.contains("***"),
            "{printed}"
        );
        assert!(printed.starts_with(name), "{printed}");
        for field in descriptor.fields() {
            assert!(
                printed.contains(&format!("{}: ", field.name())),
                "{printed}"
            );
        }
        let has_text = descriptor
            .fields()
            .any(|field| !is_secret(&field) && is_text(&field));
        assert_eq!(printed.contains(VISIBLE), has_text, "{printed}");
    }
}

/// A value for the fields in which a secret could be mistaken for something else.
fn sample(field: &FieldDescriptor) -> Option<Value> {
    if field.is_map() {
        let text = if is_secret(field) { SECRET } else { VISIBLE };
        let key = MapKey::String(SECRET_NAME.into());
        return Some(Value::Map(HashMap::from([(
            key,
            Value::String(text.into()),
        )])));
    }
    let text = Value::String(VISIBLE.into());
    is_text(field).then(|| {
        if field.is_list() {
            Value::List(vec![text])
        } else {
            text
        }
    })
}

fn is_text(field: &FieldDescriptor) -> bool {
    field.is_map() || field.kind() == Kind::String
}

fn is_secret(field: &FieldDescriptor) -> bool {
    let option = field
        .parent_pool()
        .get_extension_by_name("csi.v1.csi_secret");
    *field
        .options()
        .get_extension(&option.expect("the option is defined"))
        == Value::Bool(true)
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(csi_proto::FILE_DESCRIPTOR_SET).expect("our own descriptors")
}
