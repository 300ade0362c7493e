//! What the kernel's client, or the driver on its behalf, refuses, and how.

use tonic::Code;

use super::lab::setting;
use super::refused::{Refused, set, set_monitors};

pub(crate) const REFUSED_BY_CLIENT: &[Refused] = &[
    Refused::new(
        |r| set(r, "fsName", "absent"),
        Code::NotFound,
        "file system does not exist",
    ),
    Refused::new(
        |r| set(r, "kernelMountOptions", "rasize=4096,frobnicate,noatime"),
        Code::InvalidArgument,
        "frobnicate",
    ),
    Refused::new(
        |r| set(r, "kernelMountOptions", "ms_mode=maybe"),
        Code::InvalidArgument,
        "ms_mode",
    ),
    Refused::new(
        |r| set(r, "kernelMountOptions", "secret=AQsecret"),
        Code::InvalidArgument,
        "option `secret` is the driver's own",
    ),
    Refused::new(
        |r| set(r, "kernelMountOptions", "secretfile=/etc/ceph/secret"),
        Code::InvalidArgument,
        "option `secretfile` is the driver's own",
    ),
    Refused::new(
        |r| set(r, "kernelMountOptions", "mds_namespace=other"),
        Code::InvalidArgument,
        "`mds_namespace` names another file system",
    ),
    Refused::new(
        |r| set(r, "kernelMountOptions", "$(reboot);`id`"),
        Code::InvalidArgument,
        "$(reboot)",
    ),
    Refused::new(
        |r| set_monitors(r, &format!("v1:{}", setting("SPIRULA_TEST_MONITORS_V2"))),
        Code::FailedPrecondition,
        "speak another protocol",
    )
    .waited(),
];
