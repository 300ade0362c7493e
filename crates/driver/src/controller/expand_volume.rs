//! ControllerExpandVolume: a larger quota, while the volume is in use. It never shrinks one.
//!
//! | code | when | what the sidecar does |
//! |---|---|---|
//! | OK | the quota is at least what was asked | done: no node has to do anything |
//! | INVALID_ARGUMENT | a field or secret is wrong; the volume shows a snapshot | marks the resize as infeasible |
//! | NOT_FOUND | no such volume | marks the resize as infeasible |
//! | OUT_OF_RANGE | no size satisfies the range, or the volume is beyond the limit | infeasible |
//! | ABORTED, DEADLINE_EXCEEDED, UNAVAILABLE | may still be going on | asks again |

use ceph::Context;
use ceph::subvolume::Info;
use csi_proto::v1::{ControllerExpandVolumeRequest, ControllerExpandVolumeResponse};

use super::{Controller, check_served, open};
use crate::backend::Session;
use crate::error::Error;
use crate::journal::{Details, Record};
use crate::operations::{Held, Key};
use crate::request::{self, ExpandVolume};
use crate::size::SizeRange;

/// Serves the request.
pub(super) async fn run(
    controller: &Controller,
    cx: &Context,
    held: &Held,
    request: &ControllerExpandVolumeRequest,
) -> Result<ControllerExpandVolumeResponse, Error> {
    let request = ExpandVolume::parse(request)?;
    let (volume, credentials) = (&request.volume, &request.credentials);
    let (session, id) = controller.open_volume(cx, volume, credentials).await?;
    // What it is called is known before its record says so, but for volumes of another prefix or group: so the manager
    // tells how large it is while the record is read.
    let at = session.subvolume(&Record::without_journal(id.uuid()));
    let (record, info) = tokio::join!(
        open::record(cx, &session, &id),
        session.subvolumes.existing(cx, &at)
    );
    let record = record?;
    let name = record.request_name.clone();
    let _name = name
        .map(|name| held.also(Key::VolumeName(name)))
        .transpose()?;
    if let Some(snapshot) = &record.backing_snapshot {
        return Err(shows_snapshot(volume, snapshot).into());
    }
    check_served(&record)?;
    let _foreground = controller.trail.foreground(&session);
    let looked = (session.subvolume(&record) == at).then_some(info);
    let expanded = match expand(cx, &session, &record, request.size, looked).await {
        Err(Error::Ceph(error)) if error.is_not_found() => match session.confirm(cx).await {
            Ok(()) => Err(no_volume(volume, &error)),
            Err(error) => Err(error.into()),
        },
        other => other,
    };
    let capacity = expanded.map_err(|error| session.explain(error))?;
    Ok(ControllerExpandVolumeResponse {
        capacity_bytes: capacity.cast_signed(),
        node_expansion_required: false,
    })
}

fn shows_snapshot(volume: &str, snapshot: &str) -> request::Error {
    let why = format!(
        "the volume `{volume}` shows the snapshot `{snapshot}`, and has no size of its own; a volume that \
         is restored from the snapshot has"
    );
    request::Error::invalid("volume_id", why)
}

fn no_volume(volume: &str, error: &ceph::Error) -> Error {
    Error::NoVolume {
        id: volume.to_owned(),
        why: error.to_string(),
    }
}

/// Returns the quota that the volume has afterwards. `looked` is what Ceph has told of it, if it was asked.
async fn expand(
    cx: &Context,
    session: &Session,
    record: &Record,
    range: SizeRange,
    looked: Option<ceph::Result<Info>>,
) -> Result<u64, Error> {
    let at = session.subvolume(record);
    let wanted = range.quota();
    // What is noted does not tell: an administrator may have given it more by hand.
    let info = match looked {
        Some(told) => told?,
        None => session.subvolumes.existing(cx, &at).await?,
    };
    let noted = record.details.as_ref().and_then(|details| details.size);
    match info.quota {
        Some(quota) if range.admits(Some(quota)) => return Ok(quota),
        Some(quota) if quota >= wanted => return Err(Error::BeyondLimit { quota }),
        // It was made with a limit, and has none any more. One that was made without gets its first.
        None if noted.is_some() => return Ok(wanted),
        _ => {}
    }
    let resize = session.subvolumes.resize(cx, &at, wanted);
    let Some(details) = &record.details else {
        resize.await?;
        return Ok(wanted);
    };
    let grown = Details {
        size: Some(wanted),
        grown: true,
        ..details.clone()
    };
    let note = session.journal.note(cx, &record.uuid, &grown);
    if record.unfinished().is_some() {
        // What is noted of a copy changes when it is complete, and until then this is refused.
        resize.await?;
        note.await?;
        return Ok(wanted);
    }
    // Beside each other, as who finds such a note asks Ceph.
    let (noted, resized) = tokio::join!(note, resize);
    if let Err(error) = resized {
        if !error.has_unknown_effect() {
            session.journal.note(cx, &record.uuid, details).await?;
        }
        return Err(error.into());
    }
    noted?;
    Ok(wanted)
}
