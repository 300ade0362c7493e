//! CreateSnapshot: a name becomes a snapshot, exactly one, whatever fails and however often it is asked.
//!
//! | code | when | what the sidecar does |
//! |---|---|---|
//! | INVALID_ARGUMENT | a field, parameter or secret is wrong; the volume shows a snapshot itself | final |
//! | NOT_FOUND | no such volume | final |
//! | ALREADY_EXISTS | the name has a snapshot of another volume | final |
//! | RESOURCE_EXHAUSTED | the volume has as many snapshots as Ceph allows | asks again |
//! | FAILED_PRECONDITION | config.json lacks the cluster of the volume | final; asks again with back-off |
//! | ABORTED, DEADLINE_EXCEEDED, UNAVAILABLE | may still be going on | asks again with the same name |
//!
//! As for volumes, a call that could not take the snapshot gives the name back before a final answer, and
//! answers ABORTED where that could not be done.
//!
//! Snapshots of one volume are taken beside each other; while one is, the volume is neither expanded
//! nor deleted.
//!
//! How large the volume was is noted before the snapshot is taken, as that changes. When it was taken Ceph is asked,
//! or has told of another not long before: see [`super::snapshot_clock`].

use std::time::{Duration, SystemTime};

use ceph::subvolume::Info;
use ceph::{Context, ErrorKind, Subvolume};
use csi_proto::v1::{CreateSnapshotRequest, CreateSnapshotResponse};
use futures::TryFutureExt as _;
use futures::future::OptionFuture;

use super::snapshot_clock::{Moment, SnapshotClocks};
use super::{Controller, delete_snapshot, is_undone, open, snapshot};
use crate::backend::Session;
use crate::error::Error;
use crate::ids::{Snapshot, SnapshotId, SnapshotUuid, VolumeUuid};
use crate::journal::{Entry, NewSnapshot, Record, Reservation, SnapshotRecord, Taken};
use crate::operations::{Held, Key};
use crate::request::CreateSnapshot;

/// Of a snapshot that took longer Ceph is asked when it was taken, and it begins no series.
const PROMPT: Duration = Duration::from_millis(250);

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    request: &CreateSnapshotRequest,
) -> Result<CreateSnapshotResponse, Error> {
    let request = CreateSnapshot::parse(request)?;
    let source = &request.source;
    let _source = held.share(Key::Volume(source.clone()))?;
    let (session, id) = controller
        .open_volume(cx, source, &request.credentials)
        .await?;
    // Neither needs the other.
    let entry = session.snapshot_journal.entry(cx, &request.name);
    let entry = entry.map_err(|error| session.explain(error.into()));
    let (parent, entry) = futures::try_join!(open::record(cx, &session, &id), entry)?;
    check_source("source_volume_id", source, &parent)?;
    let _foreground = controller.trail.foreground(&session);
    let new = NewSnapshot {
        name_prefix: request.name_prefix.clone(),
        pending_metadata: controller.settings.metadata(&request.metadata),
        ..snapshot::new(&session, &parent)
    };
    let taken = take(controller, cx, &session, &request, &new, entry).await;
    let (record, taken) = taken.map_err(|error| session.explain(error))?;
    controller.snapshot_clocks.tell(&session, taken);
    controller.trail.push_snapshot(&session, &record);
    let answer = snapshot::message(&session, &record, taken)?;
    Ok(CreateSnapshotResponse {
        snapshot: Some(answer),
    })
}

/// Refuses volumes of which there can be no snapshot; `field` of the request names `id`.
pub(super) fn check_source(field: &str, id: &str, parent: &Record) -> Result<(), Error> {
    if let Some(snapshot) = &parent.backing_snapshot {
        let why = format!(
            "the volume `{id}` only shows the snapshot `{snapshot}` and never changes; use that snapshot"
        );
        return Err(crate::request::Error::invalid(field, why).into());
    }
    super::check_served(parent)
}

/// Takes the snapshot, or finds it. `entry` is what the directory had.
async fn take(
    controller: &Controller,
    cx: &Context,
    session: &Session,
    request: &CreateSnapshot,
    new: &NewSnapshot,
    entry: Option<Entry<Snapshot>>,
) -> Result<(SnapshotRecord, Taken), Error> {
    let journal = &session.snapshot_journal;
    // Of a snapshot that is there already the volume's size is noted, so the manager is not asked.
    let is_new = entry.is_none();
    let asked = Moment::now();
    let of = Subvolume {
        fs: session.filesystem.name.clone(),
        group: new.details.group.clone(),
        name: new.source.clone(),
    };
    let look = OptionFuture::from(is_new.then(|| session.subvolumes.existing(cx, &of)));
    let reserve = reserve(cx, session, request, new, entry);
    let (reserved, volume) = tokio::join!(reserve, look);
    let begun = |error: Error| Error::begun::<Snapshot>(&request.name, error);
    let mut asked = is_new.then_some(asked);
    let record = match reserved? {
        Reservation::New(record) => record,
        Reservation::Found(record) => {
            // Not by their names: where the volume's record is gone, its name is guessed.
            if record.source_uuid() != VolumeUuid::at_end_of(&request.source) {
                return Err(Error::OtherSource {
                    name: request.name.clone(),
                    source_name: record.source,
                    asked: new.source.clone(),
                });
            }
            match snapshot::taken(cx, session, &record).await {
                Ok(taken) => {
                    let noted = snapshot::note(cx, session, &record, taken).await;
                    return Ok((record, noted.map_err(begun)?));
                }
                // Cut short before the snapshot, or deleted half way: it is as good as new.
                Err(error) if error.kind == ErrorKind::SnapshotNotFound => {
                    controller.trail.forget(&record.uuid);
                    asked = None;
                    let renewed = journal.renew_over(cx, record, new).await;
                    renewed.map_err(|error| begun(error.into()))?
                }
                Err(error) if error.is_not_found() => {
                    session
                        .confirm(cx)
                        .await
                        .map_err(|error| begun(error.into()))?;
                    let given_back = journal.give_back(cx, &record).await;
                    given_back.map_err(|error| begun(error.into()))?;
                    return Err(no_volume(cx, session, &request.source, &error).await);
                }
                // An earlier call may have taken it.
                Err(error) => return Err(begun(error.into())),
            }
        }
    };
    let clock = Clock {
        clocks: &controller.snapshot_clocks,
        asked,
    };
    make(cx, session, request, record, volume, clock).await
}

/// Reserves the name, or finds whom it is reserved for. `entry` is what the directory had.
async fn reserve(
    cx: &Context,
    session: &Session,
    request: &CreateSnapshot,
    new: &NewSnapshot,
    entry: Option<Entry<Snapshot>>,
) -> Result<Reservation<SnapshotRecord>, Error> {
    let journal = &session.snapshot_journal;
    let reserved = journal.reserve_after(cx, &request.name, new, entry).await?;
    match &reserved {
        Reservation::Found(record) if record.deleted => {
            // The name is asked for again before the deletion was repeated that had been cut short.
            let (cluster, fs) = (&session.cluster.cluster_id, session.filesystem.id);
            let id = SnapshotId::new(cluster, fs, record.uuid.clone())?;
            delete_snapshot::finish(cx, session, &id, record).await?;
            Ok(journal.reserve(cx, &request.name, new).await?)
        }
        _ => Ok(reserved),
    }
}

/// By which it is told when a snapshot was taken.
struct Clock<'a> {
    clocks: &'a SnapshotClocks,
    /// When it was first asked for, if nobody can have taken it before.
    asked: Option<Moment>,
}

impl Clock<'_> {
    /// When the snapshot `at` was taken, which is there by now.
    async fn taken(
        &self,
        cx: &Context,
        session: &Session,
        at: &ceph::Snapshot,
    ) -> ceph::Result<SystemTime> {
        let prompt = self.asked.filter(|asked| asked.elapsed() < PROMPT);
        if let Some(taken) = prompt.and_then(|asked| self.clocks.taken(session, asked)) {
            return Ok(taken);
        }
        let there = Moment::now();
        let taken = session.snapshots.info(cx, at).await?.created_at;
        if prompt.is_some() {
            self.clocks.learn(session, there, taken);
        }
        Ok(taken)
    }
}

/// Takes the snapshot of a reservation, or gives the reservation back. `volume` is what Ceph told of the
/// volume, if it has been asked.
async fn make(
    cx: &Context,
    session: &Session,
    request: &CreateSnapshot,
    mut record: SnapshotRecord,
    volume: Option<ceph::Result<Info>>,
    clock: Clock<'_>,
) -> Result<(SnapshotRecord, Taken), Error> {
    let at = session.snapshot(&record);
    let volume = match volume {
        Some(told) => told,
        None => session.subvolumes.existing(cx, &at.of).await,
    };
    let left = |error: Error| Error::begun::<Snapshot>(&request.name, error);
    let created = match &volume {
        Ok(volume) => {
            let noted = snapshot::note_size(cx, session, record, volume.quota).await;
            record = noted.map_err(left)?;
            session.snapshots.create(cx, &at).await
        }
        Err(error) => Err(error.clone()),
    };
    let begun = !matches!(&created, Err(error) if is_refusal(error));
    let made = async {
        let taken = match created {
            // At its limit Ceph refuses also what exists, made by another process just now.
            Err(full) if full.kind == ErrorKind::TooManySnapshots => {
                let info = session.snapshots.info(cx, &at).await;
                info.map_err(|_| full)?.created_at
            }
            created => {
                created?;
                clock.taken(cx, session, &at).await?
            }
        };
        Ok(Taken::new(taken, volume?.quota))
    };
    match made.await {
        Ok(taken) => {
            let noted = snapshot::note(cx, session, &record, taken).await;
            Ok((record, noted.map_err(left)?))
        }
        Err(error) => {
            let is_undone = give_back(cx, session, &record, begun, &error).await;
            let refused = refusal(cx, session, &request.source, &at.of, error).await;
            Err(if is_undone { refused } else { left(refused) })
        }
    }
}

/// Removes what may have been made, if it has `begun`, and gives the name back, after a failure that the sidecar
/// takes as final and nobody else will clean up after. `false` where the effect is unknown, or cannot be undone: the
/// reservation stays for the repeat.
async fn give_back(
    cx: &Context,
    session: &Session,
    record: &SnapshotRecord,
    begun: bool,
    error: &ceph::Error,
) -> bool {
    if begun && error.has_unknown_effect() {
        return false;
    }
    let undo = async {
        if begun {
            snapshot::remove(cx, session, &session.snapshot(record)).await?;
        }
        session.snapshot_journal.give_back(cx, record).await?;
        Ok::<_, Error>(())
    };
    is_undone(error, &undo.await)
}

/// Whether Ceph did not even begin.
fn is_refusal(error: &ceph::Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::NotFound
            | ErrorKind::GroupNotFound
            | ErrorKind::NotReady
            | ErrorKind::PermissionDenied
            | ErrorKind::TooManySnapshots
            | ErrorKind::Unsupported
    )
}

/// What a refused snapshot of the volume `id` means for the one who asked for it.
pub(super) async fn refusal(
    cx: &Context,
    session: &Session,
    id: &str,
    of: &ceph::Subvolume,
    error: ceph::Error,
) -> Error {
    if error.kind == ErrorKind::TooManySnapshots {
        return match session.snapshots.list(cx, of).await {
            Ok(snapshots) => Error::SnapshotLimit {
                volume: id.to_owned(),
                count: snapshots.len(),
                source: error,
            },
            Err(_) => error.into(),
        };
    }
    if error.is_not_found() {
        return match session.confirm(cx).await {
            Ok(()) => no_volume(cx, session, id, &error).await,
            Err(error) => error.into(),
        };
    }
    error.into()
}

async fn no_volume(cx: &Context, session: &Session, id: &str, error: &ceph::Error) -> Error {
    let id = id.to_owned();
    let mut why = error.to_string();
    // Ids of volumes and snapshots look alike.
    if let Some(uuid) = SnapshotUuid::at_end_of(&id)
        && let Ok(Some(_)) = session.snapshot_journal.lookup(cx, &uuid).await
    {
        "it is the id of a snapshot".clone_into(&mut why);
    }
    Error::NoVolume { id, why }
}
