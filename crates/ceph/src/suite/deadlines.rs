//! Deadlines and steps.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::{Subject, fails};
use crate::ErrorKind::{NotFound, TimedOut};
use crate::{Command, Context, Lock, ReadOp, WriteOp, WriteStep};

/// With an expired context every call is `TimedOut` at once and does nothing.
pub async fn expired_contexts_time_out_at_once(on: &Subject) -> anyhow::Result<()> {
    let (cluster, object) = (&on.cluster, on.object("late"));
    let cx = Context::with_timeout(Duration::ZERO);
    let started = Instant::now();
    let create = WriteOp::new().then(WriteStep::Create);
    fails(cluster.write(&cx, &object, create).await, TimedOut)?;
    fails(
        cluster.read(&cx, &object, ReadOp::default()).await,
        TimedOut,
    )?;
    let lock = Lock {
        name: "l".to_owned(),
        cookie: "c".to_owned(),
        description: String::new(),
        duration: Duration::ZERO,
    };
    fails(cluster.lock(&cx, &object, &lock).await, TimedOut)?;
    fails(cluster.unlock(&cx, &object, "l", "c").await, TimedOut)?;
    fails(cluster.mon_command(&cx, &fs_ls()?).await, TimedOut)?;
    fails(cluster.mgr_command(&cx, &subvolume_ls(on)?).await, TimedOut)?;
    ensure!(started.elapsed() < Duration::from_secs(10));
    ensure!(!cluster.is_retired(), "retired by calls that were not made");
    ensure!(cluster.abandoned_calls() == 0);
    fails(on.read(&object, ReadOp::default()).await, NotFound)
}

/// Each call says what it waits for, and its error names the same.
pub async fn steps_are_noted(on: &Subject) -> anyhow::Result<()> {
    let (cx, object) = (Subject::cx(), on.object("noted"));
    let step = || {
        let current = cx.progress().current().context("no step noted")?;
        anyhow::Ok(current.what)
    };
    let missing = on.cluster.read(&cx, &object, ReadOp::default()).await;
    ensure!(step()?.contains(&object.name), "{}", step()?);
    let text = missing.err().context("read an absent object")?.to_string();
    ensure!(text.contains(&object.name), "{text}");

    on.cluster.mon_command(&cx, &fs_ls()?).await?;
    ensure!(step()?.contains("mon command `fs ls`"), "{}", step()?);
    on.cluster.mgr_command(&cx, &subvolume_ls(on)?).await?;
    ensure!(
        step()?.contains("mgr command `fs subvolume ls`"),
        "{}",
        step()?
    );
    Ok(())
}

fn fs_ls() -> crate::Result<Command> {
    Command::new(
        "fs ls",
        &std::collections::BTreeMap::<String, String>::new(),
    )
}

fn subvolume_ls(on: &Subject) -> crate::Result<Command> {
    let arguments = [("vol_name", &on.fs.name), ("group_name", &on.group)];
    let arguments = std::collections::BTreeMap::from(arguments);
    Command::new("fs subvolume ls", &arguments)
}
