//! NodeGetInfo.

use csi_proto::v1::{NodeGetInfoResponse, Topology};

use super::Node;

/// Serves the request. The topology is present even if it is empty, as the original's is; there is no
/// limit to the number of volumes.
pub(super) fn run(node: &Node) -> NodeGetInfoResponse {
    NodeGetInfoResponse {
        node_id: node.settings.node_id.clone(),
        max_volumes_per_node: 0,
        accessible_topology: Some(Topology {
            segments: node.settings.topology.clone(),
        }),
    }
}
