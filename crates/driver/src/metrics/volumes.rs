//! The volumes of this node.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::gauges;
use crate::mount::Usage;
use crate::node::Node;

/// Tells what the node service remembers: it never looks at a mount.
#[derive(Debug)]
pub(super) struct Volumes(Arc<Node>);

impl Volumes {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self(node)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
impl Collector for Volumes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let overview = self.0.overview();
        gauges(
            &mut encoder,
            "spirula_node_volumes",
            "Volumes on this node, by what has become of them",
            (overview.states).map(|(state, count)| ([("state", state)], count as f64)),
        )?;
        gauges(
            &mut encoder,
            "spirula_node_volumes_fallback",
            "Volumes that another client mounts than the one they ask for",
            [([("", ""); 0], overview.fallbacks as f64)],
        )?;
        gauges(
            &mut encoder,
            "spirula_node_mounts_abnormal",
            "Mounts that were found not to work when the kubelet last asked, by reason",
            (overview.abnormal).map(|(reason, count)| ([("reason", reason)], count as f64)),
        )?;
        self.usage(&mut encoder)
    }
}

/// A metric of a volume: name, help, and value where there is one.
type OfVolume = (&'static str, &'static str, fn(&Usage) -> Option<f64>);

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floating-point numbers"
)]
const OF_VOLUME: [OfVolume; 4] = [
    (
        "spirula_volume_capacity_bytes",
        "Size of a volume when the kubelet last asked: its quota, or the room in the cluster",
        |usage| Some(usage.total_bytes as f64),
    ),
    (
        "spirula_volume_used_bytes",
        "Bytes in a volume when the kubelet last asked",
        |usage| Some(usage.used_bytes as f64),
    ),
    (
        "spirula_volume_inodes",
        "Files that a volume may have, for those with a limit",
        |usage| usage.total_inodes.map(|inodes| inodes as f64),
    ),
    (
        "spirula_volume_inodes_used",
        "Files in a volume when the kubelet last asked",
        |usage| Some(usage.used_inodes as f64),
    ),
];

impl Volumes {
    fn usage(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let usages = self.0.usages();
        for (name, help, value) in OF_VOLUME {
            let known = usages.iter().filter_map(|(volume, usage)| {
                let labels = [("volume_id", volume.as_str())];
                Some((labels, value(usage)?))
            });
            gauges(encoder, name, help, known)?;
        }
        Ok(())
    }
}
