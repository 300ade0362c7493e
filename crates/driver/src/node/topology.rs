//! Where a node is, from its labels (`--domainlabels`): `topology.DRIVER/DOMAIN`, as in the original.

use std::collections::BTreeMap;
use std::time::Duration;

use ceph::Context;

use super::labels::{Labels, LabelsError};

/// How long the driver waits for the labels at its start.
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest prefix of a topology key, by the rule of CSI.
const LONGEST_PREFIX: usize = 63;

/// The topology cannot be told: the driver must not start, as the orchestrator would take the node for one
/// that is everywhere.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The labels are not known.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// Kubernetes does not have them.
    #[error("node `{node}` lacks the labels {}: set them, or take them out of the flag", missing.join(", "))]
    Missing {
        /// The node.
        node: String,
        /// The labels, quoted.
        missing: Vec<String>,
    },
    /// The keys would be invalid.
    #[error(
        "the prefix `{prefix}` of its keys is longer than {LONGEST_PREFIX} characters: give the driver a \
         shorter name"
    )]
    LongPrefix {
        /// `topology.` and the driver's name.
        prefix: String,
    },
}

/// The domain that a label tells: what follows its prefix.
pub fn domain(label: &str) -> &str {
    label.split_once('/').map_or(label, |(_, domain)| domain)
}

/// The segments of the node's topology by `domain_labels`. Nobody is asked if there are none of these.
///
/// # Errors
/// [`Error`].
pub async fn find(
    labels: &Labels,
    domain_labels: &[String],
    driver_name: &str,
) -> Result<BTreeMap<String, String>, Error> {
    if domain_labels.is_empty() {
        return Ok(BTreeMap::new());
    }
    let prefix = format!("topology.{}", driver_name.to_lowercase());
    if prefix.len() > LONGEST_PREFIX {
        return Err(Error::LongPrefix { prefix });
    }
    let known = labels.get(&Context::with_timeout(PATIENCE)).await?;
    let (found, missing): (Vec<_>, Vec<_>) = domain_labels
        .iter()
        .map(|label| (label, known.get(label)))
        .partition(|(_, value)| value.is_some());
    if !missing.is_empty() {
        return Err(Error::Missing {
            node: labels.node().to_owned(),
            missing: missing
                .iter()
                .map(|(label, _)| format!("`{label}`"))
                .collect(),
        });
    }
    let segment = |(label, value): (&String, Option<&String>)| {
        let key = format!("{prefix}/{}", domain(label));
        value.map(|value| (key, value.clone()))
    };
    Ok(found.into_iter().filter_map(segment).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: (&str, &str) = ("topology.kubernetes.io/zone", "z1");

    async fn find(labels: &Labels, wanted: &[&str], driver: &str) -> Result<String, String> {
        let wanted: Vec<_> = wanted.iter().map(|&label| label.to_owned()).collect();
        let found = super::find(labels, &wanted, driver).await;
        let found = found.map_err(|error| error.to_string())?;
        let segments = found.iter().map(|(key, value)| format!("{key}={value}"));
        Ok(segments.collect::<Vec<_>>().join(" "))
    }

    #[tokio::test]
    async fn segments_come_from_labels() {
        let labels = Labels::known(&[ZONE, ("rack", "r.7"), ("other", "x")]);
        let found = find(&labels, &["rack", ZONE.0], "Rook.cephfs.csi.ceph.com").await;
        let expected = "topology.rook.cephfs.csi.ceph.com/rack=r.7 \
                        topology.rook.cephfs.csi.ceph.com/zone=z1";
        assert_eq!(found.as_deref(), Ok(expected));
    }

    #[tokio::test]
    async fn a_node_without_the_labels_is_nowhere() {
        let labels = Labels::known(&[ZONE]);
        let found = find(&labels, &["a/rack", ZONE.0, "row"], "d").await;
        assert_eq!(
            found.unwrap_err(),
            "node `node-1` lacks the labels `a/rack`, `row`: set them, or take them out of the flag"
        );
    }

    #[tokio::test]
    async fn labels_are_asked_for_only_where_they_are_wanted() {
        let outside = Labels::new("node-1", None);
        assert_eq!(find(&outside, &[], "d").await.as_deref(), Ok(""));
        let found = find(&outside, &["zone"], "d").await.unwrap_err();
        assert!(found.contains("KUBERNETES_CONFIG_PATH"), "{found}");
    }

    #[tokio::test]
    async fn a_name_that_makes_invalid_keys_is_refused() {
        let labels = Labels::known(&[ZONE]);
        let name = |length| "d".repeat(length);
        assert!(find(&labels, &[ZONE.0], &name(54)).await.is_ok());
        let found = find(&labels, &[ZONE.0], &name(55)).await.unwrap_err();
        assert!(found.contains("longer than 63 characters"), "{found}");
    }
}
