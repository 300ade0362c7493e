//! Subvolumes by manager commands.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::{Subject, fails};
use crate::ErrorKind::{FilesystemNotFound, GroupNotFound, Invalid, NotFound};
use crate::subvolume::{CreateOptions, Removal, Subvolume};
use crate::{Result, Subvolumes};

const MIB: u64 = 1 << 20;

fn size(bytes: u64) -> CreateOptions {
    CreateOptions {
        size: Some(bytes),
        pool: None,
    }
}

/// Created, seen, removed, and made anew under the same name as another directory.
pub async fn subvolume_life(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, at, cx) = (on.subvolumes(), on.subvolume("life"), Subject::cx());
    subvolumes.create(&cx, &at, &size(64 * MIB)).await?;
    let path = subvolumes.path(&cx, &at).await?;
    let start = format!("/volumes/{}/{}/", at.group, at.name);
    ensure!(path.starts_with(&start), "{path}");
    let info = subvolumes.info(&cx, &at).await?;
    ensure!(info.path == path);
    ensure!(info.quota == Some(64 * MIB));
    ensure!(info.used == 0);
    ensure!(info.state == "complete");
    ensure!(info.features.iter().any(|f| f == "snapshot-retention"));
    ensure!(!info.data_pool.is_empty());
    let listed = subvolumes.list(&cx, &at.fs, &at.group).await?;
    ensure!(listed.contains(&at.name));

    subvolumes.remove(&cx, &at, Removal::Plain).await?;
    fails(subvolumes.path(&cx, &at).await, NotFound)?;
    let again = subvolumes.remove(&cx, &at, Removal::Plain).await;
    fails(again, NotFound)?;
    let listed = subvolumes.list(&cx, &at.fs, &at.group).await?;
    ensure!(!listed.contains(&at.name));

    subvolumes
        .create(&cx, &at, &CreateOptions::default())
        .await?;
    ensure!(subvolumes.path(&cx, &at).await? != path);
    ensure!(subvolumes.info(&cx, &at).await?.quota.is_none());
    // Without snapshots there is nothing to retain.
    subvolumes
        .remove(&cx, &at, Removal::RetainSnapshots)
        .await?;
    fails(subvolumes.info(&cx, &at).await, NotFound)
}

/// `create` of an existing one keeps its directory and takes the new size, if one is given.
pub async fn creating_a_subvolume_again_changes_its_size(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, at, cx) = (on.subvolumes(), on.subvolume("twice"), Subject::cx());
    subvolumes.create(&cx, &at, &size(64 * MIB)).await?;
    let path = subvolumes.path(&cx, &at).await?;
    let nothing = CreateOptions::default();
    for (options, quota) in [
        (size(64 * MIB), 64),
        (size(128 * MIB), 128),
        (size(32 * MIB), 32),
        (nothing, 32),
    ] {
        subvolumes.create(&cx, &at, &options).await?;
        let info = subvolumes.info(&cx, &at).await?;
        ensure!(info.path == path);
        ensure!(info.quota == Some(quota * MIB), "{options:?}: {info:?}");
    }
    let bad_pool = CreateOptions {
        size: None,
        pool: Some("no-such-pool".to_owned()),
    };
    fails(subvolumes.create(&cx, &at, &bad_pool).await, Invalid)?;
    subvolumes.remove(&cx, &at, Removal::Plain).await?;
    fails(subvolumes.create(&cx, &at, &bad_pool).await, Invalid)?;
    fails(subvolumes.path(&cx, &at).await, NotFound)
}

/// Quotas grow and shrink.
pub async fn subvolume_resize(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, at, cx) = (on.subvolumes(), on.subvolume("resize"), Subject::cx());
    fails(subvolumes.resize(&cx, &at, MIB).await, NotFound)?;
    subvolumes
        .create(&cx, &at, &CreateOptions::default())
        .await?;
    for bytes in [64 * MIB, 1 << 42, 4 * MIB, 4 * MIB + 1] {
        subvolumes.resize(&cx, &at, bytes).await?;
        ensure!(subvolumes.info(&cx, &at).await?.quota == Some(bytes));
    }
    fails(subvolumes.resize(&cx, &at, 0).await, Invalid)?;
    subvolumes.remove(&cx, &at, Removal::Plain).await?;
    Ok(())
}

/// A quota below what is in use is refused and nothing changes.
pub async fn subvolume_resize_below_use_is_refused(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, at, cx) = (on.subvolumes(), on.subvolume("shrink"), Subject::cx());
    subvolumes.create(&cx, &at, &size(64 * MIB)).await?;
    let path = subvolumes.path(&cx, &at).await?;
    on.files.write(&path, 8 * MIB).await?;
    // The count of bytes trails the write.
    while subvolumes.info(&cx, &at).await?.used < 8 * MIB {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let error = subvolumes.resize(&cx, &at, 4 * MIB).await.err();
    let error = error.context("shrunk below use")?;
    ensure!(error.kind == Invalid, "{error}");
    ensure!(error.detail.contains("used size"), "{error}");
    ensure!(subvolumes.info(&cx, &at).await?.quota == Some(64 * MIB));
    subvolumes.resize(&cx, &at, 16 * MIB).await?;
    ensure!(subvolumes.info(&cx, &at).await?.quota == Some(16 * MIB));
    subvolumes.remove(&cx, &at, Removal::Plain).await?;
    Ok(())
}

/// Metadata keeps what was set, whatever signs are in the values.
pub async fn subvolume_metadata(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, at, cx) = (on.subvolumes(), on.subvolume("meta"), Subject::cx());
    let set = async |key: &str, value: &str| subvolumes.set_metadata(&cx, &at, key, value).await;
    fails(set("k", "v").await, NotFound)?;
    subvolumes
        .create(&cx, &at, &CreateOptions::default())
        .await?;
    ensure!(subvolumes.metadata(&cx, &at).await?.is_empty());
    for (key, value) in [
        ("csi.storage.k8s.io/pvc/name", "old"),
        ("csi.storage.k8s.io/pvc/name", "data-0"),
        ("csi.ceph.com/cluster/name", "50% of \"ü\" = [x] ; # %s"),
        ("Upper", "Case"),
        ("empty", ""),
    ] {
        set(key, value).await?;
    }
    let wanted = [
        ("csi.storage.k8s.io/pvc/name", "data-0"),
        ("csi.ceph.com/cluster/name", "50% of \"ü\" = [x] ; # %s"),
        ("upper", "Case"),
        ("empty", ""),
    ];
    let wanted = wanted.map(|(key, value)| (key.to_owned(), value.to_owned()));
    ensure!(subvolumes.metadata(&cx, &at).await? == BTreeMap::from(wanted));
    for key in ["", " k", "#k", ";k", "[k", "a=b", "a:b", "a\nb"] {
        fails(set(key, "v").await, Invalid)?;
    }
    subvolumes.remove(&cx, &at, Removal::Plain).await?;
    fails(subvolumes.metadata(&cx, &at).await, NotFound)
}

/// Group `""` is a place of its own.
pub async fn subvolumes_without_group(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, cx) = (on.subvolumes(), Subject::cx());
    let at = Subvolume {
        group: String::new(),
        ..on.subvolume("alone")
    };
    subvolumes.create(&cx, &at, &size(4 * MIB)).await?;
    let path = subvolumes.path(&cx, &at).await?;
    ensure!(path.starts_with("/volumes/_nogroup/"), "{path}");
    ensure!(subvolumes.list(&cx, &at.fs, "").await?.contains(&at.name));
    let grouped = subvolumes.list(&cx, &at.fs, &on.group).await?;
    ensure!(!grouped.contains(&at.name));
    subvolumes.remove(&cx, &at, Removal::Plain).await?;
    fails(subvolumes.info(&cx, &at).await, NotFound)
}

/// What is not there is told apart: the group, or anything else.
pub async fn unknown_group_filesystem_and_subvolume(on: &Subject) -> anyhow::Result<()> {
    let subvolumes = on.subvolumes();
    let here = on.subvolume("none");
    for result in on_every_operation(&subvolumes, &here).await {
        fails(result, NotFound)?;
    }
    let no_group = Subvolume {
        group: format!("{}-group", on.unique),
        ..here.clone()
    };
    let no_fs = Subvolume {
        fs: format!("{}-fs", on.unique),
        ..here
    };
    // Whoever forces a removal learns nothing.
    let cx = Subject::cx();
    subvolumes.remove(&cx, &no_fs, Removal::Force).await?;
    for (at, kind) in [(no_group, GroupNotFound), (no_fs, FilesystemNotFound)] {
        for result in on_every_operation(&subvolumes, &at).await {
            fails(result, kind)?;
        }
        let created = subvolumes.create(&Subject::cx(), &at, &size(4 * MIB)).await;
        fails(created, kind)?;
        let listed = subvolumes.list(&Subject::cx(), &at.fs, &at.group).await;
        fails(listed, kind)?;
    }
    Ok(())
}

/// Names that Ceph would take for paths never reach it.
pub async fn subvolume_names_that_are_paths_are_refused(on: &Subject) -> anyhow::Result<()> {
    let (subvolumes, neighbour) = (on.subvolumes(), on.subvolume("neighbour"));
    let cx = Subject::cx();
    subvolumes
        .create(&cx, &neighbour, &CreateOptions::default())
        .await?;
    for name in ["", ".", "..", "a/b", "../csi", "50%"] {
        let bad_name = Subvolume {
            name: name.to_owned(),
            ..neighbour.clone()
        };
        for result in on_every_operation(&subvolumes, &bad_name).await {
            fails(result, Invalid)?;
        }
        let created = subvolumes.create(&cx, &bad_name, &size(4 * MIB)).await;
        fails(created, Invalid)?;
    }
    let bad_group = Subvolume {
        group: "..".to_owned(),
        ..neighbour.clone()
    };
    fails(subvolumes.path(&cx, &bad_group).await, Invalid)?;
    fails(subvolumes.list(&cx, &on.fs.name, "..").await, Invalid)?;
    subvolumes.path(&cx, &neighbour).await?;
    subvolumes.remove(&cx, &neighbour, Removal::Plain).await?;
    Ok(())
}

/// The outcome of every operation that wants the subvolume to be there.
async fn on_every_operation(subvolumes: &dyn Subvolumes, at: &Subvolume) -> [Result<()>; 7] {
    let cx = Subject::cx();
    [
        subvolumes.path(&cx, at).await.map(drop),
        subvolumes.info(&cx, at).await.map(drop),
        subvolumes.resize(&cx, at, 64 * MIB).await,
        subvolumes.set_metadata(&cx, at, "k", "v").await,
        subvolumes.metadata(&cx, at).await.map(drop),
        subvolumes.remove(&cx, at, Removal::Plain).await,
        subvolumes.remove(&cx, at, Removal::RetainSnapshots).await,
    ]
}
