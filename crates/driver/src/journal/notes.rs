//! Notes of this driver in records that exist.

use std::collections::BTreeMap;

use ceph::{Context, WriteOp, WriteStep};

use super::fields::{self, PENDING_METADATA};
use super::snapshot::DELETED;
use super::{Error, Journal, Kind, Noted, unless_gone};
use crate::ids::{Snapshot, SnapshotUuid, Uuid};

impl<K: Noted> Journal<K> {
    /// Replaces our notes.
    ///
    /// # Errors
    /// [`Error::Ceph`]; a record that is gone stays gone and is no error.
    pub async fn note(
        &self,
        cx: &Context,
        uuid: &Uuid<K>,
        details: &K::Details,
    ) -> Result<(), Error> {
        let notes = BTreeMap::from([(K::DETAILS.to_owned(), fields::json(details))]);
        unless_gone(self.set(cx, uuid, notes).await)
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
            let mut notes = K::encode(&renewed);
            notes.retain(|key, _| fields::is_ours(key));
            self.set(cx, K::uuid(&renewed), notes).await?;
        }
        Ok(renewed)
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

impl Journal<Snapshot> {
    /// Notes that CSI has deleted the snapshot `uuid`, for good.
    ///
    /// # Errors
    /// [`Error::Ceph`]; a record that is gone is none.
    pub async fn note_deleted(&self, cx: &Context, uuid: &SnapshotUuid) -> Result<(), Error> {
        let note = BTreeMap::from([(DELETED.to_owned(), Vec::new())]);
        unless_gone(self.set(cx, uuid, note).await)
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

impl<K: Kind> Journal<K> {
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
