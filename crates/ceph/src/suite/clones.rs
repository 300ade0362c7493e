//! Clones of snapshots.

use anyhow::ensure;
use tokio::task::JoinSet;

use super::{Subject, fails};
use crate::ErrorKind::{
    AlreadyExists, CloneFinished, ClonersBusy, GroupNotFound, Invalid, NotAClone,
};
use crate::ErrorKind::{NotFound, NotReady, PendingClones, SnapshotNotFound};
use crate::subvolume::{CreateOptions, Removal};
use crate::{CloneState, Clones as _, Snapshot, Snapshots as _, Subvolume, Subvolumes as _};

const MIB: u64 = 1 << 20;

/// Makes a subvolume with a quota, a little data, and a snapshot.
async fn source(on: &Subject, name: &str) -> anyhow::Result<Snapshot> {
    let (subvolumes, cx) = (on.subvolumes(), Subject::cx());
    let at = on.snapshot(name, "s");
    let options = CreateOptions {
        size: Some(256 * MIB),
        pool: None,
    };
    subvolumes.create(&cx, &at.of, &options).await?;
    let path = subvolumes.path(&cx, &at.of).await?;
    on.files.write(&path, MIB).await?;
    on.snapshots().create(&cx, &at).await?;
    Ok(at)
}

/// Removes a source whose clones are finished.
async fn remove_source(on: &Subject, at: &Snapshot) -> anyhow::Result<()> {
    let (snapshots, cx) = (on.snapshots(), Subject::cx());
    // The snapshot knows a moment after its clone that that is complete.
    on.patiently(async || snapshots.remove(&cx, at).await)
        .await?;
    let removed = on.subvolumes().remove(&cx, &at.of, Removal::Plain).await;
    Ok(removed?)
}

async fn completed(on: &Subject, at: &Subvolume) -> anyhow::Result<()> {
    loop {
        let status = on.clones().status(&Subject::cx(), at).await?;
        match status.state {
            CloneState::Complete => return Ok(()),
            CloneState::Pending | CloneState::InProgress => on.pause().await,
            other => anyhow::bail!("{other:?}"),
        }
    }
}

/// A clone has the quota, pool and data of its source, and is nothing special afterwards.
pub async fn clone_life(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, clones, cx) = (on.subvolumes(), on.clones(), Subject::cx());
    let from = source(on, "clone-source").await?;
    let at = on.subvolume("clone");
    on.patiently(async || clones.start(&cx, &from, &at, None).await)
        .await?;
    let status = clones.status(&cx, &at).await?;
    if status.state != CloneState::Complete {
        ensure!(status.source.as_ref() == Some(&from), "{status:?}");
    }
    completed(on, &at).await?;
    ensure!(clones.status(&cx, &at).await?.source.is_none());
    fails(clones.cancel(&cx, &at).await, CloneFinished)?;
    fails(clones.start(&cx, &from, &at, None).await, AlreadyExists)?;

    remove_source(on, &from).await?;
    let info = subvolumes.info(&cx, &at).await?;
    ensure!(
        info.state == "complete" && info.quota == Some(256 * MIB),
        "{info:?}"
    );
    // The count of bytes trails the copy.
    while subvolumes.info(&cx, &at).await?.used < MIB {
        on.pause().await;
    }
    subvolumes.resize(&cx, &at, 512 * MIB).await?;
    subvolumes.remove(&cx, &at, Removal::Plain).await?;
    fails(clones.status(&cx, &at).await, NotFound)
}

/// Until it is complete a clone is good for nothing, and keeps its snapshot; canceled, it can be removed.
pub async fn unfinished_clones(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, snapshots, clones) = (on.subvolumes(), on.snapshots(), on.clones());
    let cx = Subject::cx();
    let from = source(on, "slow-source").await?;
    let path = subvolumes.path(&cx, &from.of).await?;
    snapshots.remove(&cx, &from).await?;
    on.files.write_many(&path, 400).await?;
    snapshots.create(&cx, &from).await?;
    let at = on.subvolume("slow-clone");
    on.patiently(async || clones.start(&cx, &from, &at, None).await)
        .await?;

    let own = Snapshot {
        of: at.clone(),
        name: "own".to_owned(),
    };
    let options = CreateOptions::default();
    for result in [
        subvolumes.path(&cx, &at).await.map(drop),
        subvolumes.info(&cx, &at).await.map(drop),
        subvolumes.resize(&cx, &at, MIB).await,
        subvolumes.set_metadata(&cx, &at, "k", "v").await,
        subvolumes.create(&cx, &at, &options).await,
        subvolumes.remove(&cx, &at, Removal::Plain).await,
        subvolumes.remove(&cx, &at, Removal::RetainSnapshots).await,
        subvolumes.remove(&cx, &at, Removal::Force).await,
        snapshots.create(&cx, &own).await,
    ] {
        fails(result, NotReady)?;
    }
    fails(clones.start(&cx, &from, &at, None).await, AlreadyExists)?;
    let info = snapshots.info(&cx, &from).await?;
    ensure!(
        info.has_pending_clones && info.pending_clones == [at.name.as_str()],
        "{info:?}"
    );
    fails(snapshots.remove(&cx, &from).await, PendingClones)?;
    let status = clones.status(&cx, &at).await?;
    let goes_on = matches!(status.state, CloneState::Pending | CloneState::InProgress);
    ensure!(
        goes_on && status.source.as_ref() == Some(&from),
        "{status:?}"
    );

    clones.cancel(&cx, &at).await?;
    ensure!(clones.status(&cx, &at).await?.state == CloneState::Canceled);
    fails(clones.cancel(&cx, &at).await, CloneFinished)?;
    fails(subvolumes.path(&cx, &at).await, NotReady)?;
    fails(clones.start(&cx, &from, &at, None).await, AlreadyExists)?;
    fails(subvolumes.remove(&cx, &at, Removal::Plain).await, NotReady)?;
    subvolumes.remove(&cx, &at, Removal::Force).await?;
    fails(clones.status(&cx, &at).await, NotFound)?;
    subvolumes.remove(&cx, &at, Removal::Force).await?;
    remove_source(on, &from).await
}

/// Whatever is not there, or is no clone, is told apart, and a refused clone leaves nothing.
pub async fn clones_of_what_is_absent(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, clones, cx) = (on.subvolumes(), on.clones(), Subject::cx());
    let from = source(on, "present").await?;
    let at = on.subvolume("never");
    let no_snapshot = on.snapshot("present", "none");
    let no_source = on.snapshot("absent", "s");
    let no_group = Subvolume {
        group: format!("{}-group", on.unique),
        ..at.clone()
    };
    fails(
        clones.start(&cx, &no_snapshot, &at, None).await,
        SnapshotNotFound,
    )?;
    fails(clones.start(&cx, &no_source, &at, None).await, NotFound)?;
    fails(
        clones.start(&cx, &from, &no_group, None).await,
        GroupNotFound,
    )?;
    let no_pool = clones.start(&cx, &from, &at, Some("no-such-pool"));
    fails(no_pool.await, Invalid)?;
    fails(subvolumes.path(&cx, &at).await, NotFound)?;
    for (at, kind) in [
        (&at, NotFound),
        (&no_group, GroupNotFound),
        (&from.of, NotAClone),
    ] {
        fails(clones.status(&cx, at).await, kind)?;
        fails(clones.cancel(&cx, at).await, kind)?;
    }
    remove_source(on, &from).await
}

/// A source that is removed but for its snapshots goes on being cloned.
pub async fn clone_of_a_removed_subvolume(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, snapshots, cx) = (on.subvolumes(), on.snapshots(), Subject::cx());
    let from = source(on, "parting").await?;
    let at = on.subvolume("heir");
    subvolumes
        .remove(&cx, &from.of, Removal::RetainSnapshots)
        .await?;
    on.patiently(async || on.clones().start(&cx, &from, &at, None).await)
        .await?;
    completed(on, &at).await?;
    ensure!(subvolumes.info(&cx, &at).await?.quota == Some(256 * MIB));
    on.patiently(async || snapshots.remove(&cx, &from).await)
        .await?;
    on.gone(&subvolumes, &from.of).await?;
    subvolumes.remove(&cx, &at, Removal::Plain).await?;
    Ok(())
}

/// More clones than Ceph makes at once wait, or are refused with nothing left of them; all of them get
/// complete.
pub async fn more_clones_than_at_once(on: &Subject) -> anyhow::Result<()> {
    let from = source(on, "popular").await?;
    let mut makers = JoinSet::new();
    for n in 0..7 {
        let (on, from) = (on.clone(), from.clone());
        let at = on.subvolume(&format!("copy{n}"));
        makers.spawn(async move {
            let clones = on.clones();
            loop {
                match clones.start(&Subject::cx(), &from, &at, None).await {
                    Ok(()) => break,
                    refused => fails(refused, ClonersBusy)?,
                }
                fails(clones.status(&Subject::cx(), &at).await, NotFound)?;
                on.pause().await;
            }
            completed(&on, &at).await?;
            let subvolumes = on.subvolumes();
            subvolumes
                .remove(&Subject::cx(), &at, Removal::Plain)
                .await?;
            anyhow::Ok(())
        });
    }
    let made = makers.join_all().await.into_iter();
    made.collect::<anyhow::Result<()>>()?;
    remove_source(on, &from).await
}
