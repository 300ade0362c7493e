//! The plan of a volume that shows a snapshot: hold the snapshot, look whether it is still there, and note
//! that the volume is complete. There is no subvolume; the reference is all there is of it.
//!
//! Holding comes before looking: see [`super::shallow`]. A snapshot that is not there any more is let go
//! again, and the name given back.
//!
//! Of two processes at one volume one may have looked before the snapshot's deletion, and the other after it. The
//! volume's record says which of them prevails: it is noted to be complete, or to be given up, and never both.

use std::time::{Duration, SystemTime};

use ceph::{Context, ErrorKind};

use super::provision::{Provisioned, other_size};
use super::{shallow, snapshot};
use crate::backend::Session;
use crate::error::Error;
use crate::ids::Volume;
use crate::journal::{self, NewRecord, Origin, Record, Source};
use crate::request::CreateVolume;

/// How we know that a snapshot is gone which is still there.
const KEPT: &str = "it is deleted, and kept for other volumes";

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
            self.hold(record).await.map_err(|error| match error {
                // Nothing is left of the volume.
                gone @ Error::NoSnapshot { .. } => gone,
                failed => Error::begun::<Volume>(&self.request.name, failed),
            })?
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
        let holds = references.add(cx, shown, &record.subvolume).await?;
        let gone = if holds {
            self.is_gone(complete).await?
        } else {
            Some(KEPT.to_owned())
        };
        if let Some(why) = gone {
            return self.give_up(record, why).await;
        }
        let new = &self.new.details;
        let details = record.completed(new, self.origin, new.size);
        if !session.journal.complete(cx, &record.uuid, &details).await? {
            return Err(self.lost(&record).await?);
        }
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
            return Ok(Some(KEPT.to_owned()));
        }
        Ok(snapshot::gone(cx, session, &record).await?)
    }

    /// Gives the volume up, unless somebody else who was at it has come before the deletion.
    async fn give_up(&self, record: Record, why: String) -> Result<Record, Error> {
        let (cx, session) = (self.cx, self.session);
        if let Some(complete) = session.journal.give_up(cx, &record.uuid).await? {
            return Ok(complete);
        }
        give_back(cx, session, &record).await?;
        Err(Error::NoSnapshot {
            id: self.shown.to_owned(),
            why,
        })
    }

    /// Somebody else has given the volume up, or deleted it: what we hold is nobody's.
    async fn lost(&self, record: &Record) -> Result<Error, Error> {
        let (cx, session, shown) = (self.cx, self.session, self.shown);
        if let Some(why) = self.is_gone(false).await? {
            give_back(cx, session, record).await?;
            let id = shown.to_owned();
            return Ok(Error::NoSnapshot { id, why });
        }
        shallow::let_go(cx, session, shown, &[&record.subvolume]).await?;
        Ok(journal::Error::Contended(self.request.name.clone()).into())
    }
}

/// Lets go of a snapshot that is gone, and gives the name back of the volume that was to show it and that was
/// given up.
///
/// # Errors
/// [`Error::Unfinished`] while copies are made of the snapshot, which goes with this volume; a repeat goes on
/// where this stopped.
pub(super) async fn give_back(
    cx: &Context,
    session: &Session,
    record: &Record,
) -> Result<(), Error> {
    if let Some(shown) = &record.backing_snapshot {
        let users = [&**shown, &record.subvolume];
        match shallow::let_go(cx, session, shown, &users).await {
            Err(Error::Ceph(error)) if error.kind == ErrorKind::PendingClones => {
                return Err(unfinished(record, shown));
            }
            other => other?,
        }
    }
    Ok(session.journal.give_back(cx, record).await?)
}

fn unfinished(record: &Record, shown: &str) -> Error {
    let since = record.origin().map_or(0, |origin| origin.since);
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(since);
    Error::Unfinished {
        name: record.request_name.clone().unwrap_or_default(),
        of: Source::Snapshot(shown.to_owned()),
        state: "it is deleted, and volumes are made of it".to_owned(),
        age: since.elapsed().unwrap_or_default(),
    }
}
