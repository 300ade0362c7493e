//! From the journal to snapshots: which of them exist, and what there is to tell of them.

use std::collections::HashMap;

use ceph::{Context, ErrorKind, Subvolume};
use csi_proto::v1 as csi;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

use super::position::Position;
use super::walk::{Batch, Stop};
use super::{LOOKUPS, QUESTIONS};
use crate::backend::Session;
use crate::controller::snapshot::{message, taken};
use crate::error::Error;
use crate::ids::{Snapshot, SnapshotUuid, VolumeUuid};
use crate::journal::{self, SnapshotRecord};

/// The snapshots behind the entries of the journal.
///
/// # Errors
/// [`Error::Listing`].
pub(in crate::controller) async fn snapshots(
    cx: &Context,
    batch: Batch<Snapshot>,
) -> Result<Vec<(Position, Option<csi::Snapshot>)>, Error> {
    let at = batch.at;
    let found = listed(cx, &at, batch.entries).await;
    found.map_err(|error| Error::Listing {
        cluster: at.session.cluster.cluster_id.clone(),
        source: Box::new(at.session.explain(error)),
    })
}

async fn listed(
    cx: &Context,
    at: &Stop,
    entries: Vec<journal::Entry<Snapshot>>,
) -> Result<Vec<(Position, Option<csi::Snapshot>)>, Error> {
    let session = &at.session;
    let read = entries.into_iter().map(|entry| async move {
        let record = readable(session.snapshot_journal.lookup(cx, &entry.uuid).await)?;
        let record = record.filter(|record| !is_elsewhere(at, record));
        Ok::<_, Error>((at.position(&entry.request_name), record))
    });
    let read = stream::iter(read).buffered(LOOKUPS).try_collect().await?;
    tell_all(cx, session, read).await
}

/// What there is to tell of each.
async fn tell_all(
    cx: &Context,
    session: &Session,
    read: Vec<(Position, Option<SnapshotRecord>)>,
) -> Result<Vec<(Position, Option<csi::Snapshot>)>, Error> {
    let names = names(
        cx,
        session,
        read.iter().filter_map(|(_, record)| record.as_ref()),
    )
    .await?;
    let told = read.into_iter().map(|(position, record)| {
        let names = &names;
        async move {
            let told = match record {
                Some(record) => {
                    let names = names.get(&session.source(&record));
                    told(cx, session, &record, names.map_or(&[], Vec::as_slice)).await?
                }
                None => None,
            };
            Ok::<_, Error>((position, told))
        }
    });
    stream::iter(told).buffered(QUESTIONS).try_collect().await
}

/// The snapshot `uuid`, if it exists.
pub(in crate::controller) async fn snapshot(
    cx: &Context,
    session: &Session,
    uuid: &SnapshotUuid,
) -> Result<Option<csi::Snapshot>, Error> {
    match session.snapshot_journal.lookup(cx, uuid).await? {
        Some(record) if !record.deleted => tell(cx, session, &record).await,
        _ => Ok(None),
    }
}

/// The snapshots of the volume `uuid`, in the order in which all are listed.
pub(in crate::controller) async fn snapshots_of(
    cx: &Context,
    session: &Session,
    uuid: &VolumeUuid,
) -> Result<Vec<(Position, csi::Snapshot)>, Error> {
    let mut found = match session.journal.lookup(cx, uuid).await? {
        Some(volume) => snapshots_in(cx, session, &session.subvolume(&volume)).await?,
        None => snapshots_left(cx, session, uuid).await?,
    };
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// The snapshots of a volume whose record is gone, so that nothing but theirs tells its name and its group.
async fn snapshots_left(
    cx: &Context,
    session: &Session,
    uuid: &VolumeUuid,
) -> Result<Vec<(Position, csi::Snapshot)>, Error> {
    let journal = &session.snapshot_journal;
    let mut left = Vec::new();
    let mut after = String::new();
    loop {
        let page = journal.page(cx, &after, usize::MAX).await?;
        let read = page.entries.into_iter().map(|entry| async move {
            let record = readable(journal.lookup(cx, &entry.uuid).await)?;
            let record = record.filter(|record| record.source_uuid().as_ref() == Some(uuid));
            Ok::<_, Error>((Position::of(session, &entry.request_name), record))
        });
        let read: Vec<_> = stream::iter(read).buffered(LOOKUPS).try_collect().await?;
        left.extend(read.into_iter().filter(|(_, record)| record.is_some()));
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    let told = tell_all(cx, session, left).await?;
    let told = told.into_iter();
    Ok(told
        .filter_map(|(position, told)| Some((position, told?)))
        .collect())
}

/// The snapshots of the subvolume `of`.
async fn snapshots_in(
    cx: &Context,
    session: &Session,
    of: &Subvolume,
) -> Result<Vec<(Position, csi::Snapshot)>, Error> {
    let names = match session.snapshots.list(cx, of).await {
        // A volume that shows a snapshot has no subvolume, and a copy that is being made no snapshots.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::NotReady) => Vec::new(),
        names => names?,
    };
    let uuids: Vec<_> = names
        .iter()
        .filter_map(|name| SnapshotUuid::at_end_of(name))
        .collect();
    let read = uuids.into_iter().map(|uuid| {
        let names = &names;
        async move {
            // Others than those of this driver have no record.
            let record = readable(session.snapshot_journal.lookup(cx, &uuid).await)?;
            let Some(record) = record.filter(|record| record.source == of.name) else {
                return Ok(None);
            };
            let told = told(cx, session, &record, names).await?;
            let name = record.request_name.as_deref().unwrap_or(uuid.as_str());
            Ok::<_, Error>(told.map(|told| (Position::of(session, name), told)))
        }
    });
    let read = stream::iter(read).buffered(LOOKUPS);
    let read: Vec<Option<_>> = read.try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

/// One Ceph cluster can have a clusterID per subvolume group, all with the same journal.
fn is_elsewhere(at: &Stop, record: &SnapshotRecord) -> bool {
    let details = record.details.as_ref();
    details.is_some_and(|details| at.siblings.contains(&details.group))
}

/// A record that is not as any driver writes it is left out, as a directory entry would be.
fn readable(
    record: Result<Option<SnapshotRecord>, journal::Error>,
) -> Result<Option<SnapshotRecord>, Error> {
    match record {
        Err(journal::Error::Ceph(error)) => Err(error.into()),
        Err(error) => {
            tracing::warn!("{error}; the snapshot is left out");
            Ok(None)
        }
        Ok(record) => Ok(record),
    }
}

/// Names of the snapshots that the subvolumes of `records` have.
async fn names<'a>(
    cx: &Context,
    session: &Session,
    records: impl Iterator<Item = &'a SnapshotRecord>,
) -> Result<HashMap<Subvolume, Vec<String>>, Error> {
    let mut subvolumes: HashMap<Subvolume, bool> = HashMap::new();
    for record in records {
        let noted = record.details.is_some();
        *subvolumes.entry(session.source(record)).or_insert(true) &= noted;
    }
    let asked = subvolumes.into_iter().map(|(of, noted)| async move {
        let names = match session.snapshots.list(cx, &of).await {
            Err(error) if error.kind == ErrorKind::NotFound => Vec::new(),
            // That its group is gone tells of a snapshot whose group is on record only.
            Err(error) if error.kind == ErrorKind::GroupNotFound && noted => Vec::new(),
            names => names?,
        };
        Ok::<_, Error>((of, names))
    });
    stream::iter(asked).buffered(QUESTIONS).try_collect().await
}

/// What there is to tell of a snapshot whose subvolume has those with these `names`.
async fn told(
    cx: &Context,
    session: &Session,
    record: &SnapshotRecord,
    names: &[String],
) -> Result<Option<csi::Snapshot>, Error> {
    if record.deleted || !names.contains(&record.name) {
        return Ok(None);
    }
    match record.details.as_ref().and_then(|details| details.taken) {
        Some(taken) => message(session, record, taken).map(Some),
        None => tell(cx, session, record).await,
    }
}

async fn tell(
    cx: &Context,
    session: &Session,
    record: &SnapshotRecord,
) -> Result<Option<csi::Snapshot>, Error> {
    match taken(cx, session, record).await {
        Err(error) if error.is_snapshot_gone() => Ok(None),
        taken => message(session, record, taken?).map(Some),
    }
}
