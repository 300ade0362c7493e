//! Monitor commands.

use serde_json::{Map, Value, json};

use super::client::{Errno, Refusal};
use super::volumes::{Mds, Volume};
use super::{Pool, State};
use crate::health::Check;
use crate::{Command, Filesystem};

impl State {
    pub(super) fn mon_command(&self, command: &Command) -> Result<Vec<u8>, Refusal> {
        let answer = match command.prefix() {
            "df" => json!({ "pools": self.pools.iter().filter_map(used).collect::<Vec<_>>() }),
            "fs dump" => {
                let filesystems: Vec<_> = self.filesystems.iter().map(dumped).collect();
                json!({ "filesystems": filesystems })
            }
            "fs ls" => self
                .filesystems
                .iter()
                .map(|fs| self.listed(&fs.facts))
                .collect(),
            "health" => {
                json!({ "checks": self.checks.iter().map(complaint).collect::<Map<_, _>>() })
            }
            "osd lspools" => self
                .pools
                .iter()
                .map(|(id, pool)| json!({ "poolnum": id, "poolname": pool.name }))
                .collect(),
            "osd pool ls" => self.pools.iter().map(detailed).collect(),
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

fn dumped(fs: &Volume) -> Value {
    let facts = &fs.facts;
    let daemon = json!({ "name": "a", "rank": 0, "state": "up:active" });
    let info = match fs.mds {
        Mds::Active => json!({ "gid_1": daemon }),
        Mds::Stopped | Mds::Damaged => json!({}),
    };
    let damaged = Vec::from(if fs.mds == Mds::Damaged {
        &[0][..]
    } else {
        &[]
    });
    json!({
        "id": facts.id,
        "mdsmap": {
            "fs_name": facts.name,
            "metadata_pool": facts.metadata_pool,
            "data_pools": facts.data_pools,
            "in": [0],
            "damaged": damaged,
            "info": info,
        },
    })
}

fn used((id, pool): (&i64, &Pool)) -> Option<Value> {
    let room = pool.room?;
    Some(json!({ "id": id, "name": pool.name, "stats": { "max_avail": room } }))
}

fn detailed((id, pool): (&i64, &Pool)) -> Value {
    let flags = if pool.full {
        "hashpspool,full"
    } else {
        "hashpspool"
    };
    json!({ "pool_id": id, "pool_name": pool.name, "flags_names": flags })
}

fn complaint(check: &Check) -> (String, Value) {
    let message = |text: &String| json!({ "message": text });
    let answer = json!({
        "summary": message(&check.summary),
        "detail": check.details.iter().map(message).collect::<Vec<_>>(),
    });
    (check.code.clone(), answer)
}
