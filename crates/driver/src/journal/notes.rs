//! Notes of this driver in records that exist.

use std::collections::BTreeMap;

use ceph::{Context, ErrorKind, WriteOp, WriteStep};

use super::fields::{self, KMS, PENDING_METADATA};
use super::snapshot::{DELETED, DELETED_VALUE};
use super::volume::{GIVEN_UP, GIVEN_UP_VALUE};
use super::{Details, Error, Journal, Kind, Noted, Record, unless_gone};
use crate::ids::{Snapshot, SnapshotUuid, Uuid, Volume, VolumeUuid};

/// What came of a note that goes by what is noted already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotedOver {
    /// It is noted.
    Yes,
    /// Something else is noted by now.
    Changed,
    /// The record is gone.
    Gone,
}

impl<K: Noted> Journal<K> {
    /// Replaces our notes. `false` if the record is gone, and stays so.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn note(
        &self,
        cx: &Context,
        uuid: &Uuid<K>,
        details: &K::Details,
    ) -> Result<bool, Error> {
        let notes = BTreeMap::from([(K::DETAILS.to_owned(), fields::json(details))]);
        match self.set(cx, uuid, notes).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Journal::note`], but only if our notes are still `known`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn note_over(
        &self,
        cx: &Context,
        uuid: &Uuid<K>,
        known: Option<&K::Details>,
        details: &K::Details,
    ) -> Result<NotedOver, Error> {
        let notes = BTreeMap::from([(K::DETAILS.to_owned(), fields::json(details))]);
        self.set_over(cx, uuid, known, notes).await
    }

    /// Makes the notes of a record those of `new`, for what is to be made under it.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn renew(
        &self,
        cx: &Context,
        record: K::Record,
        new: &K::New,
    ) -> Result<K::Record, Error> {
        let renewed = K::renewed(record.clone(), new);
        if renewed != record {
            self.set(cx, K::uuid(&renewed), ours::<K>(&renewed)).await?;
        }
        Ok(renewed)
    }

    /// As [`Journal::renew`], but only if the notes are still those of `record`.
    ///
    /// # Errors
    /// [`Error::Contended`] if they are not, or the record is gone; and others.
    pub async fn renew_over(
        &self,
        cx: &Context,
        record: K::Record,
        new: &K::New,
    ) -> Result<K::Record, Error> {
        let renewed = K::renewed(record.clone(), new);
        if renewed == record {
            return Ok(renewed);
        }
        let (uuid, known) = (K::uuid(&record), K::details(&record));
        match self.set_over(cx, uuid, known, ours::<K>(&renewed)).await? {
            NotedOver::Yes => Ok(renewed),
            NotedOver::Changed | NotedOver::Gone => {
                let name = K::request_name(&record).unwrap_or_default();
                Err(Error::Contended(name.to_owned()))
            }
        }
    }

    /// Notes that all metadata is set.
    ///
    /// # Errors
    /// [`Error::Ceph`]; a record that is gone is none.
    pub async fn metadata_done(&self, cx: &Context, uuid: &Uuid<K>) -> Result<(), Error> {
        let done = WriteStep::OmapRemove(vec![PENDING_METADATA.to_owned()]);
        let write = WriteOp::new().then(done);
        unless_gone(self.cluster.write(cx, &self.record(uuid), write).await)
    }
}

impl Journal<Volume> {
    /// Notes that the volume `uuid` is complete, unless it was given up or is gone. Whether it is.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn complete(
        &self,
        cx: &Context,
        uuid: &VolumeUuid,
        details: &Details,
    ) -> Result<bool, Error> {
        let notes = BTreeMap::from([(Volume::DETAILS.to_owned(), fields::json(details))]);
        let write = WriteOp::new()
            .then(WriteStep::AssertExists)
            .then(WriteStep::OmapEquals {
                key: GIVEN_UP.to_owned(),
                value: Vec::new(),
            })
            .then(WriteStep::OmapSet(notes));
        match self.cluster.write(cx, &self.record(uuid), write).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_not_found() || error.kind == ErrorKind::CompareFailed => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Notes that the volume `uuid` will never be complete, unless it is: then its record.
    ///
    /// # Errors
    /// [`Error`]; a record that is gone is none.
    pub async fn give_up(&self, cx: &Context, uuid: &VolumeUuid) -> Result<Option<Record>, Error> {
        let object = self.record(uuid);
        while let Some((record, version)) = self.versioned(cx, uuid).await? {
            if let Some(record) = record
                && record.origin().is_some_and(|origin| origin.complete)
            {
                return Ok(Some(record));
            }
            let note = BTreeMap::from([(GIVEN_UP.to_owned(), GIVEN_UP_VALUE.to_vec())]);
            let write = WriteOp::new()
                .then(WriteStep::AssertVersion(version))
                .then(WriteStep::OmapSet(note));
            match self.cluster.write(cx, &object, write).await {
                // Somebody else has written meanwhile, which nobody does twice.
                Err(error) if error.kind == ErrorKind::VersionChanged => {}
                Err(error) if error.is_not_found() => return Ok(None),
                other => return other.map(|()| None).map_err(Error::from),
            }
        }
        Ok(None)
    }
}

impl Journal<Snapshot> {
    /// Notes that CSI has deleted the snapshot `uuid`, for good.
    ///
    /// # Errors
    /// [`Error::Ceph`]; a record that is gone is none.
    pub async fn note_deleted(&self, cx: &Context, uuid: &SnapshotUuid) -> Result<(), Error> {
        unless_gone(self.set(cx, uuid, deleted()).await)
    }

    /// As [`Self::note_deleted`], for who has not read the record: one that is encrypted stays as it is. Whether it is
    /// noted by this call, and was not before.
    ///
    /// # Errors
    /// [`Error::Ceph`]; a record that is gone is none.
    pub async fn note_deleted_unread(
        &self,
        cx: &Context,
        uuid: &SnapshotUuid,
    ) -> Result<bool, Error> {
        let [is_plain, is_kept] = [KMS, DELETED].map(|key| WriteStep::OmapEquals {
            key: key.to_owned(),
            value: Vec::new(),
        });
        let known = WriteOp::new().then(WriteStep::AssertExists);
        let known = known.then(is_plain).then(is_kept);
        let noted = self.set_if(cx, uuid, known, deleted()).await?;
        Ok(noted == NotedOver::Yes)
    }

    /// Takes [`Self::note_deleted`] back: Ceph has refused the deletion, and nobody holds the snapshot.
    ///
    /// # Errors
    /// [`Error::Ceph`]; a record that is gone is none.
    pub async fn note_kept(&self, cx: &Context, uuid: &SnapshotUuid) -> Result<(), Error> {
        let write = WriteOp::new()
            .then(WriteStep::AssertExists)
            .then(WriteStep::OmapRemove(vec![DELETED.to_owned()]));
        unless_gone(self.cluster.write(cx, &self.record(uuid), write).await)
    }
}

impl<K: Noted> Journal<K> {
    /// Sets keys of a record whose notes are `known`.
    async fn set_over(
        &self,
        cx: &Context,
        uuid: &Uuid<K>,
        known: Option<&K::Details>,
        notes: BTreeMap<String, Vec<u8>>,
    ) -> Result<NotedOver, Error> {
        let same = WriteOp::new()
            .then(WriteStep::AssertExists)
            .then(WriteStep::OmapEquals {
                key: K::DETAILS.to_owned(),
                value: known.map(fields::json).unwrap_or_default(),
            });
        match self.set_if(cx, uuid, same, notes.clone()).await? {
            NotedOver::Changed => {}
            outcome => return Ok(outcome),
        }
        let version = match self.versioned(cx, uuid).await? {
            None => return Ok(NotedOver::Gone),
            // Another release spells the same in other bytes.
            Some((Some(record), version)) if K::details(&record) == known => version,
            Some(_) => return Ok(NotedOver::Changed),
        };
        let same = WriteOp::new().then(WriteStep::AssertVersion(version));
        let outcome = self.set_if(cx, uuid, same, notes).await;
        outcome.map_err(Error::from)
    }
}

/// The note that a snapshot is deleted.
fn deleted() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([(DELETED.to_owned(), DELETED_VALUE.to_vec())])
}

/// The keys of a record that are ours alone.
fn ours<K: Kind>(record: &K::Record) -> BTreeMap<String, Vec<u8>> {
    let mut notes = K::encode(record);
    notes.retain(|key, _| fields::is_ours(key));
    notes
}

impl<K: Kind> Journal<K> {
    /// Sets keys of a record if what `condition` asserts of it holds.
    async fn set_if(
        &self,
        cx: &Context,
        uuid: &Uuid<K>,
        condition: WriteOp,
        notes: BTreeMap<String, Vec<u8>>,
    ) -> ceph::Result<NotedOver> {
        let write = condition.then(WriteStep::OmapSet(notes));
        match self.cluster.write(cx, &self.record(uuid), write).await {
            Ok(()) => Ok(NotedOver::Yes),
            Err(error) if error.is_not_found() => Ok(NotedOver::Gone),
            Err(error) => match error.kind {
                ErrorKind::CompareFailed | ErrorKind::VersionChanged => Ok(NotedOver::Changed),
                _ => Err(error),
            },
        }
    }

    /// Sets keys of a record that exists.
    async fn set(
        &self,
        cx: &Context,
        uuid: &Uuid<K>,
        notes: BTreeMap<String, Vec<u8>>,
    ) -> ceph::Result<()> {
        let write = WriteOp::new()
            .then(WriteStep::AssertExists)
            .then(WriteStep::OmapSet(notes));
        self.cluster.write(cx, &self.record(uuid), write).await
    }
}
