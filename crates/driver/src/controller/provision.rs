//! The plan of CreateVolume: reserve the name, make the subvolume, learn its path.

use ceph::subvolume::{CreateOptions, Removal};
use ceph::{Context, ErrorKind, Subvolume};
use futures::FutureExt as _;
use futures::future::OptionFuture;

use super::cloners::Cloners;
use super::copy::Copying;
use super::show::Showing;
use super::{check_served, is_undone, show, source};
use crate::backend::Session;
use crate::error::Error;
use crate::events::Events;
use crate::ids::Volume;
use crate::journal::{Entry, Kind as _, NewRecord, Record, Reservation, Source};
use crate::request::CreateVolume;

/// A volume that exists.
pub(super) struct Provisioned {
    pub(super) record: Record,
    /// Path of its data directory.
    pub(super) path: String,
    /// Quota in bytes.
    pub(super) quota: Option<u64>,
}

/// Looks up what the volume shall be a copy of, or show, unless its name is reserved and its record
/// knows: then the source may be gone already.
pub(super) async fn set_origin(
    cx: &Context,
    session: &Session,
    request: &CreateVolume,
    source: &Source,
    new: &mut NewRecord,
) -> Result<(), Error> {
    let mut known = session.journal.find(cx, &request.name).await?;
    if let Some(given_up) = known.take_if(|record| record.given_up) {
        let given_back = show::give_back(cx, session, &given_up).await;
        given_back.map_err(|error| Error::begun::<Volume>(&request.name, error))?;
    }
    if let Some(record) = &known {
        check_source(request, record)?;
    }
    new.backing_snapshot = request.shown();
    if let Some(details) = known.and_then(|record| record.details) {
        new.details.origin = details.origin;
        new.details.size = new.details.size.or(details.size);
        return Ok(());
    }
    let found = match source::find(cx, session, request, source).await {
        Err(refusal) if is_final(&refusal) => {
            let abandoned = session.journal.abandon(cx, &request.name).await;
            abandoned.map_err(|error| Error::begun::<Volume>(&request.name, error))?;
            return Err(refusal);
        }
        found => found?,
    };
    new.details.origin = Some(found.origin);
    new.details.size = new.details.size.or(found.size);
    Ok(())
}

/// Whether there is no use in asking again: nobody will come back for what the name has reserved.
fn is_final(refusal: &Error) -> bool {
    matches!(
        refusal,
        Error::NoSnapshot { .. }
            | Error::NoVolume { .. }
            | Error::SmallerThanSource { .. }
            | Error::Request(_)
    )
}

/// Makes the volume, or finds it.
pub(super) async fn provision(
    cx: &Context,
    session: &Session,
    cloners: &Cloners,
    events: &Events,
    request: &CreateVolume,
    new: &NewRecord,
) -> Result<Provisioned, Error> {
    let entry = session.journal.entry(cx, &request.name).await?;
    let is_reserved = entry.is_some();
    // A name that is known most likely has its subvolume: the manager tells its path while the record is read.
    let guess = entry.as_ref().filter(|_| new.details.origin.is_none());
    let guess = guess
        .map(|entry| session.subvolume(&Volume::reserved(new, &request.name, entry.uuid.clone())));
    let look = OptionFuture::from(guess.map(|at| async move {
        let path = session.subvolumes.path(cx, &at).await;
        Looked { at, path }
    }));
    let reserve = async {
        let (record, is_new) = reserve(cx, session, request, new, entry).await?;
        check_served(&record)?;
        check_source(request, &record)?;
        Ok::<_, Error>((record, is_new))
    };
    // The journal is that of the file system that had the name once, and the subvolume will be in the one that has it
    // now; of a name that is known, what the manager does not find is made only after such a look.
    let confirm = OptionFuture::from((!is_reserved).then(|| session.confirm(cx)));
    let ((record, is_new), looked, confirmed) =
        futures::try_join!(reserve, look.map(Ok), confirm.map(Ok))?;
    if let Some(Err(error)) = confirmed {
        // Nothing was made under it yet.
        let is_undone = is_new && give_back(cx, session, &record, None, &error).await;
        let error = Error::from(error);
        return Err(if is_undone {
            error
        } else {
            Error::begun::<Volume>(&request.name, error)
        });
    }
    match &new.details.origin {
        Some(origin) if let Some(shown) = &new.backing_snapshot => {
            check_prefix(request, new, &record)?;
            let showing = Showing {
                cx,
                session,
                request,
                new,
                origin,
                shown,
            };
            showing.complete(record).await
        }
        Some(origin) if !is_complete(&record) => {
            check_prefix(request, new, &record)?;
            let copying = Copying {
                cx,
                session,
                cloners,
                events,
                request,
                new,
                origin,
            };
            copying.complete(record, !is_new).await
        }
        _ if is_new => make(cx, session, record, new).await,
        _ => find(cx, session, request, new, record, looked).await,
    }
}

/// Whether the record says that its volume was a whole copy once.
fn is_complete(record: &Record) -> bool {
    record.origin().is_some_and(|origin| origin.complete)
}

/// What the manager told of a subvolume.
struct Looked {
    at: Subvolume,
    path: ceph::Result<String>,
}

/// The record of the name, and whether this call has made it.
async fn reserve(
    cx: &Context,
    session: &Session,
    request: &CreateVolume,
    new: &NewRecord,
    entry: Option<Entry<Volume>>,
) -> Result<(Record, bool), Error> {
    let journal = &session.journal;
    let reserved = journal.reserve_after(cx, &request.name, new, entry);
    Ok(match reserved.await? {
        Reservation::New(record) => (record, true),
        Reservation::Found(record) => (record, false),
    })
}

/// The volume of an earlier call, which may have been cut short after the reservation. `looked` is what is known
/// of the path of a subvolume, which most likely is that of the volume.
async fn find(
    cx: &Context,
    session: &Session,
    request: &CreateVolume,
    new: &NewRecord,
    record: Record,
    looked: Option<Looked>,
) -> Result<Provisioned, Error> {
    let at = session.subvolume(&record);
    check_prefix(request, new, &record)?;
    let admits = |size| request.size.is_none_or(|range| range.admits(size));
    let noted = record
        .details
        .as_ref()
        .filter(|details| !details.grown && admits(details.size));
    let found = match noted {
        // What we noted answers all but the path: one command instead of two.
        Some(details) => {
            check_pool(request, new, details.pool.as_deref())?;
            let path = match looked.filter(|looked| looked.at == at) {
                Some(looked) => looked.path,
                None => session.subvolumes.path(cx, &at).await,
            };
            path.map(|path| (path, details.size))
        }
        // Made by ceph-csi, or grown since: ask for the truth.
        None => match session.subvolumes.existing(cx, &at).await {
            Ok(info) if !admits(info.quota) => return Err(other_size(request, info.quota)),
            Ok(info) => {
                let pool = record
                    .details
                    .as_ref()
                    .map(|details| details.pool.as_deref());
                check_pool(request, new, pool.unwrap_or(new.details.pool.as_deref()))?;
                Ok((info.path, info.quota))
            }
            Err(error) => Err(error),
        },
    };
    match found {
        Ok((path, quota)) => Ok(Provisioned {
            record,
            path,
            quota,
        }),
        Err(error) if error.is_not_found() && new.details.origin.is_none() => {
            session.confirm(cx).await?;
            // Cut short before the subvolume, or deleted half way: it is as good as new.
            let record = session.journal.renew(cx, record, new).await?;
            make(cx, session, record, new).await
        }
        // An earlier call may have made it.
        Err(error) => Err(Error::begun::<Volume>(&request.name, error)),
    }
}

/// Makes the subvolume of a reservation, or gives the reservation back. No error if the subvolume exists.
async fn make(
    cx: &Context,
    session: &Session,
    record: Record,
    new: &NewRecord,
) -> Result<Provisioned, Error> {
    let at = session.subvolume(&record);
    let options = CreateOptions {
        size: new.details.size,
        pool: new.details.pool.clone(),
    };
    let created = session.subvolumes.create(cx, &at, &options).await;
    let begun = !matches!(&created, Err(error) if is_refusal(error));
    let made = match created {
        Ok(()) => session.subvolumes.path(cx, &at).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(path) => Ok(Provisioned {
            record,
            path,
            quota: new.details.size,
        }),
        Err(error) => {
            let is_undone = give_back(cx, session, &record, begun.then_some(&at), &error).await;
            let refused = refusal(error, &at, new);
            let name = record.request_name.as_deref().unwrap_or_default();
            Err(if is_undone {
                refused
            } else {
                Error::begun::<Volume>(name, refused)
            })
        }
    }
}

/// Whether Ceph did not even begin.
fn is_refusal(error: &ceph::Error) -> bool {
    match error.kind {
        ErrorKind::PermissionDenied
        | ErrorKind::NotFound
        | ErrorKind::GroupNotFound
        | ErrorKind::FilesystemNotFound
        | ErrorKind::Unsupported => true,
        // Without an answer of Ceph it was not sent.
        ErrorKind::Invalid => error.errno.is_none(),
        _ => false,
    }
}

/// Removes what may have been made, which `at` is unless Ceph did not even begin, and gives the name back, after a
/// failure that the sidecar takes as final and nobody else will clean up after. `false` where the effect is unknown,
/// or cannot be undone: the reservation stays for the repeat.
async fn give_back(
    cx: &Context,
    session: &Session,
    record: &Record,
    at: Option<&Subvolume>,
    error: &ceph::Error,
) -> bool {
    if at.is_some() && error.has_unknown_effect() {
        return false;
    }
    let undo = async {
        if let Some(at) = at {
            match session.subvolumes.remove(cx, at, Removal::Plain).await {
                Err(absent) if absent.is_not_found() => session.confirm(cx).await?,
                removed => removed?,
            }
        }
        session.journal.give_back(cx, record).await?;
        Ok::<_, Error>(())
    };
    is_undone(error, &undo.await)
}

/// What a refused creation means for the one who wrote the StorageClass.
pub(super) fn refusal(error: ceph::Error, at: &Subvolume, new: &NewRecord) -> Error {
    match (error.kind, &new.details.pool) {
        (ErrorKind::GroupNotFound, _) => Error::NoGroup {
            fs: at.fs.clone(),
            group: at.group.clone(),
        },
        (ErrorKind::Invalid, Some(pool)) if error.errno.is_some() => {
            let why = format!("Ceph does not take `{pool}`: {}", error.detail);
            crate::request::Error::invalid("parameters.pool", why).into()
        }
        _ => error.into(),
    }
}

fn check_prefix(request: &CreateVolume, new: &NewRecord, record: &Record) -> Result<(), Error> {
    if record.subvolume.starts_with(&new.name_prefix) {
        return Ok(());
    }
    let why = format!(
        "its subvolume is `{}`, not `{}...`",
        record.subvolume, new.name_prefix
    );
    Err(Error::Incompatible {
        name: request.name.clone(),
        why,
    })
}

fn check_source(request: &CreateVolume, record: &Record) -> Result<(), Error> {
    let incompatible = |why| {
        let name = request.name.clone();
        Err(Error::Incompatible { name, why })
    };
    match (&record.backing_snapshot, request.shown()) {
        (Some(shown), Some(asked)) if *shown != asked => {
            return incompatible(format!("shows snapshot `{shown}`, not `{asked}`"));
        }
        (Some(shown), None) => {
            return incompatible(format!(
                "only shows snapshot `{shown}`, where one with data of its own is asked for"
            ));
        }
        (None, Some(asked)) => {
            return incompatible(format!(
                "has data of its own, where one that shows snapshot `{asked}` is asked for"
            ));
        }
        _ => {}
    }
    // Where ceph-csi took its data from is not on record.
    let Some(details) = &record.details else {
        return Ok(());
    };
    let made_of = details.origin.as_ref().map(|origin| &origin.of);
    if made_of == request.source.as_ref() {
        return Ok(());
    }
    let made = made_of.map_or("made empty".to_owned(), |of| format!("made of {of}"));
    let asked = request.source.as_ref();
    let asked = asked.map_or("empty".to_owned(), |of| format!("of {of}"));
    incompatible(format!("was {made}, not {asked}"))
}

fn check_pool(request: &CreateVolume, new: &NewRecord, pool: Option<&str>) -> Result<(), Error> {
    let asked = new.details.pool.as_deref();
    if asked == pool {
        return Ok(());
    }
    let name =
        |pool: Option<&str>| pool.map_or("the default pool".to_owned(), |p| format!("pool `{p}`"));
    let why = format!("is in {}, not in {}", name(pool), name(asked));
    Err(Error::Incompatible {
        name: request.name.clone(),
        why,
    })
}

pub(super) fn other_size(request: &CreateVolume, quota: Option<u64>) -> Error {
    let why = quota.map_or("has no quota".to_owned(), |quota| {
        format!("has {quota} bytes")
    });
    let why = format!("{why}, which the capacity range does not admit");
    Error::Incompatible {
        name: request.name.clone(),
        why,
    }
}
