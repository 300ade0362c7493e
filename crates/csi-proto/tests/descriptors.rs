//! The proto file says what the specification says: compared with its own compiled descriptors.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{
    DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    ServiceDescriptor,
};

const PACKAGE: &str = "csi.v1";
const CSI_1_12: &[u8] = include_bytes!("fixtures/csi-1.12.desc");
const CSI_1_13: &[u8] = include_bytes!("fixtures/csi-1.13.desc");

/// What is left of 1.12 when everything that 1.13 has too is taken away.
const ONLY_IN_1_12: [&str; 8] = [
    "csi.v1.ControllerGetVolumeResponse.VolumeStatus.volume_condition",
    "csi.v1.ControllerServiceCapability.RPC.Type.VOLUME_CONDITION",
    "csi.v1.ListVolumesResponse.VolumeStatus.volume_condition",
    "csi.v1.NodeGetVolumeStatsResponse.volume_condition",
    "csi.v1.NodeServiceCapability.RPC.Type.VOLUME_CONDITION",
    "csi.v1.VolumeCondition",
    "csi.v1.VolumeCondition.abnormal",
    "csi.v1.VolumeCondition.message",
];

/// Full name of each thing in the package, with everything that is said about it.
type Facts = BTreeMap<String, String>;

#[test]
fn our_descriptors_are_the_union_of_1_12_and_1_13() {
    let old = facts(CSI_1_12);
    let mut expected = facts(CSI_1_13);
    let mut only_in_1_12 = Vec::new();
    for (name, fact) in old {
        expected.entry(name).or_insert_with_key(|name| {
            only_in_1_12.push(name.clone());
            fact
        });
    }
    assert_eq!(only_in_1_12, ONLY_IN_1_12);

    let ours = facts(csi_proto::FILE_DESCRIPTOR_SET);
    let names: BTreeSet<_> = expected.keys().chain(ours.keys()).collect();
    let differ: Vec<_> = names
        .into_iter()
        .filter(|name| expected.get(*name) != ours.get(*name))
        .map(|name| {
            format!(
                "{name}: want {:?}, have {:?}",
                expected.get(name),
                ours.get(name)
            )
        })
        .collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

#[test]
fn the_comparison_sees_the_secret_option() {
    let secret = |descriptors| {
        let facts = facts(descriptors);
        facts
            .into_iter()
            .filter(|(_, fact)| fact.contains("csi_secret"))
            .map(|(name, _)| name)
    };
    let ours: Vec<_> = secret(csi_proto::FILE_DESCRIPTOR_SET).collect();
    assert!(
        ours.contains(&"csi.v1.NodeStageVolumeRequest.secrets".to_owned()),
        "{ours:?}"
    );
    assert!(!ours.contains(&"csi.v1.NodeStageVolumeRequest.volume_context".to_owned()));
    assert_eq!(ours, secret(CSI_1_13).collect::<Vec<_>>());
}

fn facts(descriptors: &[u8]) -> Facts {
    let pool = DescriptorPool::decode(descriptors).expect("a descriptor set that resolves");
    let mut facts = Facts::new();
    for message in pool.all_messages().filter(|m| m.package_name() == PACKAGE) {
        add_message(&mut facts, &message);
    }
    for r#enum in pool.all_enums().filter(|e| e.package_name() == PACKAGE) {
        add_enum(&mut facts, &r#enum);
    }
    for service in pool.services().filter(|s| s.package_name() == PACKAGE) {
        add_service(&mut facts, &service);
    }
    for extension in pool
        .all_extensions()
        .filter(|e| e.package_name() == PACKAGE)
    {
        add_extension(&mut facts, &extension);
    }
    assert!(facts.len() > 500, "only {} facts were read", facts.len());
    facts
}

fn add_message(facts: &mut Facts, message: &MessageDescriptor) {
    facts.insert(
        message.full_name().into(),
        format!("message, {}", message.options()),
    );
    for field in message.fields() {
        facts.insert(field.full_name().into(), field_fact(&field));
    }
    for oneof in message.oneofs() {
        let fields: Vec<_> = oneof
            .fields()
            .map(|field| field.name().to_owned())
            .collect();
        // A oneof and a field of one message cannot share a name.
        facts.insert(oneof.full_name().into(), format!("oneof {fields:?}"));
    }
}

fn field_fact(field: &FieldDescriptor) -> String {
    format!(
        "field {} {} {:?}, json {}, oneof {:?}, presence {}, packed {}, {}",
        field.number(),
        kind(&field.kind()),
        field.cardinality(),
        field.json_name(),
        field
            .containing_oneof()
            .map(|oneof| oneof.name().to_owned()),
        field.supports_presence(),
        field.is_packed(),
        field.options(),
    )
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => format!("message {}", message.full_name()),
        Kind::Enum(r#enum) => format!("enum {}", r#enum.full_name()),
        scalar => format!("{scalar:?}"),
    }
}

fn add_enum(facts: &mut Facts, r#enum: &EnumDescriptor) {
    facts.insert(
        r#enum.full_name().into(),
        format!("enum, {}", r#enum.options()),
    );
    for value in r#enum.values() {
        // Protobuf puts a value beside its enum; its own name has to be put in for a unique key.
        let name = format!("{}.{}", r#enum.full_name(), value.name());
        facts.insert(
            name,
            format!("value {}, {}", value.number(), value.options()),
        );
    }
}

fn add_service(facts: &mut Facts, service: &ServiceDescriptor) {
    facts.insert(
        service.full_name().into(),
        format!("service, {}", service.options()),
    );
    for method in service.methods() {
        let fact = format!(
            "method {} (stream {}) returns {} (stream {}), {}",
            method.input().full_name(),
            method.is_client_streaming(),
            method.output().full_name(),
            method.is_server_streaming(),
            method.options(),
        );
        facts.insert(method.full_name().into(), fact);
    }
}

fn add_extension(facts: &mut Facts, extension: &ExtensionDescriptor) {
    let fact = format!(
        "extension of {}, {} {} {:?}",
        extension.containing_message().full_name(),
        extension.number(),
        kind(&extension.kind()),
        extension.cardinality(),
    );
    facts.insert(extension.full_name().into(), fact);
}
