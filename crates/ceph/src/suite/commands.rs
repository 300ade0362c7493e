//! Monitor and manager commands.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};

use super::{Subject, fails};
use crate::ErrorKind::{Invalid, Unsupported};
use crate::{Command, Connection, ErrorKind, health, storage};

/// Commands that nobody knows are told apart from bad arguments, where Ceph does; every manager with the module
/// `volumes` knows `fs volume ls`.
pub async fn commands_that_do_not_exist(on: &Subject) -> anyhow::Result<()> {
    let command = Command::new("fs nonsense", &BTreeMap::<String, String>::new())?;
    fails(
        on.cluster.mgr_command(&Subject::cx(), &command).await,
        Unsupported,
    )?;
    let volumes = Command::new("fs volume ls", &BTreeMap::<String, String>::new())?;
    let volumes = on.cluster.mgr_command(&Subject::cx(), &volumes).await?;
    ensure!(serde_json::from_slice::<serde_json::Value>(&volumes)?.is_array());
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

/// The file system has a metadata server for each of its ranks, and its pools are there and not full.
pub async fn health_is_reported(on: &Subject) -> anyhow::Result<()> {
    let report = health::report(&*on.cluster, &Subject::cx()).await?;
    let mut filesystems = report.filesystems.iter();
    let state = filesystems.find(|state| state.filesystem == on.fs);
    let ranks = &state.context("the file system is not in the report")?.ranks;
    ensure!(ranks.wanted.iter().eq(ranks.active.keys()), "{ranks:?}");
    ensure!(
        ranks.wanted.contains(&0) && ranks.damaged.is_empty(),
        "{ranks:?}"
    );
    for id in on.fs.data_pools.iter().chain([&on.fs.metadata_pool]) {
        let pool = report.pools.iter().find(|pool| pool.id == *id);
        let pool = pool.with_context(|| format!("pool {id} is not in the report"))?;
        ensure!(!pool.full && !pool.name.is_empty(), "{pool:?}");
    }
    Ok(())
}

/// There is room in the data pools.
pub async fn pools_have_room(on: &Subject) -> anyhow::Result<()> {
    let room = storage::room(&*on.cluster, &Subject::cx()).await?;
    for id in &on.fs.data_pools {
        let room = room.iter().find(|room| room.pool == *id);
        let room = room.with_context(|| format!("nothing is told of pool {id}"))?;
        ensure!(room.available > 1 << 20, "{room:?}");
    }
    Ok(())
}
