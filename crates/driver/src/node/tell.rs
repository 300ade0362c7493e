//! Telling users of volumes on this node what happened to them.

use std::path::{Component, Path};

use super::Node;
use super::recovery::Mended;
use super::recovery::record::Record;
use crate::events::{About, Reason};
use crate::mount::MountTable;

impl Node {
    /// Tells the user of the volume that is published at `target`.
    pub(super) fn tell(&self, target: &Path, reason: Reason, message: impl Into<String>) {
        if let Some(volume) = volume_at(target) {
            let about = About::Volume(volume.to_owned());
            self.events.tell(about, reason, message);
        }
    }

    /// Tells the user of the volume of `record`, if it is published anywhere.
    pub(super) fn tell_of(
        &self,
        record: &Record,
        table: &MountTable,
        reason: Reason,
        message: &str,
    ) {
        let mounts = table.mounts().iter().filter(|mount| record.shows(mount));
        let shown = mounts.map(|mount| mount.mount_point.as_path());
        let mut targets = shown.chain(record.owed.iter().map(|owed| owed.at.as_path()));
        if let Some(target) = targets.find(|target| volume_at(target).is_some()) {
            self.tell(target, reason, message);
        }
    }
}

/// Tells how mounting the volume of `record` anew has ended, which had to be because of `why`. Where it was
/// published `table` tells, from before.
pub(super) fn tell(
    node: &Node,
    record: &Record,
    table: &MountTable,
    why: &str,
    outcome: Result<Mended, String>,
) {
    let node_id = &node.settings.node_id;
    let (reason, message) = match outcome {
        Ok(Mended::Completely) => (
            Reason::VolumeRecovered,
            format!(
                "the volume was mounted anew on node {node_id} ({why}); what was open there is lost, and \
                 containers that still get errors have to be restarted"
            ),
        ),
        Ok(Mended::InPart) => return,
        Err(error) => (
            Reason::RecoveryFailed,
            format!(
                "the volume is dead on node {node_id} ({why}), and cannot be mounted anew: {error}"
            ),
        ),
    };
    node.tell_of(record, table, reason, &message);
}

/// The PersistentVolume at a target path: the kubelet mounts each below a directory with its name,
/// `.../volumes/kubernetes.io~csi/<name>/mount`.
fn volume_at(target: &Path) -> Option<&str> {
    let mut parts = target.components().rev().map(Component::as_os_str);
    let of_kubelet = parts.next()? == "mount";
    let name = parts.next()?;
    let of_kubelet = of_kubelet && parts.next()? == "kubernetes.io~csi";
    name.to_str().filter(|_| of_kubelet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_by_their_targets() {
        for (target, volume) in [
            (
                "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~csi/pvc-3/mount",
                Some("pvc-3"),
            ),
            (
                "/var/lib/kubelet/pods/1-2/volumes/kubernetes.io~nfs/a/mount",
                None,
            ),
            ("/var/lib/kubelet/plugins/x/globalmount", None),
            ("/mount", None),
        ] {
            assert_eq!(volume_at(Path::new(target)), volume, "{target}");
        }
    }
}
