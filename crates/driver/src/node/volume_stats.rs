//! NodeGetVolumeStats: how full a volume is, and how it is.
//!
//! | code | when | what the kubelet does |
//! |---|---|---|
//! | OK | the volume is mounted there; also when it is dead or hangs, which its condition says | reports it |
//! | INVALID_ARGUMENT | no id or path | drops the answer |
//! | NOT_FOUND | no CephFS is mounted at the path | drops the answer |
//!
//! A volume that hangs is answered for within a second: the kubelet asks for every volume every minute.

use ceph::Context;
use csi_proto::v1::{
    NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse, VolumeCondition, VolumeUsage,
    volume_usage::Unit,
};

use super::condition::Condition;
use super::{Node, PathError};
use crate::error::Error;
use crate::mount::Usage;
use crate::request::VolumeStats;

/// Serves the request.
pub(super) async fn run(
    node: &Node,
    cx: &Context,
    request: &NodeGetVolumeStatsRequest,
) -> Result<NodeGetVolumeStatsResponse, Error> {
    let VolumeStats { volume, path } = VolumeStats::parse(request)?;
    // Nothing is mounted at a path that names another place in each process.
    let condition = if path.is_absolute() {
        node.condition(cx, &path).await?
    } else {
        None
    };
    let (usage, abnormal, message) = match condition {
        None => return Err(PathError::NotMounted { volume, path }.into()),
        Some(Condition::Healthy(usage)) => {
            let mut message = "the volume is mounted and answers".to_owned();
            if let Some(fallback) = node.known.fallback(&volume) {
                message = format!("{message}; {fallback}");
            }
            node.usages.learn(&volume, &usage);
            (usages(&usage), false, message)
        }
        Some(Condition::Abnormal(ailment)) => (Vec::new(), true, ailment.message),
    };
    Ok(NodeGetVolumeStatsResponse {
        usage,
        volume_condition: Some(VolumeCondition { abnormal, message }),
    })
}

/// Bytes, and inodes. Of inodes without a limit only the used ones are told: zero in the other fields
/// means unknown, where any number would raise the alarm that inodes run out.
fn usages(usage: &Usage) -> Vec<VolumeUsage> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let total_inodes = usage.total_inodes.unwrap_or(0);
    vec![
        VolumeUsage {
            available: signed(usage.available_bytes),
            total: signed(usage.total_bytes),
            used: signed(usage.used_bytes),
            unit: Unit::Bytes.into(),
        },
        VolumeUsage {
            available: signed(total_inodes.saturating_sub(usage.used_inodes)),
            total: signed(total_inodes),
            used: signed(usage.used_inodes),
            unit: Unit::Inodes.into(),
        },
    ]
}
