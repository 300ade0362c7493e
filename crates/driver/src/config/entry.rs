//! The entries of `config.json` that matter to CephFS. The `rbd` and `nfs` objects of an entry are for
//! other drivers and are not looked at.

use std::path::PathBuf;

use serde_json::Value;

use super::DEFAULT_SUBVOLUME_GROUP;
use super::json::{self, Object, ParseError};

/// At most this many clusterIDs are named in an error.
const NAMED_CLUSTERS: usize = 20;

/// One cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterEntry {
    /// `clusterID`.
    pub cluster_id: String,
    /// `monitors`, joined with `,`; never empty in an answer of [`Config::cluster`](super::Config::cluster).
    pub monitors: String,
    /// `cephFS.subvolumeGroup`, else [`DEFAULT_SUBVOLUME_GROUP`].
    pub subvolume_group: String,
    /// `cephFS.radosNamespace`; [`Config::cluster`](super::Config::cluster) fills in its default.
    pub rados_namespace: String,
    /// `cephFS.kernelMountOptions`: comma-separated, takes the place of `--kernelmountoptions`.
    pub kernel_mount_options: Option<String>,
    /// `cephFS.fuseMountOptions`: comma-separated, takes the place of `--fusemountoptions`.
    pub fuse_mount_options: Option<String>,
    /// `cephFS.netNamespaceFilePath`: the network namespace in which to mount.
    pub net_namespace_file: Option<PathBuf>,
    /// `cephFS.controllerPublishSecretRef`: the Secret with the driver's own credentials, see
    /// [`crate::own_credentials`]; ceph-csi fences nodes with it.
    pub controller_publish_secret: Option<SecretRef>,
    /// `readAffinity`.
    pub read_affinity: ReadAffinity,
}

/// Name and namespace of a Kubernetes Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    /// `name`.
    pub name: String,
    /// `namespace`.
    pub namespace: String,
}

/// Whether the kernel client reads from the nearest OSD, and what "near" means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadAffinity {
    /// `enabled`.
    pub enabled: bool,
    /// `crushLocationLabels`: node labels; if empty those of `--crush-location-labels` count.
    pub crush_location_labels: Vec<String>,
}

/// All entries, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMap(Vec<ClusterEntry>);

impl ClusterMap {
    /// The first entry with this clusterID.
    pub fn get(&self, id: &str) -> Option<&ClusterEntry> {
        self.0.iter().find(|entry| entry.cluster_id == id)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The clusterIDs.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.cluster_id.as_str())
    }

    /// The clusterIDs as a list for people.
    pub(super) fn known(&self) -> String {
        let text = self
            .ids()
            .take(NAMED_CLUSTERS)
            .collect::<Vec<_>>()
            .join(", ");
        match self.len().saturating_sub(NAMED_CLUSTERS) {
            0 if text.is_empty() => "no clusters".to_owned(),
            0 => text,
            more => format!("{text} and {more} more"),
        }
    }
}

/// Parses the content of `config.json`.
pub fn parse(bytes: &[u8]) -> Result<ClusterMap, ParseError> {
    match json::document(bytes)? {
        Value::Null => Ok(ClusterMap::default()),
        Value::Array(entries) => {
            let entries = entries.iter().enumerate().map(|(i, value)| entry(i, value));
            Ok(ClusterMap(entries.collect::<Result<_, _>>()?))
        }
        other => Err(json::type_error(
            "the file".to_owned(),
            "an array of clusters",
            &other,
        )),
    }
}

fn entry(index: usize, value: &Value) -> Result<ClusterEntry, ParseError> {
    let place = format!("entry {}", index + 1);
    let object = Object::new(value, place.clone())?;
    let cluster_id = object.string("clusterID")?;
    let object = object.named(format!("{place} (clusterID `{cluster_id}`)"));
    let ceph_fs = object.object("cephFS")?;
    Ok(ClusterEntry {
        monitors: monitors(&object)?,
        subvolume_group: some(ceph_fs.string("subvolumeGroup")?)
            .unwrap_or_else(|| DEFAULT_SUBVOLUME_GROUP.to_owned()),
        rados_namespace: ceph_fs.string("radosNamespace")?,
        kernel_mount_options: some(ceph_fs.string("kernelMountOptions")?),
        fuse_mount_options: some(ceph_fs.string("fuseMountOptions")?),
        net_namespace_file: some(ceph_fs.string("netNamespaceFilePath")?).map(PathBuf::from),
        controller_publish_secret: secret_ref(&ceph_fs.object("controllerPublishSecretRef")?)?,
        read_affinity: read_affinity(&object.object("readAffinity")?)?,
        cluster_id,
    })
}

fn monitors(object: &Object<'_>) -> Result<String, ParseError> {
    let all = object.strings("monitors")?;
    let named = all.iter().map(|monitor| monitor.trim());
    Ok(named
        .filter(|monitor| !monitor.is_empty())
        .collect::<Vec<_>>()
        .join(","))
}

fn secret_ref(object: &Object<'_>) -> Result<Option<SecretRef>, ParseError> {
    let (name, namespace) = (object.string("name")?, object.string("namespace")?);
    Ok(some(name).map(|name| SecretRef { name, namespace }))
}

fn read_affinity(object: &Object<'_>) -> Result<ReadAffinity, ParseError> {
    Ok(ReadAffinity {
        enabled: object.boolean("enabled")?,
        crush_location_labels: object.strings("crushLocationLabels")?,
    })
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
