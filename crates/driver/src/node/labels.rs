//! The labels that Kubernetes has for this node.

use std::collections::BTreeMap;

use ceph::Context;
use tokio::sync::OnceCell;

use crate::kubernetes::{self, Api};

/// Why the labels are not known.
#[derive(Debug, thiserror::Error)]
pub enum LabelsError {
    /// There is nobody to ask.
    #[error(
        "the labels of node `{node}` are needed, and nobody can be asked for them outside of Kubernetes: \
         set KUBERNETES_CONFIG_PATH to a kubeconfig"
    )]
    NoApi {
        /// The node.
        node: String,
    },
    /// The Kubernetes API did not tell.
    #[error("the labels of node `{node}`")]
    Kubernetes {
        /// The node.
        node: String,
        /// Why.
        source: kubernetes::Error,
    },
}

/// The labels of one node, asked for when they are first needed, and kept from then on: a mounted volume
/// cannot follow a change either.
#[derive(Debug, Default)]
pub struct Labels {
    node: String,
    api: Option<Api>,
    known: OnceCell<BTreeMap<String, String>>,
}

impl Labels {
    /// Those of `node`, which `api` knows; `None` outside of Kubernetes.
    pub fn new(node: &str, api: Option<Api>) -> Self {
        Self {
            node: node.to_owned(),
            api,
            known: OnceCell::new(),
        }
    }

    /// Name of the node.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// The labels.
    ///
    /// # Errors
    /// [`LabelsError`]; the next call asks again.
    pub async fn get(&self, cx: &Context) -> Result<&BTreeMap<String, String>, LabelsError> {
        let node = || self.node.clone();
        // Asked once, by a request that is large in memory: not for every stage to carry.
        let ask = Box::pin(async {
            let api = self.api.as_ref();
            let api = api.ok_or_else(|| LabelsError::NoApi { node: node() })?;
            let labels = api.node_labels(cx, &self.node).await;
            labels.map_err(|source| LabelsError::Kubernetes {
                node: node(),
                source,
            })
        });
        self.known.get_or_try_init(|| ask).await
    }
}

#[cfg(test)]
impl Labels {
    /// Labels that are known.
    pub(super) fn known(labels: &[(&str, &str)]) -> Self {
        let pairs = labels.iter();
        let labels = pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Self {
            node: "node-1".to_owned(),
            api: None,
            known: OnceCell::new_with(Some(labels.collect())),
        }
    }
}
