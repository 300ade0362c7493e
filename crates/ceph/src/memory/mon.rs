//! Monitor commands.

use serde_json::{Value, json};

use super::State;
use super::client::{Errno, Refusal};
use crate::{Command, Filesystem};

impl State {
    pub(super) fn mon_command(&self, command: &Command) -> Result<Vec<u8>, Refusal> {
        let filesystems = || self.filesystems.iter().map(|fs| &fs.facts);
        let answer = match command.prefix() {
            "fs dump" => json!({ "filesystems": filesystems().map(dumped).collect::<Vec<_>>() }),
            "fs ls" => filesystems().map(|fs| self.listed(fs)).collect(),
            "osd lspools" => self
                .pools
                .iter()
                .map(|(id, pool)| json!({ "poolnum": id, "poolname": pool.name }))
                .collect(),
            _ => return Err(Refusal::new(Errno::Invalid, "command not known")),
        };
        Ok(answer.to_string().into_bytes())
    }

    fn listed(&self, fs: &Filesystem) -> Value {
        let data_pools: Vec<_> = fs.data_pools.iter().map(|id| self.pool_name(*id)).collect();
        json!({
            "name": fs.name,
            "metadata_pool": self.pool_name(fs.metadata_pool),
            "metadata_pool_id": fs.metadata_pool,
            "data_pool_ids": fs.data_pools,
            "data_pools": data_pools,
        })
    }

    pub(super) fn pool_name(&self, id: i64) -> &str {
        self.pools.get(&id).map_or("", |pool| pool.name.as_str())
    }
}

fn dumped(fs: &Filesystem) -> Value {
    json!({
        "id": fs.id,
        "mdsmap": {
            "fs_name": fs.name,
            "metadata_pool": fs.metadata_pool,
            "data_pools": fs.data_pools,
        },
    })
}
