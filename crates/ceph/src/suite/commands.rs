//! Monitor and manager commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};

use super::{Subject, fails};
use crate::ErrorKind::{Invalid, Unsupported};
use crate::{Command, Connection, ErrorKind};

/// Commands that nobody knows are told apart from bad arguments, where Ceph does.
pub async fn commands_that_do_not_exist(on: &Subject) -> anyhow::Result<()> {
    let command = Command::new("fs nonsense", &BTreeMap::<String, String>::new())?;
    fails(
        on.cluster.mgr_command(&Subject::cx(), &command).await,
        Unsupported,
    )?;
    fails(
        on.cluster.mon_command(&Subject::cx(), &command).await,
        Invalid,
    )
}

/// A connection finds the file system by name and by id, and says what there is instead.
pub async fn filesystems_are_listed(on: &Subject) -> anyhow::Result<()> {
    let connection = Connection::new(Arc::clone(&on.cluster));
    let cx = Subject::cx();
    ensure!(connection.filesystem(&cx, &on.fs.name).await? == on.fs);
    ensure!(connection.filesystem_with_id(&cx, on.fs.id).await? == on.fs);
    ensure!(on.fs.metadata_pool > 0 && !on.fs.data_pools.is_empty());
    let missing = connection.filesystem(&cx, "no such fs").await;
    let error = missing.err().context("found what is not there")?;
    ensure!(error.kind == ErrorKind::NotFound);
    ensure!(error.to_string().contains(&on.fs.name), "{error}");
    Ok(())
}
