//! Read affinity: the kernel's client reads from the nearest OSD, by where the node's labels say that it
//! is in the CRUSH map.
//!
//! It makes reads cheaper and nothing else, so a volume whose node has no place is mounted without, and the
//! log says why.

use std::collections::BTreeMap;
use std::time::Duration;

use ceph::Context;

use super::Node;
use super::topology::domain;
use crate::config::ClusterEntry;

/// How long a volume waits for the labels.
const PATIENCE: Duration = Duration::from_secs(5);

impl Node {
    /// The mount options for volumes of `cluster`, none unless config.json enables it there.
    pub(super) async fn read_affinity(&self, cx: &Context, cluster: &ClusterEntry) -> String {
        let affinity = &cluster.read_affinity;
        if !affinity.enabled {
            self.tell_of_labels_without_use(cluster);
            return String::new();
        }
        let without = |why: String| {
            tracing::warn!(
                "cluster `{}` has readAffinity enabled, but the volume reads from any OSD: {why}",
                cluster.cluster_id
            );
            String::new()
        };
        let wanted = match &affinity.crush_location_labels {
            none if none.is_empty() => &self.settings.crush_location_labels,
            labels => labels,
        };
        if wanted.is_empty() {
            let why = "no labels are named: give `crushLocationLabels` in config.json, or \
                       --enable-read-affinity with --crush-location-labels";
            return without(why.to_owned());
        }
        match self.labels.get(&cx.at_most(PATIENCE)).await {
            Ok(labels) => options(labels, wanted).unwrap_or_else(|| {
                let (node, wanted) = (self.labels.node(), wanted.join(", "));
                without(format!("node `{node}` has none of the labels {wanted}"))
            }),
            Err(error) => without(format!("{:#}", anyhow::Error::new(error))),
        }
    }

    /// Once and not for each volume: with several clusters it may be meant so.
    fn tell_of_labels_without_use(&self, cluster: &ClusterEntry) {
        if self.settings.crush_location_labels.is_empty() {
            return;
        }
        self.affinity_told.call_once(|| {
            tracing::warn!(
                "--enable-read-affinity has no effect on volumes of cluster `{}`, which read from any OSD: its \
                 entry in config.json lacks `\"readAffinity\": {{\"enabled\": true}}`",
                cluster.cluster_id
            );
        });
    }
}

/// In the order of `wanted`; `None` if the node has no such label. Of two labels for one level of the CRUSH
/// map the first counts.
fn options(labels: &BTreeMap<String, String>, wanted: &[String]) -> Option<String> {
    let mut location: Vec<(&str, String)> = vec![];
    for label in wanted {
        let label = label.trim();
        let level = match domain(label).trim() {
            "hostname" => "host",
            other => other,
        };
        // CRUSH names have no dots.
        let bucket = labels
            .get(label)
            .map(|value| value.trim().replace('.', "-"));
        let bucket = bucket.filter(|bucket| !bucket.is_empty());
        if let Some(bucket) = bucket
            && location.iter().all(|(present, _)| *present != level)
        {
            location.push((level, bucket));
        }
    }
    let location = location
        .iter()
        .map(|(level, bucket)| format!("{level}:{bucket}"));
    let location = location.collect::<Vec<_>>().join("|");
    let options = || format!("read_from_replica=localize,crush_location={location}");
    (!location.is_empty()).then(options)
}

#[cfg(test)]
mod tests {
    fn options(labels: &[(&str, &str)], wanted: &[&str]) -> Option<String> {
        let labels = labels.iter();
        let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let wanted: Vec<_> = wanted.iter().map(|&label| label.to_owned()).collect();
        super::options(&labels.collect(), &wanted)
    }

    #[test]
    fn the_place_is_told_in_the_order_of_the_labels() {
        let labels = [
            ("kubernetes.io/hostname", "node-1.example.com"),
            ("topology.kubernetes.io/zone", "z1"),
            ("topology.rook.io/rack", "r1"),
        ];
        let wanted = [
            "topology.kubernetes.io/zone",
            "topology.rook.io/rack",
            "kubernetes.io/hostname",
        ];
        assert_eq!(
            options(&labels, &wanted).as_deref(),
            Some(
                "read_from_replica=localize,crush_location=zone:z1|rack:r1|host:node-1-example-com"
            )
        );
    }

    #[test]
    fn labels_that_are_absent_empty_or_for_the_same_level_are_left_out() {
        let labels = [
            ("a/zone", "1"),
            ("b/zone", "2"),
            ("c/row", ""),
            ("rack", "3"),
        ];
        let found = options(&labels, &["c/row", "b/zone", "a/zone", "x/pod", "rack"]);
        let expected = "read_from_replica=localize,crush_location=zone:2|rack:3";
        assert_eq!(found.as_deref(), Some(expected));
        assert_eq!(options(&labels, &["c/row", "x/pod"]), None);
    }
}
