//! Several clients at once.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;

use super::{Subject, fails, omap_equals, omap_set};
use crate::mgr::MgrVolumes;
use crate::subvolume::CreateOptions;
use crate::{ErrorKind, ReadOp, Subvolumes as _, WriteOp, WriteStep};

/// Of many exclusive creates, from two clients, one wins and the others know it.
pub async fn exclusive_create_has_one_winner(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("race");
    let mut racers = JoinSet::new();
    for n in 0..16 {
        let (on, object) = (on.clone(), object.clone());
        racers.spawn(async move {
            let cluster = if n % 2 == 0 { &on.cluster } else { &on.other };
            let op = WriteOp::new()
                .then(WriteStep::CreateExclusive)
                .then(omap_set(&[("winner", &n.to_string())]));
            (n, cluster.write(&Subject::cx(), &object, op).await)
        });
    }
    let mut winners = Vec::new();
    for (n, result) in racers.join_all().await {
        match result {
            Ok(()) => winners.push(n),
            refused => fails(refused, ErrorKind::AlreadyExists)?,
        }
    }
    let [winner] = winners[..] else {
        anyhow::bail!("winners: {winners:?}");
    };
    let stored = on.omap(&object).await?;
    ensure!(stored.get("winner").map(Vec::as_slice) == Some(winner.to_string().as_bytes()));
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// Two clients add to one number by compare-and-set, and nothing is lost.
pub async fn omap_compare_and_set_loses_no_update(on: &Subject) -> anyhow::Result<()> {
    const ADDERS: u32 = 6;
    const EACH: u32 = 5;
    let object = on.object("counter");
    on.write(&object, [omap_set(&[("n", "0")])]).await?;
    let mut adders = JoinSet::new();
    for n in 0..ADDERS {
        let (mut on, object) = (on.clone(), object.clone());
        if n % 2 == 0 {
            on.cluster = Arc::clone(&on.other);
        }
        adders.spawn(async move {
            for _ in 0..EACH {
                add_one(&on, &object).await?;
            }
            anyhow::Ok(())
        });
    }
    adders
        .join_all()
        .await
        .into_iter()
        .collect::<anyhow::Result<()>>()?;
    let total = (ADDERS * EACH).to_string();
    ensure!(on.omap(&object).await? == super::entries(&[("n", &total)]));
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

async fn add_one(on: &Subject, object: &crate::Object) -> anyhow::Result<()> {
    loop {
        let op = ReadOp {
            omap_keys: vec!["n".to_owned()],
            ..ReadOp::default()
        };
        let answer = on.read(object, op).await?;
        let old = std::str::from_utf8(answer.omap.get("n").context("no number")?)?;
        let new = (old.parse::<u32>()? + 1).to_string();
        let swap = [omap_equals("n", old), omap_set(&[("n", &new)])];
        match on.write(object, swap).await {
            Ok(()) => return Ok(()),
            lost => fails(lost, ErrorKind::CompareFailed)?,
        }
    }
}

/// The same subvolume created by many at once is there once.
pub async fn creating_one_subvolume_at_once_makes_one(on: &Subject) -> anyhow::Result<()> {
    let at = on.subvolume("race");
    let mut creators = JoinSet::new();
    for n in 0..6 {
        let cluster = if n % 2 == 0 { &on.cluster } else { &on.other };
        let subvolumes = MgrVolumes::new(Arc::clone(cluster));
        let (cx, at) = (Subject::cx(), at.clone());
        creators.spawn(async move {
            subvolumes
                .create(&cx, &at, &CreateOptions::default())
                .await?;
            subvolumes.path(&cx, &at).await
        });
    }
    let mut paths: Vec<_> = creators
        .join_all()
        .await
        .into_iter()
        .collect::<crate::Result<_>>()?;
    paths.dedup();
    ensure!(paths.len() == 1, "{paths:?}");
    on.subvolumes()
        .remove(&Subject::cx(), &at, crate::subvolume::Removal::Plain)
        .await?;
    Ok(())
}

/// References of two clients in one object, which comes with the first and goes with the last: changes
/// on condition of the version that was read lose none, also when the object is made anew meanwhile.
pub async fn changes_by_version_lose_no_reference(on: &Subject) -> anyhow::Result<()> {
    const HOLDERS: u32 = 6;
    const TIMES: u32 = 4;
    let object = on.object("references");
    let mut holders = JoinSet::new();
    for n in 0..HOLDERS {
        let (mut on, object) = (on.clone(), object.clone());
        if n % 2 == 0 {
            on.cluster = Arc::clone(&on.other);
        }
        holders.spawn(async move {
            let key = n.to_string();
            for _ in 0..TIMES {
                change_references(&on, &object, |count| (count + 1, omap_set(&[(&key, "1")])))
                    .await?;
                let gone = || WriteStep::OmapRemove(vec![key.clone()]);
                change_references(&on, &object, |count| (count - 1, gone())).await?;
            }
            anyhow::Ok(())
        });
    }
    let ended = holders.join_all().await.into_iter();
    ended.collect::<anyhow::Result<()>>()?;
    fails(on.omap(&object).await, ErrorKind::NotFound)
}

/// Changes the count that is the object's data, and its omap with it.
async fn change_references(
    on: &Subject,
    object: &crate::Object,
    change: impl Fn(u8) -> (u8, WriteStep),
) -> anyhow::Result<()> {
    use ErrorKind::{AlreadyExists, VersionChanged};
    loop {
        let read = ReadOp {
            omap_page: Some(super::omap::page("", "", 1000)),
            data: Some(8),
            ..ReadOp::default()
        };
        let (first, lost, count) = match on.read(object, read).await {
            Ok(found) => {
                ensure!(found.data == [u8::try_from(found.omap.len())?], "{found:?}");
                let assert = WriteStep::AssertVersion(found.version);
                (assert, VersionChanged, u8::try_from(found.omap.len())?)
            }
            absent => {
                fails(absent, ErrorKind::NotFound)?;
                (WriteStep::CreateExclusive, AlreadyExists, 0)
            }
        };
        let steps = match change(count) {
            (0, _) => vec![first, WriteStep::Remove],
            (count, step) => vec![first, step, WriteStep::WriteFull(vec![count])],
        };
        match on.write(object, steps).await {
            Ok(()) => return Ok(()),
            refused => fails(refused, lost)?,
        }
    }
}
