//! Snapshots of subvolumes.

use std::collections::BTreeMap;

use anyhow::ensure;

use super::{Subject, fails};
use crate::ErrorKind::{GroupNotFound, NotEmpty, NotFound, SnapshotNotFound, TooManySnapshots};
use crate::subvolume::{CreateOptions, Removal};
use crate::{Result, Snapshot, Snapshots, Subvolume, Subvolumes as _};

/// Created, created again, seen, given metadata, removed.
pub async fn snapshot_life(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, snapshots, cx) = (on.subvolumes(), on.snapshots(), Subject::cx());
    let at = on.snapshot("snap-life", "first");
    subvolumes
        .create(&cx, &at.of, &CreateOptions::default())
        .await?;
    fails(snapshots.info(&cx, &at).await, SnapshotNotFound)?;
    snapshots.create(&cx, &at).await?;
    let info = snapshots.info(&cx, &at).await?;
    ensure!(info.created_at.elapsed()?.as_secs() < 60, "{info:?}");
    ensure!(!info.data_pool.is_empty() && !info.has_pending_clones);
    snapshots.create(&cx, &at).await?;
    ensure!(
        snapshots.info(&cx, &at).await? == info,
        "changed by repeating"
    );
    ensure!(snapshots.list(&cx, &at.of).await? == [at.name.as_str()]);

    ensure!(snapshots.metadata(&cx, &at).await?.is_empty());
    for value in ["old", "50% of \"ü\""] {
        snapshots.set_metadata(&cx, &at, "csi/Name", value).await?;
    }
    let wanted = BTreeMap::from([("csi/name".to_owned(), "50% of \"ü\"".to_owned())]);
    ensure!(snapshots.metadata(&cx, &at).await? == wanted);

    fails(
        subvolumes.remove(&cx, &at.of, Removal::Plain).await,
        NotEmpty,
    )?;
    fails(
        subvolumes.remove(&cx, &at.of, Removal::Force).await,
        NotEmpty,
    )?;
    snapshots.remove(&cx, &at).await?;
    for result in on_every_operation(&snapshots, &at).await {
        fails(result, SnapshotNotFound)?;
    }
    ensure!(snapshots.list(&cx, &at.of).await?.is_empty());
    subvolumes.remove(&cx, &at.of, Removal::Plain).await?;
    Ok(())
}

/// What is not there is told apart: the subvolume, or its group.
pub async fn snapshots_of_absent_subvolumes(on: &Subject) -> anyhow::Result<()> {
    let (snapshots, cx) = (on.snapshots(), Subject::cx());
    let here = on.snapshot("snap-none", "s");
    let no_group = Snapshot {
        of: Subvolume {
            group: format!("{}-group", on.unique),
            ..here.of.clone()
        },
        ..here.clone()
    };
    for (at, kind) in [(here, NotFound), (no_group, GroupNotFound)] {
        for result in on_every_operation(&snapshots, &at).await {
            fails(result, kind)?;
        }
        fails(snapshots.create(&cx, &at).await, kind)?;
        fails(snapshots.list(&cx, &at.of).await, kind)?;
    }
    Ok(())
}

/// A subvolume removed but for its snapshots is absent for most; it can live again beside them, and the
/// last snapshot takes it along.
pub async fn retained_snapshots(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, snapshots, cx) = (on.subvolumes(), on.snapshots(), Subject::cx());
    let at = on.snapshot("retained", "s");
    let another = on.snapshot("retained", "t");
    let options = CreateOptions::default();
    subvolumes.create(&cx, &at.of, &options).await?;
    let path = subvolumes.path(&cx, &at.of).await?;
    snapshots.create(&cx, &at).await?;
    subvolumes
        .remove(&cx, &at.of, Removal::RetainSnapshots)
        .await?;

    let info = subvolumes.info(&cx, &at.of).await?;
    ensure!(info.state == "snapshot-retained" && info.path.is_empty());
    fails(subvolumes.existing(&cx, &at.of).await, NotFound)?;
    fails(subvolumes.path(&cx, &at.of).await, NotFound)?;
    fails(subvolumes.resize(&cx, &at.of, 1 << 30).await, NotFound)?;
    fails(subvolumes.metadata(&cx, &at.of).await, NotFound)?;
    fails(snapshots.create(&cx, &another).await, NotFound)?;
    fails(snapshots.metadata(&cx, &at).await, NotFound)?;
    fails(snapshots.set_metadata(&cx, &at, "k", "v").await, NotFound)?;
    ensure!(!snapshots.info(&cx, &at).await?.has_pending_clones);
    ensure!(snapshots.list(&cx, &at.of).await? == [at.name.as_str()]);
    let listed = subvolumes.list(&cx, &at.of.fs, &at.of.group).await?;
    ensure!(listed.contains(&at.of.name));
    subvolumes
        .remove(&cx, &at.of, Removal::RetainSnapshots)
        .await?;
    fails(
        subvolumes.remove(&cx, &at.of, Removal::Plain).await,
        NotEmpty,
    )?;

    // The old data has to be purged first.
    on.patiently(async || subvolumes.create(&cx, &at.of, &options).await)
        .await?;
    ensure!(subvolumes.path(&cx, &at.of).await? != path);
    snapshots.info(&cx, &at).await?;
    subvolumes
        .remove(&cx, &at.of, Removal::RetainSnapshots)
        .await?;
    // What is in the trash keeps the rest for a moment.
    snapshots.remove(&cx, &at).await?;
    on.gone(&subvolumes, &at.of).await
}

/// The mds allows 100 snapshots of one directory; at that limit it refuses even one that is there.
pub async fn too_many_snapshots(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, snapshots, cx) = (on.subvolumes(), on.snapshots(), Subject::cx());
    let of = on.subvolume("many-snaps");
    subvolumes
        .create(&cx, &of, &CreateOptions::default())
        .await?;
    let at = |n: u32| Snapshot {
        of: of.clone(),
        name: format!("s{n}"),
    };
    for n in 0..100 {
        snapshots.create(&Subject::cx(), &at(n)).await?;
    }
    fails(
        snapshots.create(&Subject::cx(), &at(100)).await,
        TooManySnapshots,
    )?;
    // 16 and 18 refuse one that exists as well, 20 does not.
    let repeated = snapshots.create(&Subject::cx(), &at(7)).await;
    if repeated.is_err() {
        fails(repeated, TooManySnapshots)?;
    }
    snapshots.remove(&Subject::cx(), &at(0)).await?;
    snapshots.create(&Subject::cx(), &at(100)).await?;
    for n in 1..=100 {
        snapshots.remove(&Subject::cx(), &at(n)).await?;
    }
    subvolumes
        .remove(&Subject::cx(), &of, Removal::Plain)
        .await?;
    Ok(())
}

/// The outcome of every operation that wants the snapshot to be there.
async fn on_every_operation(snapshots: &dyn Snapshots, at: &Snapshot) -> [Result<()>; 4] {
    let cx = Subject::cx();
    [
        snapshots.info(&cx, at).await.map(drop),
        snapshots.set_metadata(&cx, at, "k", "v").await,
        snapshots.metadata(&cx, at).await.map(drop),
        snapshots.remove(&cx, at).await,
    ]
}
