//! Mounting a volume anew: at its staging path first, and then wherever that was published.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ceph::Context;

use super::super::place::describe;
use super::super::{Node, PathError, stage_volume};
use super::record::{Owed, Record};
use super::{Look, Need, look};
use crate::error::Error;
use crate::mount::{Mount, MountFlags, MountTable, There, Users};
use crate::operations::{Held, Key};
use crate::rpc::Frame;

/// How long mounting one volume anew may take. Its requests are refused meanwhile.
const MEND: Duration = Duration::from_secs(30);

/// What is kept of that for the targets.
const REBIND: Duration = Duration::from_secs(5);

/// How many targets are bared before the first of them has to have its mount: what is owed to them, and the table does
/// not show any more, has to fit into one key of the kernel's keyring, with paths of any length that is likely.
const AT_ONCE: usize = 16;

/// Does what the volume needs, unless somebody is at it; why that failed.
pub(super) async fn mend(
    node: &Arc<Node>,
    frame: &Arc<Frame>,
    record: &Record,
    need: &Need,
) -> Result<Mended, String> {
    let volume = record.volume.clone();
    let key = Key::StagedVolume(volume.clone());
    let (inner, id, believed) = (Arc::clone(node), volume.clone(), need.dead);
    let why = need.why.clone();
    let run = move |cx, held| async move {
        tracing::warn!("volume `{id}` is mounted anew: {why}");
        mend_held(&inner, &cx, &held, &id, believed).await
    };
    let mended = frame.background("Recovery", &volume, key, MEND, run).await;
    match mended {
        Ok(Mended::Completely) => {
            node.recovery.succeeded(&volume);
            tracing::warn!("volume `{volume}` is mounted again");
            Ok(Mended::Completely)
        }
        // Somebody else is at a target; another round follows.
        Ok(Mended::InPart) => Ok(Mended::InPart),
        // Or at the volume: a request may take as long as it likes, and mounts it itself.
        Err(error) if matches!(*error, Error::Busy(_)) => Ok(Mended::InPart),
        Err(error) => {
            node.recovery.failed(&volume);
            let error = crate::status::of(&error);
            tracing::error!("cannot mount volume `{volume}` anew: {}", error.message());
            Err(error.message().to_owned())
        }
    }
}

/// How far a volume got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Mended {
    Completely,
    InPart,
}

/// Mounts a volume anew, and gives the mount to all that had the dead one. One that is `believed` to be dead has to
/// answer in order not to be.
async fn mend_held(
    node: &Node,
    cx: &Context,
    held: &Held,
    volume: &str,
    believed: bool,
) -> Result<Mended, Error> {
    let records = &node.recovery.records;
    // It may have been unstaged since.
    let Some(record) = records.get(volume) else {
        return Ok(Mended::Completely);
    };
    let table = node.mounts.table(cx).await?;
    if is_dead(node, &record, &table, believed).await? {
        records.change(volume, |record| {
            record.mending = true;
            record.condemn(&table);
        });
        let limited = cx.at_most(cx.remaining().saturating_sub(REBIND));
        let mounted = stage_volume::mount_anew(node, &limited, &record.fs, &record.staging).await;
        node.known
            .staged(volume, &record.staging, mounted?.fallback);
    }
    let table = node.mounts.table(cx).await?;
    let Some(fresh) = table.at(&record.staging).filter(|fresh| fresh.is_cephfs()) else {
        let path = record.staging.clone();
        return Err(PathError::NotStaged { path }.into());
    };
    records.change(volume, |record| {
        record.revive(&fresh.device);
        record.condemn_more(&table);
    });
    forget_strangers(node, cx, volume, &table).await;

    let mut given = give_all(node, cx, held, volume, &table, fresh).await;
    let old = records.get(volume).map(|record| record.old().to_vec());
    if node.recovery.heal_running_pods
        && let Some(old) = old.filter(|old| !old.is_empty())
        && let Err(error) = node.mounts.replace_elsewhere(cx, &old, fresh).await
    {
        given = given.and(Err(error.into()));
    }
    let mended = given?;
    if mended == Mended::Completely {
        records.change(volume, |record| {
            record.devices.retain(|device| *device == fresh.device);
            record.dead.clear();
        });
    }
    Ok(mended)
}

/// Whether there is nothing at the staging path that would be of use.
async fn is_dead(
    node: &Node,
    record: &Record,
    table: &MountTable,
    believed: bool,
) -> Result<bool, Error> {
    Ok(match table.at(&record.staging) {
        Some(foreign) if !foreign.is_cephfs() => {
            let (path, found) = (record.staging.clone(), describe(foreign));
            return Err(PathError::Foreign { path, found }.into());
        }
        Some(staged) if record.shows(staged) => match look(node, staged).await {
            Look::Dead { .. } => true,
            Look::Answers => false,
            Look::Silent => believed,
        },
        _ => true,
    })
}

/// Forgets dead superblocks whose number was given to another one since, as far as a mount tells that was not seen to be
/// of the dead one.
async fn forget_strangers(node: &Node, cx: &Context, volume: &str, table: &MountTable) {
    let records = &node.recovery.records;
    let Some(record) = records.get(volume) else {
        return;
    };
    for device in record.old() {
        let mut others = table
            .of_device(device)
            .filter(|other| !record.is_old(other));
        if let Some(other) = others.next()
            && is_another(node, cx, &record, other).await
        {
            records.change(volume, |record| record.devices.retain(|old| old != device));
        }
    }
}

/// Whether `mount` is none of the volume: it serves, or serves something else.
async fn is_another(node: &Node, cx: &Context, record: &Record, mount: &Mount) -> bool {
    if !mount.is_cephfs() {
        return true;
    }
    if !mount.is_fuse()
        && let Ok(Some(serving)) = node.mounts.serving(cx, mount).await
        && serving.differs_from(&record.fs).is_some()
    {
        return true;
    }
    matches!(look(node, mount).await, Look::Answers)
}

/// Gives `fresh` to all targets that are owed it, and to those that show a dead mount in `table`. The first error, if
/// there is one: a target that fails keeps no other from its mount.
async fn give_all(
    node: &Node,
    cx: &Context,
    held: &Held,
    volume: &str,
    table: &MountTable,
    fresh: &Mount,
) -> Result<Mended, Error> {
    let records = &node.recovery.records;
    let Some(record) = records.get(volume) else {
        return Ok(Mended::Completely);
    };
    let owed_here = |stale: &Mount| {
        let source = fresh.counterpart(stale);
        if source.is_none() {
            tracing::warn!(
                "`{}` shows another directory than the volume's and stays dead",
                stale.mount_point.display()
            );
        }
        source.map(|source| Owed::new(stale, source))
    };
    let stale: Vec<_> = record.stale(table).filter_map(owed_here).collect();
    let mut outcome = give_some(node, cx, held, &record, &record.owed).await;
    for some in stale.chunks(AT_ONCE) {
        let owed = records.get(volume).map_or(0, |record| record.owed.len());
        if owed >= AT_ONCE {
            // Better dead than bare, if there is no mount to be had.
            return outcome.map(|()| Mended::InPart);
        }
        let owe = |record: &mut Record| some.iter().for_each(|owed| record.owe(owed));
        if let Some(record) = records.change(volume, owe) {
            outcome = outcome.and(give_some(node, cx, held, &record, some).await);
        }
    }
    let record = records.get(volume);
    let is_owed = record.is_some_and(|record| !record.owed.is_empty());
    outcome.map(|()| {
        if is_owed {
            Mended::InPart
        } else {
            Mended::Completely
        }
    })
}

/// Gives these targets what they are owed, and keeps in mind which have not got it.
async fn give_some(
    node: &Node,
    cx: &Context,
    held: &Held,
    record: &Record,
    some: &[Owed],
) -> Result<(), Error> {
    let (mut given, mut outcome) = (Vec::new(), Ok(()));
    for target in some {
        match give(node, cx, held, record, target).await {
            Ok(true) => given.push(target),
            Ok(false) => {}
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    if !given.is_empty() {
        node.recovery.records.change(&record.volume, |record| {
            record.owed.retain(|owed| !given.contains(&owed));
        });
    }
    outcome
}

/// Gives a target the mount that it is owed; `false` if a request is at that target.
async fn give(
    node: &Node,
    cx: &Context,
    held: &Held,
    record: &Record,
    owed: &Owed,
) -> Result<bool, Error> {
    let target = &owed.at;
    let key = Key::Target(target.display().to_string());
    let Ok(_hold) = held.also(key) else {
        return Ok(false);
    };
    let known = node.recovery.records.get(&record.volume);
    if !known.is_some_and(|known| known.owed.contains(owed)) {
        return Ok(true); // unpublished meanwhile
    }
    // A target is not bared for what cannot be shown.
    if !node.mounts.is_bindable(cx, &owed.source).await? {
        tracing::warn!(
            "`{}` shows a directory that the volume does not have any more, and stays dead",
            target.display()
        );
        return Ok(true);
    }
    node.unmount_while(cx, target, |mount| record.is_old(mount))
        .await?;
    let table = node.mounts.table(cx).await?;
    let flags = MountFlags::from_kernel(&owed.options);
    let bind = || node.mounts.bind(cx, &owed.source, target, Some(flags));
    if table.at(target).is_none()
        && let Err(error) = bind().await
    {
        // A driver that is no more had unmounted it, and another one has removed it.
        let place = node.mounts.locate(cx, target).await?;
        let is_gone = place.is_none_or(|place| place.there == There::Nothing);
        return if is_gone { Ok(true) } else { Err(error.into()) };
    }
    let table = node.mounts.table(cx).await?;
    let Some(mount) = table.at(target).filter(|mount| record.shows(mount)) else {
        return Ok(true); // somebody else's
    };
    if mount.flags != flags
        && let Err(error) = node.mounts.set_flags(cx, target, flags).await
    {
        // Writable although it should not be: better not there at all.
        drop(node.mounts.unmount(cx, target, Users::Others).await);
        return Err(error.into());
    }
    Ok(true)
}

impl Owed {
    /// What shows as `stale`, and is to show `source`.
    fn new(stale: &Mount, source: PathBuf) -> Self {
        Self {
            at: stale.mount_point.clone(),
            source,
            options: stale.flags.text(),
        }
    }
}
