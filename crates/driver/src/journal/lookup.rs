//! Reading the journal.

use std::collections::BTreeMap;

use ceph::{Context, Object, OmapPage, ReadOp};

use super::fields::{Fields, is_shared, malformed, text};
use super::{Error, Journal, Kind, directory_key};
use crate::ids::Uuid;

/// Keys of a record per read: all of them, but for those of a group with very many members.
const RECORD_PAGE: u64 = 512;
/// Directory entries per read.
const DIRECTORY_PAGE: u64 = 512;

/// A directory entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<K> {
    /// The request name.
    pub request_name: String,
    /// Whom it stands for.
    pub uuid: Uuid<K>,
    /// The value as it is stored.
    pub(super) raw: Vec<u8>,
}

/// A page of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<K> {
    /// The entries.
    pub entries: Vec<Entry<K>>,
    /// After which request name there is more; `None` at the end.
    pub next: Option<String>,
}

impl<K: Kind> Journal<K> {
    /// The record of `uuid`, `None` if there is none, or only an object that ceph-csi made when it began
    /// to reserve the name and never filled.
    ///
    /// # Errors
    /// [`Error::Ceph`], [`Error::Malformed`], [`Error::Incomplete`].
    pub async fn lookup(&self, cx: &Context, uuid: &Uuid<K>) -> Result<Option<K::Record>, Error> {
        let found = self.versioned(cx, uuid).await?;
        Ok(found.and_then(|(record, _)| record))
    }

    /// As [`Journal::lookup`], with the version of the object, for a write on condition that nobody has written since.
    /// `None` if there is no object.
    ///
    /// # Errors
    /// As of [`Journal::lookup`].
    pub(super) async fn versioned(
        &self,
        cx: &Context,
        uuid: &Uuid<K>,
    ) -> Result<Option<(Option<K::Record>, u64)>, Error> {
        let object = self.record(uuid);
        let mut version = None;
        let mut omap = BTreeMap::new();
        let mut after = String::new();
        loop {
            let page = OmapPage {
                after,
                prefix: String::new(),
                max: RECORD_PAGE,
            };
            let read = ReadOp {
                omap_keys: K::UNLISTED.iter().map(|&key| key.to_owned()).collect(),
                omap_page: Some(page),
                ..ReadOp::default()
            };
            let answer = match self.cluster.read(cx, &object, read).await {
                Ok(answer) => answer,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let last = answer.omap.keys().next_back().cloned();
            omap.extend(answer.omap);
            let version = *version.get_or_insert(answer.version);
            if let Some(last) = last.filter(|_| answer.more) {
                after = last;
                continue;
            }
            if !omap.keys().any(|key| is_shared(key)) {
                return Ok(Some((None, version)));
            }
            let fields = Fields {
                object: &object,
                omap: &omap,
            };
            return Ok(Some((Some(K::decode(uuid, &fields)?), version)));
        }
    }

    /// The record that `request_name` leads to, if there is one.
    ///
    /// # Errors
    /// As [`Journal::lookup`].
    pub async fn find(&self, cx: &Context, request_name: &str) -> Result<Option<K::Record>, Error> {
        match self.entry(cx, request_name).await? {
            Some(entry) => self.lookup(cx, &entry.uuid).await,
            None => Ok(None),
        }
    }

    /// Whether `request_name` leads to the record of `uuid`, and that is there: it is not being deleted.
    ///
    /// # Errors
    /// As [`Journal::lookup`].
    pub async fn is_reserved(
        &self,
        cx: &Context,
        request_name: &str,
        uuid: &Uuid<K>,
    ) -> Result<bool, Error> {
        let found = self.find(cx, request_name).await?;
        Ok(found.is_some_and(|record| K::uuid(&record) == uuid))
    }

    /// Whether `request_name` leads to `uuid`. Where it did once and does not any more, it never will again, and what
    /// was made under this uuid since is nobody's.
    ///
    /// # Errors
    /// As [`Journal::lookup`].
    pub async fn leads_to(
        &self,
        cx: &Context,
        request_name: &str,
        uuid: &Uuid<K>,
    ) -> Result<bool, Error> {
        let entry = self.entry(cx, request_name).await?;
        Ok(entry.is_some_and(|entry| entry.uuid == *uuid))
    }

    /// The directory's entry for `request_name`.
    ///
    /// # Errors
    /// As [`Journal::lookup`].
    pub async fn entry(&self, cx: &Context, request_name: &str) -> Result<Option<Entry<K>>, Error> {
        let key = directory_key::<K>(request_name);
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

    /// A page of the directory in key order, from after `after` (a request name, `""` for the start).
    /// Entries that cannot be read are left out.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn page(&self, cx: &Context, after: &str, at_most: usize) -> Result<Page<K>, Error> {
        let after = if after.is_empty() {
            String::new()
        } else {
            directory_key::<K>(after)
        };
        let page = OmapPage {
            after,
            prefix: K::DIRECTORY_KEY.to_owned(),
            max: DIRECTORY_PAGE.min(at_most as u64),
        };
        let object = self.directory();
        let read = ReadOp {
            omap_page: Some(page),
            ..ReadOp::default()
        };
        match self.cluster.read(cx, &object, read).await {
            Ok(answer) => {
                let last = answer.omap.keys().next_back();
                Ok(Page {
                    entries: entries(&object, &answer.omap),
                    next: last
                        .filter(|_| answer.more)
                        .map(|key| request_name::<K>(key)),
                })
            }
            Err(error) if error.is_not_found() => Ok(Page {
                entries: Vec::new(),
                next: None,
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// All entries whose request names begin with `prefix`.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn named_under(&self, cx: &Context, prefix: &str) -> Result<Vec<Entry<K>>, Error> {
        let (object, prefix) = (self.directory(), directory_key::<K>(prefix));
        match self.cluster.read_omap(cx, &object, &prefix).await {
            Ok(found) => Ok(entries(&object, &found)),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The entries of the directory `object` that can be read.
fn entries<K: Kind>(object: &Object, found: &BTreeMap<String, Vec<u8>>) -> Vec<Entry<K>> {
    let parse = |(key, raw): (&String, &Vec<u8>)| {
        let entry = Entry::parse(object, key, raw);
        entry
            .inspect_err(|error| tracing::warn!("{error}; it is left out"))
            .ok()
    };
    found.iter().filter_map(parse).collect()
}

fn request_name<K: Kind>(key: &str) -> String {
    key.strip_prefix(K::DIRECTORY_KEY).unwrap_or(key).to_owned()
}

impl<K: Kind> Entry<K> {
    /// The value is the uuid, or `<pool id>/<uuid>` in journals that span pools.
    fn parse(object: &Object, key: &str, raw: &[u8]) -> Result<Self, Error> {
        let value = text(object, key, raw)?;
        let uuid = Uuid::at_end_of(&value).ok_or_else(|| malformed(object, key, "a uuid"))?;
        Ok(Self {
            request_name: request_name::<K>(key),
            uuid,
            raw: raw.to_owned(),
        })
    }
}
