//! Reserving a name.

use std::collections::BTreeMap;

use ceph::{Context, ErrorKind, WriteOp, WriteStep};

use super::{Error, Journal, Kind, directory_key};
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
        let uuid = self.claim(cx, request_name).await?;
        if let Claim::Existing(uuid) = &uuid
            && let Some(record) = self.lookup(cx, uuid).await?
        {
            return self.found(request_name, record);
        }
        let uuid = uuid.into_uuid();
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

    /// Makes the directory lead from the name to a uuid, and tells to which.
    async fn claim(&self, cx: &Context, request_name: &str) -> Result<Claim<K>, Error> {
        let key = directory_key::<K>(request_name);
        for _ in 0..ATTEMPTS {
            if let Some(entry) = self.entry(cx, request_name).await? {
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
