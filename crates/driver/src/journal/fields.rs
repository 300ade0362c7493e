//! Keys and values of a record.

use std::collections::BTreeMap;

use ceph::Object;
use serde::de::DeserializeOwned;

use super::Error;

/// The PVC's namespace.
pub(super) const OWNER: &str = "csi.volume.owner";
/// The KMS of what is encrypted.
pub(super) const KMS: &str = "csi.volume.encryptKMS";
/// The name of the subvolume or snapshot.
pub(super) const NAME_IN_CEPH: &str = "csi.imagename";
/// Ours: metadata still to be set, a JSON object of strings.
pub(super) const PENDING_METADATA: &str = "spirula.metadata.pending";

/// Whether a key of a record is one that ceph-csi reads.
pub(super) fn is_shared(key: &str) -> bool {
    key.starts_with("csi.")
}

/// Whether a key of a record is one that ceph-csi does not read.
pub(super) fn is_ours(key: &str) -> bool {
    key.starts_with("spirula.")
}

/// The omap of a record.
#[derive(Debug)]
pub struct Fields<'a> {
    pub(super) object: &'a Object,
    pub(super) omap: &'a BTreeMap<String, Vec<u8>>,
}

impl Fields<'_> {
    /// A text, if it is there.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, Error> {
        let value = self.omap.get(key);
        value.map(|value| text(self.object, key, value)).transpose()
    }

    /// All texts under keys that do not begin with `csi.`.
    pub(super) fn unshared(&self) -> Result<BTreeMap<String, String>, Error> {
        let keys = self.omap.iter().filter(|(key, _)| !is_shared(key));
        let texts = keys.map(|(key, value)| Ok((key.clone(), text(self.object, key, value)?)));
        texts.collect()
    }

    /// Whether there is such a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.omap.contains_key(key)
    }

    /// A text that has to be there.
    pub(super) fn required(&self, key: &'static str) -> Result<String, Error> {
        self.text(key)?.ok_or_else(|| Error::Incomplete {
            object: self.object.name.clone(),
            key,
        })
    }

    /// What this driver stored as JSON, if it is there.
    pub(super) fn json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let value = self.omap.get(key);
        let value = value.map(|value| serde_json::from_slice(value));
        value
            .transpose()
            .map_err(|_| malformed(self.object, key, "the JSON that this driver writes"))
    }
}

/// The text of a stored value.
pub(super) fn text(object: &Object, key: &str, value: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(value).map_err(|_| malformed(object, key, "text"))?;
    Ok(text.to_owned())
}

pub(super) fn malformed(object: &Object, key: &str, expected: &'static str) -> Error {
    Error::Malformed {
        object: object.name.clone(),
        key: key.to_owned(),
        expected,
    }
}

/// The omap of those `pairs` that have a value.
pub(super) fn omap<const N: usize>(
    pairs: [(&str, Option<Vec<u8>>); N],
) -> BTreeMap<String, Vec<u8>> {
    let present = pairs
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    present.collect()
}

/// A stored text.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// What is stored as JSON.
pub(super) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::json!(value).to_string().into_bytes()
}

/// The value of [`PENDING_METADATA`].
pub(super) fn pending(metadata: &BTreeMap<String, String>) -> Option<Vec<u8>> {
    (!metadata.is_empty()).then(|| json(metadata))
}
