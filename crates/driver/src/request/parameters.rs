//! StorageClass parameters of a new volume.

use std::collections::BTreeMap;

use super::Error;
use crate::events::About;
use crate::suggest::suggest;

/// Parameters that Kubernetes' sidecars add or consume.
const SIDECAR_PREFIX: &str = "csi.storage.k8s.io/";
/// Only for RBD; the topology of a CephFS volume cannot be constrained.
const TOPOLOGY_CONSTRAINED_POOLS: &str = "topologyConstrainedPools";

/// Longest prefix of a subvolume's name: a file name of Linux less the uuid.
const MAX_PREFIX: usize = 255 - 36;

const KNOWN: [&str; 11] = [
    "clusterID",
    "fsName",
    "pool",
    "mounter",
    "kernelMountOptions",
    "fuseMountOptions",
    "volumeNamePrefix",
    "backingSnapshot",
    "encrypted",
    "encryptionKMSID",
    "encryptionType",
];

/// What the StorageClass asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Which entry of config.json.
    pub cluster_id: String,
    /// File system name.
    pub fs_name: String,
    /// Data pool, `None` for the file system's default.
    pub pool: Option<String>,
    /// Prefix of the subvolume's name, `None` for the default.
    pub name_prefix: Option<String>,
    /// Whether a volume of a snapshot shows it, or has a copy of it; `None` for the default.
    pub backing_snapshot: Option<bool>,
    /// Namespace of the PVC, if the sidecar tells.
    pub pvc_namespace: Option<String>,
    /// Subvolume metadata: names of PVC and PV, under the keys that ceph-csi uses.
    pub metadata: BTreeMap<String, String>,
    /// What the volume's context starts with: all but the sidecars' own.
    pub context: BTreeMap<String, String>,
}

impl Parameters {
    /// Reads the parameters of a CreateVolume request. Unknown ones are kept in the context, as
    /// ceph-csi does, with a warning in the log.
    ///
    /// # Errors
    /// [`Error`] naming the parameter.
    pub fn parse(parameters: &BTreeMap<String, String>) -> Result<Self, Error> {
        warn_of_unknown(parameters, &KNOWN);
        check_unserved(parameters)?;
        let own =
            |key: &String| !key.starts_with(SIDECAR_PREFIX) && key != TOPOLOGY_CONSTRAINED_POOLS;
        let context = parameters.iter().filter(|(key, _)| own(key));
        let name_prefix = optional(parameters, "volumeNamePrefix")?;
        if let Some(prefix) = name_prefix {
            check_prefix("volumeNamePrefix", prefix, MAX_PREFIX)?;
        }
        Ok(Self {
            cluster_id: needed(parameters, "clusterID")?,
            fs_name: needed(parameters, "fsName")?,
            pool: optional(parameters, "pool")?.map(str::to_owned),
            name_prefix: name_prefix.map(str::to_owned),
            backing_snapshot: choice(parameters, "backingSnapshot")?,
            pvc_namespace: parameters
                .get(&format!("{SIDECAR_PREFIX}pvc/namespace"))
                .cloned(),
            metadata: sidecars(parameters, &["pvc/name", "pvc/namespace", "pv/name"]),
            context: context
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        })
    }
}

impl Parameters {
    /// The claim that the volume is made for, if the sidecar tells.
    pub fn claim(&self) -> Option<About> {
        let metadata = |key: &str| {
            self.metadata
                .get(&format!("{SIDECAR_PREFIX}{key}"))
                .cloned()
        };
        let (namespace, name) = (metadata("pvc/namespace")?, metadata("pvc/name")?);
        Some(About::Claim { namespace, name })
    }
}

/// What this release cannot do must never be made as if it were not asked for.
fn check_unserved(parameters: &BTreeMap<String, String>) -> Result<(), Error> {
    for name in ["mounter", "kernelMountOptions", "fuseMountOptions"] {
        optional(parameters, name)?;
    }
    if let Some(mounter) = parameters.get("mounter")
        && !["kernel", "fuse"].contains(&mounter.as_str())
    {
        let why = format!("`{mounter}` is no mounter; use `kernel` or `fuse`, or leave it out");
        return Err(invalid("mounter", why));
    }
    if choice(parameters, "encrypted")? == Some(true) {
        let why = "encrypted volumes are not served by this release of spirula; use another class";
        return Err(invalid("encrypted", why));
    }
    if parameters.contains_key(TOPOLOGY_CONSTRAINED_POOLS) {
        let why = "CephFS volumes cannot be constrained to pools by topology; leave it out";
        return Err(invalid(TOPOLOGY_CONSTRAINED_POOLS, why));
    }
    Ok(())
}

/// The prefix becomes the start of a directory's name; `%` is refused because the manager makes of it
/// a subvolume that it can neither use nor remove.
pub(super) fn check_prefix(parameter: &str, prefix: &str, longest: usize) -> Result<(), Error> {
    let refused = |char: &char| matches!(char, '/' | '%') || char.is_control();
    if let Some(char) = prefix.chars().find(refused) {
        let why = format!(
            "`{}` contains `{}`, which no name of a subvolume or snapshot can",
            prefix.escape_debug(),
            char.escape_debug()
        );
        return Err(invalid(parameter, why));
    }
    if prefix.len() > longest {
        let why = format!(
            "has {} bytes; with the uuid behind it, the name of a directory has room for {longest}",
            prefix.len()
        );
        return Err(invalid(parameter, why));
    }
    Ok(())
}

fn invalid(parameter: &str, why: impl Into<String>) -> Error {
    Error::invalid(format!("parameters.{parameter}"), why)
}

fn needed(parameters: &BTreeMap<String, String>, name: &'static str) -> Result<String, Error> {
    if let Some(value) = optional(parameters, name)? {
        return Ok(value.to_owned());
    }
    // A key in another spelling explains best why the right one is missing.
    let near = parameters
        .keys()
        .find(|key| suggest(key, &[name]).is_some());
    let why = near.map_or_else(
        || format!("missing required field {name}; set it in the StorageClass"),
        |key| format!("missing required field {name}; the StorageClass has `{key}`"),
    );
    Err(invalid(name, why))
}

/// Those of the sidecars' own parameters that have these names.
pub(super) fn sidecars(
    parameters: &BTreeMap<String, String>,
    names: &[&str],
) -> BTreeMap<String, String> {
    let found = names.iter().filter_map(|name| {
        let key = format!("{SIDECAR_PREFIX}{name}");
        let value = parameters.get(&key)?.clone();
        Some((key, value))
    });
    found.collect()
}

/// The parameter `name`, if it is there.
///
/// # Errors
/// [`Error::Invalid`] if it is empty.
pub(crate) fn optional<'a>(
    parameters: &'a BTreeMap<String, String>,
    name: &str,
) -> Result<Option<&'a str>, Error> {
    match parameters.get(name).map(String::as_str) {
        Some("") => {
            let why = "cannot be empty; give it a value or leave it out";
            Err(invalid(name, why))
        }
        value => Ok(value),
    }
}

/// A boolean, in all spellings that the original's language takes for one.
fn choice(parameters: &BTreeMap<String, String>, name: &str) -> Result<Option<bool>, Error> {
    match optional(parameters, name)? {
        None => Ok(None),
        Some("false" | "False" | "FALSE" | "f" | "F" | "0") => Ok(Some(false)),
        Some("true" | "True" | "TRUE" | "t" | "T" | "1") => Ok(Some(true)),
        Some(other) => Err(invalid(
            name,
            format!("`{other}` is neither `true` nor `false`"),
        )),
    }
}

pub(super) fn warn_of_unknown(parameters: &BTreeMap<String, String>, known: &[&str]) {
    let unknown = parameters.keys().filter(|key| {
        !key.starts_with(SIDECAR_PREFIX)
            && !known.contains(&key.as_str())
            && *key != TOPOLOGY_CONSTRAINED_POOLS
    });
    for key in unknown {
        match suggest(key, known) {
            Some(near) => tracing::warn!("parameter `{key}` is unknown, did you mean `{near}`?"),
            None => tracing::warn!("parameter `{key}` is unknown and has no effect"),
        }
    }
}
