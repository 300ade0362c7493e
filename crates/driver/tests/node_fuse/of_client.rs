//! What ceph-fuse alone refuses, and how.

use tonic::Code;

use super::refused::{Refused, set};

pub(crate) const REFUSED_BY_CLIENT: &[Refused] = &[
    Refused::new(
        |r| set(r, "fsName", "absent"),
        Code::NotFound,
        "file system does not exist",
    ),
    Refused::new(
        |r| set(r, "fuseMountOptions", "frobnicate"),
        Code::InvalidArgument,
        "frobnicate",
    ),
];
