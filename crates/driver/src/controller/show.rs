//! The plan of a volume that shows a snapshot: hold the snapshot, look whether it is still there, and note
//! that the volume is complete. There is no subvolume; the reference is all there is of it.
//!
//! Holding comes before looking: see [`super::shallow`]. A snapshot that is not there any more is let go
//! again, and the name given back.

use std::time::SystemTime;

use ceph::{Context, ErrorKind};

use super::provision::{Provisioned, other_size};
use super::{shallow, snapshot};
use crate::backend::Session;
use crate::error::Error;
use crate::journal::{Details, NewRecord, Origin, Record};
use crate::request::CreateVolume;

/// What a volume that shows a snapshot is made with.
pub(super) struct Showing<'a> {
    pub(super) cx: &'a Context,
    pub(super) session: &'a Session,
    pub(super) request: &'a CreateVolume,
    pub(super) new: &'a NewRecord,
    pub(super) origin: &'a Origin,
    /// The id of the snapshot.
    pub(super) shown: &'a str,
}

impl Showing<'_> {
    /// Makes the volume of a reservation, or finds it.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`] if the snapshot is gone: then nothing is left of the volume.
    pub(super) async fn complete(&self, record: Record) -> Result<Provisioned, Error> {
        let record = if record.origin().is_some_and(|origin| origin.complete) {
            record
        } else {
            self.hold(record).await?
        };
        let size = record.details.as_ref().and_then(|details| details.size);
        match self.request.size {
            Some(range) if !range.admits(size) => Err(other_size(self.request, size)),
            _ => Ok(Provisioned {
                record,
                path: self.session.copied_subvolume(self.origin).directory(),
                quota: size,
            }),
        }
    }

    /// Whatever of this was done before changes nothing.
    async fn hold(&self, record: Record) -> Result<Record, Error> {
        let (cx, session, shown) = (self.cx, self.session, self.shown);
        let references = &session.references;
        // What ceph-csi has made says nowhere whether it is complete, and a snapshot that is deleted
        // since stays for it.
        let complete =
            record.details.is_none() && references.is_held_by(cx, shown, &record.subvolume).await?;
        references.add(cx, shown, &record.subvolume).await?;
        if let Some(why) = self.is_gone(complete).await? {
            return self.give_back(record, why).await;
        }
        let details = Details {
            origin: Some(Origin {
                complete: true,
                ..self.origin.clone()
            }),
            ..self.new.details.clone()
        };
        session.journal.note(cx, &record.uuid, &details).await?;
        Ok(Record {
            details: Some(details),
            ..record
        })
    }

    /// `None` if the snapshot is there, and cannot go any more without this volume, else how we know.
    async fn is_gone(&self, complete: bool) -> Result<Option<String>, Error> {
        let (cx, session) = (self.cx, self.session);
        let Some(record) = shallow::find(cx, session, self.shown).await? else {
            return Ok(Some("it is deleted".to_owned()));
        };
        if record.deleted && !complete {
            return Ok(Some("it is deleted, and kept for other volumes".to_owned()));
        }
        Ok(snapshot::gone(cx, session, &record).await?)
    }

    async fn give_back(&self, record: Record, why: String) -> Result<Record, Error> {
        let (cx, session, shown) = (self.cx, self.session, self.shown);
        // Somebody else may have been at the same volume, and have come before the deletion.
        let now = session.journal.lookup(cx, &record.uuid).await?;
        if let Some(now) = now
            && now.origin().is_some_and(|origin| origin.complete)
        {
            return Ok(now);
        }
        let users = [shown, &record.subvolume];
        match shallow::let_go(cx, session, shown, &users).await {
            // With this reference the snapshot would have gone, and copies are made of it.
            Err(Error::Ceph(error)) if error.kind == ErrorKind::PendingClones => {
                return Err(self.unfinished());
            }
            other => other?,
        }
        session.journal.give_back(cx, &record).await?;
        Err(Error::NoSnapshot {
            id: shown.to_owned(),
            why,
        })
    }

    fn unfinished(&self) -> Error {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Error::Unfinished {
            name: self.request.name.clone(),
            of: self.origin.of.clone(),
            state: "it is deleted, and volumes are made of it".to_owned(),
            age: now.saturating_sub(std::time::Duration::from_secs(self.origin.since)),
        }
    }
}
