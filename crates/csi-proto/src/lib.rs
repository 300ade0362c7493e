//! The messages and services of the Container Storage Interface, generated from `proto/`.
//!
//! [`v1`] is CSI 1.13.0 and the volume condition of 1.12, so that callers of either version are
//! served. [`registration`] is how the kubelet gets to know the driver. Maps are ordered: two equal
//! messages have equal encodings.
//!
//! A message with credentials prints `***` in place of their values, so that a request can go to
//! the log as it is:
//!
//! ```
//! let request = csi_proto::v1::DeleteVolumeRequest {
//!     volume_id: "vol-1".to_owned(),
//!     secrets: [("userKey".to_owned(), "not for the log".to_owned())].into(),
//! };
//! assert_eq!(
//!     format!("{request:?}"),
//!     r#"DeleteVolumeRequest { volume_id: "vol-1", secrets: {"userKey": ***} }"#
//! );
//! ```

mod redact;

/// Package `csi.v1`: messages, and for each service a client and a server.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code; its documentation is the specification"
)]
pub mod v1 {
    tonic::include_proto!("csi.v1");
}

/// Package `pluginregistration`: how a plugin makes itself known to the kubelet.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code; its documentation is the proto file"
)]
pub mod registration {
    tonic::include_proto!("pluginregistration");
}

/// The encoded `google.protobuf.FileDescriptorSet` of the `csi.v1` package and its imports.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));
