//! Reserving a name.

use std::collections::BTreeMap;

use ceph::{Context, ErrorKind, WriteOp, WriteStep};

use super::{Entry, Error, Journal, Kind, directory_key};
use crate::ids::Uuid;

/// Lost races against others that reserve and release the same name, before we give up.
const ATTEMPTS: usize = 8;

/// Whether a reservation is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation<R> {
    /// Made by this call, or cut short by an earlier one: nothing else need exist yet.
    New(R),
    /// The record was there: what it stands for may be complete, half made, or half gone.
    Found(R),
}

impl<K: Kind> Journal<K> {
    /// Reserves `request_name`, or finds whom it is reserved for.
    ///
    /// # Errors
    /// [`Error`]; nothing is reserved twice whatever fails, and a repeat goes on where this stopped.
    pub async fn reserve(
        &self,
        cx: &Context,
        request_name: &str,
        new: &K::New,
    ) -> Result<Reservation<K::Record>, Error> {
        let entry = self.entry(cx, request_name).await?;
        self.reserve_after(cx, request_name, new, entry).await
    }

    /// As [`Journal::reserve`], for who has looked into the directory, where `entry` is what it had.
    ///
    /// # Errors
    /// As of [`Journal::reserve`].
    pub async fn reserve_after(
        &self,
        cx: &Context,
        request_name: &str,
        new: &K::New,
        entry: Option<Entry<K>>,
    ) -> Result<Reservation<K::Record>, Error> {
        let claim = self.claim(cx, request_name, entry).await?;
        if let Claim::Existing(uuid) = &claim
            && let Some(record) = self.lookup(cx, uuid).await?
        {
            return self.found(request_name, record);
        }
        let existing = matches!(claim, Claim::Existing(_));
        let uuid = claim.into_uuid();
        let record = K::reserved(new, request_name, uuid.clone());
        // An object without a name is one that ceph-csi had begun when it died: it is ours to fill.
        let write = WriteOp::new()
            .then(WriteStep::Create)
            .then(WriteStep::OmapEquals {
                key: K::REQUEST_NAME.to_owned(),
                value: Vec::new(),
            })
            .then(WriteStep::OmapSet(K::encode(&record)));
        match self.cluster.write(cx, &self.record(&uuid), write).await {
            // What the name led to went in the very moment between the two looks, and nothing leads to this record.
            Ok(()) if existing && !self.is_reserved(cx, request_name, &uuid).await? => {
                self.remove_record(cx, &uuid).await?;
                Err(Error::Contended(request_name.to_owned()))
            }
            Ok(()) => Ok(Reservation::New(record)),
            // Somebody else wrote the record of this reservation first: theirs holds.
            Err(error) if error.kind == ErrorKind::CompareFailed => {
                let existing = self.lookup(cx, &uuid).await?;
                existing.map_or_else(
                    || Err(Error::Contended(request_name.to_owned())),
                    |record| self.found(request_name, record),
                )
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the directory lead from the name to a uuid, and tells to which. `entry` is what it had so far.
    async fn claim(
        &self,
        cx: &Context,
        request_name: &str,
        entry: Option<Entry<K>>,
    ) -> Result<Claim<K>, Error> {
        let key = directory_key::<K>(request_name);
        let mut looked_up = Some(entry);
        for _ in 0..ATTEMPTS {
            let entry = match looked_up.take() {
                Some(entry) => entry,
                None => self.entry(cx, request_name).await?,
            };
            if let Some(entry) = entry {
                return Ok(Claim::Existing(entry.uuid));
            }
            let uuid = Uuid::random();
            let value = uuid.as_str().as_bytes().to_vec();
            let write = WriteOp::new()
                .then(WriteStep::Create)
                .then(WriteStep::OmapEquals {
                    key: key.clone(),
                    value: Vec::new(),
                })
                .then(WriteStep::OmapSet(BTreeMap::from([(key.clone(), value)])));
            match self.cluster.write(cx, &self.directory(), write).await {
                Ok(()) => return Ok(Claim::Ours(uuid)),
                Err(error) if error.kind == ErrorKind::CompareFailed => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended(request_name.to_owned()))
    }

    /// A record without a name is taken as ours: the directory led to it.
    fn found(
        &self,
        request_name: &str,
        record: K::Record,
    ) -> Result<Reservation<K::Record>, Error> {
        match K::request_name(&record) {
            Some(stored) if stored != request_name => Err(Error::NameConflict {
                noun: K::NOUN,
                asked: request_name.to_owned(),
                stored: stored.to_owned(),
                uuid: K::uuid(&record).to_string(),
                object: self.record(K::uuid(&record)).name,
            }),
            _ => Ok(Reservation::Found(record)),
        }
    }
}

enum Claim<K> {
    Ours(Uuid<K>),
    Existing(Uuid<K>),
}

impl<K> Claim<K> {
    fn into_uuid(self) -> Uuid<K> {
        match self {
            Self::Ours(uuid) | Self::Existing(uuid) => uuid,
        }
    }
}
