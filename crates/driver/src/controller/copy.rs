//! The plan of a volume that is a copy: snapshot its source, if that is a volume; clone; wait; raise the
//! quota; remove that snapshot; note that it is complete.
//!
//! The record says from the beginning what is copied, and until the end that the copy is not complete.
//! So whoever comes next, be it a repeat or the deletion, knows what there may be: the clone in any
//! state, and the snapshot, which has the new subvolume's name.

use std::time::{Duration, SystemTime};

use ceph::subvolume::Removal;
use ceph::{CloneState, CloneStatus, Context, ErrorKind, Snapshot, Subvolume};

use super::cloners::{Cloners, Wait, describe};
use super::provision::{Provisioned, other_size, refusal};
use super::snapshot;
use crate::backend::Session;
use crate::error::Error;
use crate::events::{Events, Reason};
use crate::ids::Volume;
use crate::journal::{self, Details, NewRecord, Origin, Record, Source};
use crate::request::CreateVolume;

/// A clone that fails this often in one request is given up.
const ATTEMPTS: u32 = 2;

/// A copy that takes longer is told of.
const SLOW: Duration = Duration::from_secs(30);

/// What a copy is made with.
pub(super) struct Copying<'a> {
    pub(super) cx: &'a Context,
    pub(super) session: &'a Session,
    pub(super) cloners: &'a Cloners,
    pub(super) events: &'a Events,
    pub(super) request: &'a CreateVolume,
    pub(super) new: &'a NewRecord,
    pub(super) origin: &'a Origin,
}

/// The subvolumes and snapshots of one copy.
struct Places {
    at: Subvolume,
    from: Snapshot,
    /// Whether `from` is made for this copy.
    temporary: bool,
}

impl Copying<'_> {
    /// Makes the copy, or goes on where an earlier call stopped, and waits until it is complete. `begun`
    /// tells whether there may be something of it.
    pub(super) async fn complete(&self, record: Record, begun: bool) -> Result<Provisioned, Error> {
        let places = Places {
            at: self.session.subvolume(&record),
            from: self.session.copied(&record, self.origin),
            temporary: self.origin.snapshot.is_none(),
        };
        let (cx, name) = (self.cx, &self.request.name);
        let mut wait = self.cloners.wait(cx, self.session, name, self.origin);
        match self.cloned(&mut wait, &record, &places, begun).await {
            Ok(()) => {
                wait.leave();
                self.finish(&mut wait, record, &places).await
            }
            Err(error) => Err(error),
        }
    }

    /// Clones, and waits.
    async fn cloned(
        &self,
        wait: &mut Wait<'_>,
        record: &Record,
        places: &Places,
        mut begun: bool,
    ) -> Result<(), Error> {
        let at = &places.at;
        let mut failures = 0;
        loop {
            if !begun {
                self.begin(wait, record, places).await?;
                begun = true;
                wait.pause(|| "the clone has begun".to_owned()).await?;
            }
            let status = match wait.look(self.session, at).await {
                Ok(status) => status,
                Err(error) if error.is_not_found() => {
                    self.check_reserved(record).await?;
                    begun = false;
                    continue;
                }
                Err(error) if error.kind == ErrorKind::NotAClone => return Err(self.no_copy()),
                Err(error) => return Err(self.begun(error)),
            };
            match &status.state {
                CloneState::Complete => return Ok(()),
                CloneState::Pending | CloneState::InProgress => {
                    self.tell_if_slow(&status);
                    wait.pause(|| describe(&status)).await?;
                }
                CloneState::Failed { .. } | CloneState::Canceled => {
                    failures += 1;
                    tracing::warn!("subvolume `{}`: {:?}", at.name, status.state);
                    if failures == ATTEMPTS {
                        self.give_back(wait, record, places).await?;
                        return Err(self.failed(status.state));
                    }
                    let subvolumes = &self.session.subvolumes;
                    match subvolumes.remove(self.cx, at, Removal::Force).await {
                        // Somebody else has begun it anew.
                        Err(error) if error.kind == ErrorKind::NotReady => {}
                        removed => removed.map_err(|error| self.begun(error))?,
                    }
                }
            }
        }
    }

    /// Tells the user how far a copy is that takes long: the next answer to a request can take minutes.
    fn tell_if_slow(&self, status: &CloneStatus) {
        if let Some(about) = self.request.parameters.claim()
            && let Some(message) = slow(self.origin, status, SystemTime::now())
        {
            self.events.tell(about, Reason::SlowClone, message);
        }
    }

    /// Begins the clone. One that is there already is no error.
    async fn begin(
        &self,
        wait: &mut Wait<'_>,
        record: &Record,
        places: &Places,
    ) -> Result<(), Error> {
        let prepared = self.prepare(places).await;
        let begun = match prepared {
            Ok(()) => {
                let pool = self.new.details.pool.as_deref();
                let (from, at) = (&places.from, &places.at);
                wait.begin(self.session, from, at, pool).await?
            }
            Err(error) => Err(error),
        };
        match begun {
            Ok(()) => Ok(()),
            Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(()),
            Err(error) if goes_on(&error) => Err(self.begun(error)),
            Err(error) => {
                self.give_back(wait, record, places).await?;
                Err(self.refusal(error, places).await)
            }
        }
    }

    /// Sees to it that there is a snapshot to clone.
    async fn prepare(&self, places: &Places) -> ceph::Result<()> {
        if !places.temporary {
            return Ok(());
        }
        let (cx, from, snapshots) = (self.cx, &places.from, &self.session.snapshots);
        match snapshots.create(cx, from).await {
            // It may be there nevertheless: at the limit Ceph refuses one that exists too, and a
            // source that is deleted meanwhile lives on in it.
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::TooManySnapshots | ErrorKind::NotFound
                ) =>
            {
                snapshots.info(cx, from).await.map(drop).map_err(|_| error)
            }
            other => other,
        }
    }

    /// What is left to do once the clone is complete; all of it may be done again.
    async fn finish(
        &self,
        wait: &mut Wait<'_>,
        record: Record,
        places: &Places,
    ) -> Result<Provisioned, Error> {
        let (cx, subvolumes) = (self.cx, &self.session.subvolumes);
        let info = subvolumes.existing(cx, &places.at).await;
        let info = info.map_err(|error| self.begun(error))?;
        let mut quota = info.quota;
        if let Some(range) = self.request.size {
            let wanted = range.quota();
            if quota.is_none_or(|quota| quota < wanted) {
                let resized = subvolumes.resize(cx, &places.at, wanted).await;
                resized.map_err(|error| self.begun(error))?;
                quota = Some(wanted);
            } else if !range.admits(quota) {
                return Err(other_size(self.request, quota));
            }
        }
        if places.temporary {
            let removed = remove_snapshot(self.session, wait, cx, &places.from).await;
            removed.map_err(|error| self.begun(error))?;
        }
        let details = record.completed(&self.new.details, self.origin, quota);
        let noted = self.note(&record, &places.at, &details).await;
        noted.map_err(|error| self.begun(error))?;
        let record = Record {
            details: Some(details),
            ..record
        };
        let path = info.path;
        Ok(Provisioned {
            record,
            path,
            quota,
        })
    }

    /// Where there is nothing of the copy any more somebody else who was at it may have finished it, and the volume
    /// may be deleted since: then nobody waits for another.
    async fn check_reserved(&self, record: &Record) -> Result<(), Error> {
        let (name, uuid) = (&self.request.name, &record.uuid);
        let is_reserved = self.session.journal.is_reserved(self.cx, name, uuid).await;
        if is_reserved.map_err(|error| self.begun(error))? {
            return Ok(());
        }
        Err(journal::Error::Contended(name.clone()).into())
    }

    /// Notes that the copy is complete, or removes it, where the volume was deleted since this call looked.
    async fn note(&self, record: &Record, at: &Subvolume, details: &Details) -> Result<(), Error> {
        let (cx, session, name) = (self.cx, self.session, &self.request.name);
        let journal = &session.journal;
        let noted = journal.note(cx, &record.uuid, details).await?;
        // The record of a deleted volume goes some time after its name.
        let is_ours = journal.leads_to(cx, name, &record.uuid).await?;
        if noted && is_ours {
            return Ok(());
        }
        if !is_ours {
            erase(cx, session, at).await?;
            // Its record may be one that this call has written too late.
            journal.give_back(cx, record).await?;
        }
        Err(journal::Error::Contended(name.clone()).into())
    }

    /// After a failure that the sidecar takes as final nobody else will clean up.
    ///
    /// # Errors
    /// [`Error::Begun`]: that failure must not be answered.
    async fn give_back(
        &self,
        wait: &mut Wait<'_>,
        record: &Record,
        places: &Places,
    ) -> Result<(), Error> {
        let (cx, session) = (self.cx, self.session);
        let undo = async {
            erase(cx, session, &places.at).await?;
            if places.temporary {
                remove_snapshot(session, wait, cx, &places.from).await?;
            }
            Ok::<_, Error>(session.journal.give_back(cx, record).await?)
        };
        undo.await.map_err(|error| self.begun(error))
    }

    /// What is answered while there may be something of the copy.
    fn begun(&self, error: impl Into<Error>) -> Error {
        Error::begun::<Volume>(&self.request.name, error)
    }

    async fn refusal(&self, error: ceph::Error, places: &Places) -> Error {
        let why = error.to_string();
        match (error.kind, &self.origin.of) {
            (ErrorKind::SnapshotNotFound | ErrorKind::NotFound, Source::Snapshot(id)) => {
                let id = id.clone();
                Error::NoSnapshot { id, why }
            }
            (ErrorKind::SnapshotNotFound | ErrorKind::NotFound, Source::Volume(id)) => {
                let id = id.clone();
                Error::NoVolume { id, why }
            }
            (ErrorKind::TooManySnapshots, Source::Volume(id)) => {
                let listed = self.session.snapshots.list(self.cx, &places.from.of).await;
                Error::SnapshotLimit {
                    volume: id.clone(),
                    count: listed.map_or(0, |names| names.len()),
                    source: error,
                }
            }
            _ => refusal(error, &places.at, self.new),
        }
    }

    fn failed(&self, state: CloneState) -> Error {
        let (errno, text) = match state {
            CloneState::Failed { errno, text } => (errno, text),
            _ => (None, "it was canceled".to_owned()),
        };
        Error::CopyFailed {
            name: self.request.name.clone(),
            of: self.origin.of.clone(),
            errno,
            text,
        }
    }

    fn no_copy(&self) -> Error {
        Error::Incompatible {
            name: self.request.name.clone(),
            why: format!("is no copy of {}", self.origin.of),
        }
    }
}

/// Whether the effect of a failed call is unknown, or it may succeed as soon as others are done.
fn goes_on(error: &ceph::Error) -> bool {
    error.has_unknown_effect() || matches!(error.kind, ErrorKind::ClonersBusy | ErrorKind::NotReady)
}

/// Removes what there is of a clone that is not complete, cancelling it if it goes on.
pub(super) async fn erase(cx: &Context, session: &Session, at: &Subvolume) -> ceph::Result<()> {
    remove_forced(cx, session, at).await?;
    // That is no error either where nothing was.
    session.confirm(cx).await
}

async fn remove_forced(cx: &Context, session: &Session, at: &Subvolume) -> ceph::Result<()> {
    let removed = session.subvolumes.remove(cx, at, Removal::Force).await;
    match removed {
        Err(error) if error.kind == ErrorKind::NotReady => {}
        other => return other,
    }
    match session.clones.cancel(cx, at).await {
        // Finished, or removed by somebody else, in this very moment.
        Err(error) if !matches!(error.kind, ErrorKind::CloneFinished | ErrorKind::NotFound) => {
            return Err(error);
        }
        _ => {}
    }
    session.subvolumes.remove(cx, at, Removal::Force).await
}

/// Removes the snapshot that was made for a copy. It is free a moment after the clone is complete.
async fn remove_snapshot(
    session: &Session,
    wait: &mut Wait<'_>,
    cx: &Context,
    at: &Snapshot,
) -> Result<(), Error> {
    loop {
        match snapshot::remove(cx, session, at).await {
            Err(error) if error.kind == ErrorKind::PendingClones => {
                let state = || "the clone is complete and lets go of its source".to_owned();
                wait.pause(state).await?;
            }
            removed => return Ok(removed?),
        }
    }
}

/// Removes what there may be of an unfinished copy, for its deletion.
pub(super) async fn delete(
    cx: &Context,
    session: &Session,
    cloners: &Cloners,
    record: &Record,
    origin: &Origin,
) -> Result<(), Error> {
    erase(cx, session, &session.subvolume(record)).await?;
    if origin.snapshot.is_none() {
        let name = record.request_name.as_deref().unwrap_or_default();
        let mut wait = cloners.wait(cx, session, name, origin);
        wait.leave();
        remove_snapshot(session, &mut wait, cx, &session.copied(record, origin)).await?;
    }
    Ok(())
}

/// What there is to say of a copy that takes long.
fn slow(origin: &Origin, status: &CloneStatus, now: SystemTime) -> Option<String> {
    let since = SystemTime::UNIX_EPOCH + Duration::from_secs(origin.since);
    let age = now.duration_since(since).unwrap_or_default();
    let (of, state, seconds) = (&origin.of, describe(status), age.as_secs());
    let text = || format!("the copy of {of} has been in the making for {seconds} s: {state}");
    (age >= SLOW).then(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_slow_after_half_a_minute() {
        let origin = Origin {
            of: Source::Volume("0001-vol".to_owned()),
            subvolume: "csi-vol-1".to_owned(),
            group: "csi".to_owned(),
            snapshot: None,
            since: 1000,
            complete: false,
        };
        let status = CloneStatus {
            state: CloneState::InProgress,
            source: None,
            progress: Some("12%".to_owned()),
        };
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(slow(&origin, &status, at(990)), None);
        assert_eq!(slow(&origin, &status, at(1029)), None);
        let text = slow(&origin, &status, at(1031)).unwrap();
        assert!(
            text.ends_with("for 31 s: the clone is in progress (12%)"),
            "{text}"
        );
    }
}
