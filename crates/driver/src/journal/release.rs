//! Releasing a name.

use std::collections::BTreeMap;

use ceph::{Context, ErrorKind, WriteOp, WriteStep};

use super::{Entry, Error, Journal, Kind, directory_key, unless_gone};
use crate::ids::Uuid;

/// Ours, in the directory, before a uuid: nothing leads to its record any more, which has to go.
const RETIRED: &str = "spirula.retired.";

impl<K: Kind> Journal<K> {
    /// Removes what leads to something that is gone from Ceph: the directory key, then the record.
    /// Whatever of it is gone already is no error.
    ///
    /// # Errors
    /// [`Error`]; a repeat goes on where this stopped.
    pub async fn release(&self, cx: &Context, record: &K::Record) -> Result<(), Error> {
        self.release_name(cx, record).await?;
        self.remove_record(cx, K::uuid(record)).await
    }

    /// The first half of [`Journal::release`]: removes the directory key, and marks in the same operation that the
    /// record has to go, for [`Journal::purge`]. `false` if the key does not lead to the record; then all of it is
    /// released.
    ///
    /// # Errors
    /// [`Error`]; a repeat goes on where this stopped.
    pub async fn retire(&self, cx: &Context, record: &K::Record) -> Result<bool, Error> {
        let uuid = K::uuid(record);
        if let Some(name) = K::request_name(record) {
            let key = directory_key::<K>(name);
            let write = WriteOp::new()
                .then(WriteStep::OmapEquals {
                    key: key.clone(),
                    value: uuid.as_str().as_bytes().to_vec(),
                })
                .then(WriteStep::OmapRemove(vec![key]))
                .then(WriteStep::OmapSet(BTreeMap::from([(
                    mark(uuid),
                    Vec::new(),
                )])));
            match self.cluster.write(cx, &self.directory(), write).await {
                Ok(()) => return Ok(true),
                Err(error) if error.kind == ErrorKind::CompareFailed || error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.release(cx, record).await?;
        Ok(false)
    }

    /// The second half of [`Journal::release`], after [`Journal::retire`]: removes the record, then the mark.
    ///
    /// # Errors
    /// [`Error`]; a repeat goes on where this stopped.
    pub async fn purge(&self, cx: &Context, uuid: &Uuid<K>) -> Result<(), Error> {
        self.remove_record(cx, uuid).await?;
        let unmark = WriteOp::new().then(WriteStep::OmapRemove(vec![mark(uuid)]));
        unless_gone(self.cluster.write(cx, &self.directory(), unmark).await)
    }

    /// What [`Journal::retire`] has marked, and [`Journal::purge`] not removed yet.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn retired(&self, cx: &Context) -> Result<Vec<Uuid<K>>, Error> {
        match self.cluster.read_omap(cx, &self.directory(), RETIRED).await {
            Ok(marks) => Ok(marks
                .keys()
                .filter_map(|mark| Uuid::at_end_of(mark))
                .collect()),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a reservation back that came to nothing: the record, then the directory key. Who repeats a
    /// creation knows the name only, so that has to lead to what an interruption leaves.
    ///
    /// # Errors
    /// [`Error`]; a repeat goes on where this stopped.
    pub async fn give_back(&self, cx: &Context, record: &K::Record) -> Result<(), Error> {
        self.remove_record(cx, K::uuid(record)).await?;
        self.release_name(cx, record).await
    }

    /// Removes the directory key only: the name leads nowhere then, and the record can still be found
    /// by its uuid.
    ///
    /// # Errors
    /// [`Error`]; a repeat goes on where this stopped.
    pub async fn release_name(&self, cx: &Context, record: &K::Record) -> Result<(), Error> {
        let uuid = K::uuid(record);
        match K::request_name(record) {
            Some(name) => {
                let value = uuid.as_str().as_bytes();
                self.drop_key(cx, name, uuid, value).await
            }
            None => self.drop_keys_to(cx, uuid).await,
        }
    }

    /// As [`Journal::release`], for a uuid that has no readable record to tell its name.
    ///
    /// # Errors
    /// [`Error`]; a repeat goes on where this stopped.
    pub async fn release_unrecorded(&self, cx: &Context, uuid: &Uuid<K>) -> Result<(), Error> {
        self.drop_keys_to(cx, uuid).await?;
        self.remove_record(cx, uuid).await
    }

    /// Removes the directory key of `request_name` if it leads to no record: an earlier call was cut short
    /// right after it, and this one can only refuse.
    ///
    /// # Errors
    /// [`Error`]; a repeat goes on where this stopped.
    pub async fn abandon(&self, cx: &Context, request_name: &str) -> Result<(), Error> {
        match self.entry(cx, request_name).await? {
            Some(entry) if self.lookup(cx, &entry.uuid).await?.is_none() => {
                let (uuid, raw) = (&entry.uuid, &entry.raw);
                self.drop_key(cx, request_name, uuid, raw).await
            }
            _ => Ok(()),
        }
    }

    /// As [`Journal::release`], for a directory entry that leads to no record.
    ///
    /// # Errors
    /// [`Error`]; a repeat goes on where this stopped.
    pub async fn release_entry(&self, cx: &Context, entry: &Entry<K>) -> Result<(), Error> {
        self.drop_key(cx, &entry.request_name, &entry.uuid, &entry.raw)
            .await?;
        self.remove_record(cx, &entry.uuid).await
    }

    pub(super) async fn remove_record(&self, cx: &Context, uuid: &Uuid<K>) -> Result<(), Error> {
        let remove = WriteOp::new().then(WriteStep::Remove);
        unless_gone(self.cluster.write(cx, &self.record(uuid), remove).await)
    }

    /// Removes all directory keys that lead to `uuid`.
    async fn drop_keys_to(&self, cx: &Context, uuid: &Uuid<K>) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let page = self.page(cx, &after, usize::MAX).await?;
            for entry in page.entries.iter().filter(|entry| entry.uuid == *uuid) {
                self.drop_key(cx, &entry.request_name, uuid, &entry.raw)
                    .await?;
            }
            match page.next {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    /// Removes the key of `name` if it still leads to `uuid`: the name may be somebody else's by now.
    /// `raw` is the value that it most likely has.
    async fn drop_key(
        &self,
        cx: &Context,
        name: &str,
        uuid: &Uuid<K>,
        raw: &[u8],
    ) -> Result<(), Error> {
        match self.drop_key_if(cx, name, raw).await {
            Err(error) if error.kind == ErrorKind::CompareFailed => {}
            other => return Ok(other?),
        }
        match self.entry(cx, name).await? {
            Some(entry) if entry.uuid == *uuid && entry.raw != raw => {
                Ok(self.drop_key_if(cx, name, &entry.raw).await?)
            }
            _ => Ok(()),
        }
    }

    async fn drop_key_if(&self, cx: &Context, name: &str, raw: &[u8]) -> ceph::Result<()> {
        let key = directory_key::<K>(name);
        let write = WriteOp::new()
            .then(WriteStep::OmapEquals {
                key: key.clone(),
                value: raw.to_owned(),
            })
            .then(WriteStep::OmapRemove(vec![key]));
        match self.cluster.write(cx, &self.directory(), write).await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }
}

fn mark<K: Kind>(uuid: &Uuid<K>) -> String {
    format!("{RETIRED}{uuid}")
}
