//! Advisory locks.

use std::time::Duration;

use anyhow::ensure;

use super::{Locks, Subject, fails};
use crate::ErrorKind::{AlreadyExists, Locked, NotFound, PermissionDenied};
use crate::{Lock, Object, ReadOp, WriteStep};

/// A held lock is refused to other clients and cookies until its holder gives it back.
pub async fn lock_excludes_everybody_else(on: &Subject) -> anyhow::Result<()> {
    let (object, cx) = (on.object("lock"), Subject::cx());
    if on.locks == Locks::Denied {
        return are_denied(on, &object).await;
    }
    let mine = lock("l", "mine", Duration::from_mins(1));
    fails(on.cluster.unlock(&cx, &object, "l", "mine").await, NotFound)?;
    on.cluster.lock(&cx, &object, &mine).await?;
    on.read(&object, ReadOp::default()).await?;
    fails(on.cluster.lock(&cx, &object, &mine).await, AlreadyExists)?;
    let same_client = lock("l", "other", Duration::from_mins(1));
    fails(on.cluster.lock(&cx, &object, &same_client).await, Locked)?;
    fails(on.other.lock(&cx, &object, &mine).await, Locked)?;
    fails(on.other.unlock(&cx, &object, "l", "mine").await, NotFound)?;
    fails(
        on.cluster.unlock(&cx, &object, "l", "other").await,
        NotFound,
    )?;

    on.cluster.unlock(&cx, &object, "l", "mine").await?;
    fails(on.cluster.unlock(&cx, &object, "l", "mine").await, NotFound)?;
    on.other.lock(&cx, &object, &mine).await?;
    fails(on.cluster.lock(&cx, &object, &mine).await, Locked)?;
    on.other.unlock(&cx, &object, "l", "mine").await?;
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// Locks of other names do not matter.
pub async fn locks_of_different_names_are_independent(on: &Subject) -> anyhow::Result<()> {
    let (object, cx) = (on.object("locks"), Subject::cx());
    if on.locks == Locks::Denied {
        return are_denied(on, &object).await;
    }
    let never = Duration::ZERO;
    on.cluster
        .lock(&cx, &object, &lock("a", "1", never))
        .await?;
    on.other.lock(&cx, &object, &lock("b", "1", never)).await?;
    let taken = on.other.lock(&cx, &object, &lock("a", "2", never)).await;
    fails(taken, Locked)?;
    on.cluster.unlock(&cx, &object, "a", "1").await?;
    on.other.unlock(&cx, &object, "b", "1").await?;
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// A lock is free again when its time is over.
pub async fn locks_expire(on: &Subject) -> anyhow::Result<()> {
    let (object, cx) = (on.object("expiry"), Subject::cx());
    if on.locks == Locks::Denied {
        return are_denied(on, &object).await;
    }
    let short = lock("l", "1", Duration::from_secs(3));
    on.cluster.lock(&cx, &object, &short).await?;
    fails(on.other.lock(&cx, &object, &short).await, Locked)?;
    let long = lock("l", "2", Duration::from_mins(1));
    while let Err(error) = on.other.lock(&cx, &object, &long).await {
        ensure!(error.kind == Locked, "{error}");
        on.pause().await;
    }
    let gone = on.cluster.unlock(&cx, &object, "l", "1").await;
    ensure!(gone.is_err(), "released what was another's");
    on.other.unlock(&cx, &object, "l", "2").await?;
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

async fn are_denied(on: &Subject, object: &Object) -> anyhow::Result<()> {
    let (cx, lock) = (Subject::cx(), lock("l", "1", Duration::ZERO));
    let denied = on.cluster.lock(&cx, object, &lock).await;
    fails(denied, PermissionDenied)?;
    let denied = on.cluster.unlock(&cx, object, "l", "1").await;
    fails(denied, PermissionDenied)?;
    fails(on.read(object, ReadOp::default()).await, NotFound)
}

fn lock(name: &str, cookie: &str, duration: Duration) -> Lock {
    Lock {
        name: name.to_owned(),
        cookie: cookie.to_owned(),
        description: "contract".to_owned(),
        duration,
    }
}
