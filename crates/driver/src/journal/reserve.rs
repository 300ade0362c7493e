//! Reserving a name.

use std::collections::BTreeMap;

use ceph::{Context, ErrorKind, WriteOp, WriteStep};

use super::{Details, Error, Journal, NewRecord, Record, keys};
use crate::ids::VolumeUuid;

/// Lost races against others that reserve and release the same name, before we give up.
const ATTEMPTS: usize = 8;

/// Whether a reservation is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// Made by this call, or cut short by an earlier one: nothing else need exist yet.
    New(Record),
    /// The record was there: the volume may be complete, half made, or half gone.
    Found(Record),
}

impl Journal {
    /// Reserves `request_name` for a volume, or finds whom it is reserved for.
    ///
    /// # Errors
    /// [`Error`]; nothing is reserved twice whatever fails, and a repeat goes on where this stopped.
    pub async fn reserve(
        &self,
        cx: &Context,
        request_name: &str,
        new: &NewRecord,
    ) -> Result<Reservation, Error> {
        let uuid = self.claim(cx, request_name).await?;
        if let Claim::Existing(uuid) = &uuid
            && let Some(record) = self.lookup(cx, uuid).await?
        {
            return found(request_name, record);
        }
        let record = new.record(request_name, uuid.into_uuid());
        let write = WriteOp::new()
            .then(WriteStep::CreateExclusive)
            .then(WriteStep::OmapSet(record.to_omap()));
        match self
            .cluster
            .write(cx, &self.record(&record.uuid), write)
            .await
        {
            Ok(()) => Ok(Reservation::New(record)),
            // Somebody else wrote the record of this reservation first: theirs holds.
            Err(error) if error.kind == ErrorKind::AlreadyExists => {
                let existing = self.lookup(cx, &record.uuid).await?;
                existing.map_or_else(
                    || Err(Error::Contended(request_name.to_owned())),
                    |record| found(request_name, record),
                )
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the directory lead from the name to a uuid, and tells to which.
    async fn claim(&self, cx: &Context, request_name: &str) -> Result<Claim, Error> {
        let key = keys::directory_key(request_name);
        for _ in 0..ATTEMPTS {
            if let Some(entry) = self.entry(cx, request_name).await? {
                return Ok(Claim::Existing(entry.uuid));
            }
            let uuid = VolumeUuid::random();
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

    /// Replaces our notes about a volume.
    ///
    /// # Errors
    /// [`Error::Ceph`]; a record that is gone stays gone and is no error.
    pub async fn note(
        &self,
        cx: &Context,
        uuid: &VolumeUuid,
        details: &Details,
    ) -> Result<(), Error> {
        let value = BTreeMap::from([(keys::DETAILS.to_owned(), details.to_json())]);
        let write = WriteOp::new()
            .then(WriteStep::AssertExists)
            .then(WriteStep::OmapSet(value));
        match self.cluster.write(cx, &self.record(uuid), write).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Makes the notes of a record those of `new`, for a subvolume that is to be made under it.
    ///
    /// # Errors
    /// [`Error::Ceph`].
    pub async fn renew(
        &self,
        cx: &Context,
        record: Record,
        new: &NewRecord,
    ) -> Result<Record, Error> {
        let renewed = Record {
            details: Some(new.details.clone()),
            pending_metadata: new.pending_metadata.clone(),
            ..record.clone()
        };
        if renewed != record {
            let mut notes = renewed.to_omap();
            notes.retain(|key, _| keys::is_ours(key));
            let write = WriteOp::new()
                .then(WriteStep::AssertExists)
                .then(WriteStep::OmapSet(notes));
            self.cluster
                .write(cx, &self.record(&renewed.uuid), write)
                .await?;
        }
        Ok(renewed)
    }

    /// Notes that the subvolume has its metadata.
    ///
    /// # Errors
    /// [`Error::Ceph`]; a record that is gone is none.
    pub async fn metadata_done(&self, cx: &Context, uuid: &VolumeUuid) -> Result<(), Error> {
        let write = WriteOp::new().then(WriteStep::OmapRemove(vec![
            keys::PENDING_METADATA.to_owned(),
        ]));
        match self.cluster.write(cx, &self.record(uuid), write).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

enum Claim {
    Ours(VolumeUuid),
    Existing(VolumeUuid),
}

impl Claim {
    fn into_uuid(self) -> VolumeUuid {
        match self {
            Self::Ours(uuid) | Self::Existing(uuid) => uuid,
        }
    }
}

/// A record without a name is taken as ours: the directory led to it.
fn found(request_name: &str, record: Record) -> Result<Reservation, Error> {
    match &record.request_name {
        Some(stored) if stored != request_name => Err(Error::NameConflict {
            asked: request_name.to_owned(),
            stored: stored.clone(),
            uuid: record.uuid,
        }),
        _ => Ok(Reservation::Found(record)),
    }
}

impl NewRecord {
    fn record(&self, request_name: &str, uuid: VolumeUuid) -> Record {
        Record {
            subvolume: format!("{}{uuid}", self.name_prefix),
            uuid,
            request_name: Some(request_name.to_owned()),
            owner: self.owner.clone(),
            kms_id: None,
            backing_snapshot: None,
            details: Some(self.details.clone()),
            pending_metadata: self.pending_metadata.clone(),
        }
    }
}

impl Record {
    fn to_omap(&self) -> BTreeMap<String, Vec<u8>> {
        let text = |text: &String| text.as_bytes().to_vec();
        let pending = Some(&self.pending_metadata).filter(|pending| !pending.is_empty());
        let pairs = [
            (keys::REQUEST_NAME, self.request_name.as_ref().map(text)),
            (keys::SUBVOLUME, Some(text(&self.subvolume))),
            (keys::OWNER, self.owner.as_ref().map(text)),
            (keys::DETAILS, self.details.as_ref().map(Details::to_json)),
            (
                keys::PENDING_METADATA,
                pending.map(|map| serde_json::json!(map).to_string().into_bytes()),
            ),
        ];
        pairs
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }
}

impl Details {
    fn to_json(&self) -> Vec<u8> {
        serde_json::json!(self).to_string().into_bytes()
    }
}
