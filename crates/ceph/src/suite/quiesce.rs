//! Quiesce sets.

use std::time::Duration;

use anyhow::ensure;

use super::{Quiescing, Subject, fails};
use crate::ErrorKind::{Invalid, NotFound, NotQuiet, Unsupported};
use crate::quiesce::{Quiesce as _, QuiesceLimits, QuiesceSet};
use crate::subvolume::{CreateOptions, Removal};
use crate::{Snapshots as _, Subvolume, Subvolumes as _};

const LIMITS: QuiesceLimits = QuiesceLimits {
    patience: Duration::from_secs(10),
    expiration: Duration::from_secs(20),
};

async fn two(on: &Subject, name: &str) -> anyhow::Result<(QuiesceSet, Vec<Subvolume>)> {
    let members = vec![
        on.subvolume(&format!("{name}-1")),
        on.subvolume(&format!("{name}-2")),
    ];
    for member in &members {
        let options = CreateOptions::default();
        on.subvolumes()
            .create(&Subject::cx(), member, &options)
            .await?;
    }
    let set = QuiesceSet {
        fs: on.fs.name.clone(),
        name: format!("{}-{name}", on.unique),
    };
    Ok((set, members))
}

async fn remove(on: &Subject, members: &[Subvolume]) -> anyhow::Result<()> {
    for member in members {
        on.subvolumes()
            .remove(&Subject::cx(), member, Removal::Plain)
            .await?;
    }
    Ok(())
}

/// Quiet, with snapshots taken meanwhile, and released; or not known at all.
pub async fn quiesce_life(on: &Subject) -> anyhow::Result<()> {
    let (sets, cx) = (on.quiesce(), Subject::cx());
    let (set, members) = two(on, "quiesce").await?;
    if on.quiescing == Quiescing::Unknown {
        fails(sets.quiesce(&cx, &set, &members, LIMITS).await, Unsupported)?;
        fails(sets.cancel(&cx, &set).await, Unsupported)?;
        return remove(on, &members).await;
    }
    sets.cancel(&cx, &set).await?;
    let quiet = sets.quiesce(&cx, &set, &members, LIMITS).await?;
    for member in &members {
        let snapshot = crate::Snapshot {
            of: member.clone(),
            name: "quiet".to_owned(),
        };
        on.snapshots().create(&cx, &snapshot).await?;
        on.snapshots().remove(&cx, &snapshot).await?;
    }
    sets.release(&cx, &set, quiet).await?;
    fails(sets.release(&cx, &set, quiet).await, NotQuiet)?;
    sets.cancel(&cx, &set).await?;

    let quiet = sets.quiesce(&cx, &set, &members, LIMITS).await?;
    sets.cancel(&cx, &set).await?;
    fails(sets.release(&cx, &set, quiet).await, NotQuiet)?;
    remove(on, &members).await
}

/// Who begins anew ends the quiet of others, and nobody is quiet for ever.
pub async fn quiesce_interrupted(on: &Subject) -> anyhow::Result<()> {
    if on.quiescing == Quiescing::Unknown {
        return Ok(());
    }
    let (sets, cx) = (on.quiesce(), Subject::cx());
    let (set, members) = two(on, "interrupted").await?;
    let first = sets.quiesce(&cx, &set, &members, LIMITS).await?;
    let second = sets.quiesce(&cx, &set, &members, LIMITS).await?;
    fails(sets.release(&cx, &set, first).await, NotQuiet)?;
    sets.release(&cx, &set, second).await?;

    let short = QuiesceLimits {
        expiration: Duration::from_secs(2),
        ..LIMITS
    };
    let quiet = sets.quiesce(&cx, &set, &members, short).await?;
    tokio::time::sleep(2 * short.expiration).await;
    fails(sets.release(&cx, &set, quiet).await, NotQuiet)?;

    let impatient = QuiesceLimits {
        patience: Duration::ZERO,
        ..LIMITS
    };
    fails(sets.quiesce(&cx, &set, &members, impatient).await, NotQuiet)?;
    remove(on, &members).await
}

/// Sets of nothing, and of what is not there.
pub async fn quiesce_of_what_is_absent(on: &Subject) -> anyhow::Result<()> {
    if on.quiescing == Quiescing::Unknown {
        return Ok(());
    }
    let (sets, cx) = (on.quiesce(), Subject::cx());
    let (set, mut members) = two(on, "absent").await?;
    fails(sets.quiesce(&cx, &set, &[], LIMITS).await, Invalid)?;
    let absent = on.subvolume("nobody");
    members.push(absent);
    fails(sets.quiesce(&cx, &set, &members, LIMITS).await, NotFound)?;
    members.truncate(2);
    let bad = Subvolume {
        name: "../x".to_owned(),
        ..on.subvolume("x")
    };
    let refused = sets.quiesce(&cx, &set, &[bad], LIMITS).await;
    ensure!(refused.is_err_and(|error| error.kind == Invalid && error.errno.is_none()));
    remove(on, &members).await
}
