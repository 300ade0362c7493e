//! Reading the journal.

use std::collections::BTreeMap;

use ceph::{Context, Object, OmapPage, ReadOp};
use serde::de::DeserializeOwned;

use super::{Error, Journal, Record, keys, malformed, text};
use crate::ids::VolumeUuid;

/// More keys than any record has.
const RECORD_PAGE: u64 = 512;
/// Directory entries per read.
const DIRECTORY_PAGE: u64 = 512;

/// A directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The request name.
    pub request_name: String,
    /// The volume.
    pub uuid: VolumeUuid,
    /// The value as it is stored.
    pub(super) raw: Vec<u8>,
}

impl Journal {
    /// The record of `uuid`, `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Ceph`], [`Error::Malformed`].
    pub async fn lookup(&self, cx: &Context, uuid: &VolumeUuid) -> Result<Option<Record>, Error> {
        let object = self.record(uuid);
        let page = OmapPage {
            after: String::new(),
            prefix: String::new(),
            max: RECORD_PAGE,
        };
        let read = ReadOp {
            omap_page: Some(page),
            ..ReadOp::default()
        };
        match self.cluster.read(cx, &object, read).await {
            Ok(answer) => Record::parse(&object, uuid, &answer.omap).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The directory's entry for `request_name`.
    pub(super) async fn entry(
        &self,
        cx: &Context,
        request_name: &str,
    ) -> Result<Option<Entry>, Error> {
        let key = keys::directory_key(request_name);
        let object = self.directory();
        let read = ReadOp {
            omap_keys: vec![key.clone()],
            ..ReadOp::default()
        };
        let answer = match self.cluster.read(cx, &object, read).await {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        answer
            .omap
            .get(&key)
            .map(|raw| Entry::parse(&object, &key, raw))
            .transpose()
    }

    /// A page of the directory in key order, from after `after` (a request name, `""` for the start),
    /// and whether there is more. Entries that cannot be read are left out.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn page(&self, cx: &Context, after: &str) -> Result<(Vec<Entry>, bool), Error> {
        let object = self.directory();
        let after = if after.is_empty() {
            String::new()
        } else {
            keys::directory_key(after)
        };
        let prefix = keys::DIRECTORY_KEY_PREFIX.to_owned();
        let page = OmapPage {
            after,
            prefix,
            max: DIRECTORY_PAGE,
        };
        let read = ReadOp {
            omap_page: Some(page),
            ..ReadOp::default()
        };
        match self.cluster.read(cx, &object, read).await {
            Ok(answer) => {
                let entries = answer.omap.iter();
                let entries = entries.filter_map(|(key, raw)| Entry::parse(&object, key, raw).ok());
                Ok((entries.collect(), answer.more))
            }
            Err(error) if error.is_not_found() => Ok((Vec::new(), false)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Entry {
    /// The value is the uuid, or `<pool id>/<uuid>` in journals that span pools.
    fn parse(object: &Object, key: &str, raw: &[u8]) -> Result<Self, Error> {
        let request_name = key
            .strip_prefix(keys::DIRECTORY_KEY_PREFIX)
            .unwrap_or(key)
            .to_owned();
        let value = text(object, key, raw)?;
        let uuid = VolumeUuid::at_end_of(&value).ok_or_else(|| malformed(object, key, "a uuid"))?;
        Ok(Self {
            request_name,
            uuid,
            raw: raw.to_owned(),
        })
    }
}

impl Record {
    fn parse(
        object: &Object,
        uuid: &VolumeUuid,
        omap: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, Error> {
        let get = |key: &str| {
            omap.get(key)
                .map(|value| text(object, key, value))
                .transpose()
        };
        let assumed = Self::without_journal(uuid);
        Ok(Self {
            uuid: uuid.clone(),
            request_name: get(keys::REQUEST_NAME)?,
            subvolume: get(keys::SUBVOLUME)?.unwrap_or(assumed.subvolume),
            owner: get(keys::OWNER)?,
            kms_id: get(keys::KMS)?,
            backing_snapshot: get(keys::BACKING_SNAPSHOT)?.filter(|id| !id.is_empty()),
            details: json(object, keys::DETAILS, omap)?,
            pending_metadata: json(object, keys::PENDING_METADATA, omap)?.unwrap_or_default(),
        })
    }

    /// What is to be assumed of a volume that has no record: the default name, made by ceph-csi.
    pub fn without_journal(uuid: &VolumeUuid) -> Self {
        Self {
            uuid: uuid.clone(),
            request_name: None,
            subvolume: format!("{}{uuid}", keys::DEFAULT_PREFIX),
            owner: None,
            kms_id: None,
            backing_snapshot: None,
            details: None,
            pending_metadata: BTreeMap::new(),
        }
    }
}

fn json<T: DeserializeOwned>(
    object: &Object,
    key: &str,
    omap: &BTreeMap<String, Vec<u8>>,
) -> Result<Option<T>, Error> {
    let value = omap.get(key).map(|value| serde_json::from_slice(value));
    value
        .transpose()
        .map_err(|_| malformed(object, key, "the JSON that this driver writes"))
}
