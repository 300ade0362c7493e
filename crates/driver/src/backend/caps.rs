//! What a cephx user needs, told when Ceph refuses.

use ceph::ErrorKind;

use crate::error::Error;
use crate::{journal, reftracker};

/// Turns a refusal of Ceph into [`Error::Caps`]; leaves other errors as they are.
pub(super) fn explain(error: Error, user: &str, fs: &str, group: &str) -> Error {
    let source = match error {
        Error::Ceph(source)
        | Error::Journal(journal::Error::Ceph(source))
        | Error::References(reftracker::Error::Ceph(source))
            if source.kind == ErrorKind::PermissionDenied =>
        {
            source
        }
        other => return other,
    };
    if source.call.starts_with("connect") {
        let cure = format!(
            "compare user and key in the secret with `ceph auth get client.{user}`, which also has to \
             show a mon capability"
        );
        return Error::Caps { source, cure };
    }
    let missing = missing(&source.call);
    // `ceph auth caps` replaces all capabilities, so the command has to name all.
    let cure = format!(
        "the user lacks {missing}; grant all that this driver needs with: \
         ceph auth caps client.{user} \
         mon 'allow r fsname={fs}' \
         mgr 'allow rw' \
         osd 'allow rw tag cephfs metadata={fs}, allow rw tag cephfs data={fs}' \
         mds 'allow r fsname={fs} path=/volumes, allow rws fsname={fs} path=/volumes/{group}'"
    );
    Error::Caps { source, cure }
}

/// Which capability a refused call is about.
fn missing(call: &str) -> &'static str {
    if call.starts_with("mgr command") {
        "the mgr capability `allow rw`"
    } else if call.starts_with("mon command") {
        "the mon capability `allow r`"
    } else {
        "the osd capability `allow rw` on the metadata pool"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_capability_is_named_with_the_command_that_grants_it() {
        for (call, expected) in [
            (
                "mgr command `fs subvolume create`",
                "lacks the mgr capability `allow rw`",
            ),
            (
                "mon command `fs dump`",
                "lacks the mon capability `allow r`",
            ),
            (
                "omap write to csi.volumes.default",
                "lacks the osd capability `allow rw` on the",
            ),
        ] {
            let refusal = ceph::Error::answered(call, 13, "access denied");
            let text = explain(refusal.into(), "k8s", "cephfs", "apps").to_string();
            assert!(text.starts_with(call), "{text}");
            assert!(text.contains(expected), "{text}");
            assert!(
                text.contains("ceph auth caps client.k8s mon 'allow r fsname=cephfs'"),
                "{text}"
            );
            assert!(text.ends_with("path=/volumes/apps'"), "{text}");
        }
    }

    #[test]
    fn who_is_not_let_in_has_to_look_at_the_secret() {
        let refusal = ceph::Error::answered("connect as `client.k8s` to `m`", 13, "");
        assert_eq!(
            explain(refusal.into(), "k8s", "cephfs", "apps").to_string(),
            "connect as `client.k8s` to `m`: permission denied (errno 13); compare user and key in the \
             secret with `ceph auth get client.k8s`, which also has to show a mon capability"
        );
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        let error = ceph::Error::answered("mgr command `fs subvolume rm`", 2, "");
        assert!(matches!(
            explain(error.into(), "k8s", "cephfs", "apps"),
            Error::Ceph(_)
        ));
    }
}
