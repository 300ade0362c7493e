//! The contract suite on the cluster in memory.

use std::future::{Ready, ready};
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use ceph::memory::{Cloner, Memory};
use ceph::suite::{Files, Locks, Quiescing, Subject};

fn subject(case: &str, cloner: Cloner, quiescing: Quiescing) -> Ready<anyhow::Result<Subject>> {
    let memory = Memory::new();
    memory.set_cloner(cloner);
    if quiescing == Quiescing::Known {
        memory.know_quiesce();
    }
    memory.create_filesystem("another");
    let fs = memory.create_filesystem("contract");
    memory.create_group("contract", "csi");
    ready(Ok(Subject {
        cluster: memory.client(),
        other: memory.client(),
        fs,
        group: "csi".to_owned(),
        unique: case.to_owned(),
        files: Arc::new(Pretended(memory)),
        locks: Locks::Allowed,
        quiescing,
    }))
}

#[derive(Debug)]
struct Pretended(Memory);

#[async_trait]
impl Files for Pretended {
    async fn write(&self, path: &str, bytes: u64) -> anyhow::Result<()> {
        let all = self.0.subvolumes();
        let found = all.iter().find(|(_, state)| state.path == path);
        let (at, _) = found.context("no such directory")?;
        self.0.fill(at, bytes);
        Ok(())
    }

    /// As if each file had a MiB.
    async fn write_many(&self, path: &str, files: u32) -> anyhow::Result<()> {
        self.write(path, u64::from(files) << 20).await
    }
}

mod as_ceph_16 {
    use super::{Cloner, Quiescing, Ready, Subject};

    fn subject(case: &str) -> Ready<anyhow::Result<Subject>> {
        let cloner = Cloner {
            steps_per_mib: 1,
            ..Cloner::default()
        };
        super::subject(case, cloner, Quiescing::Unknown)
    }

    ceph::contract_tests!(subject);
}

/// Which refuses clones that would have to wait, as 18 does too.
mod as_ceph_20 {
    use super::{Cloner, Quiescing, Ready, Subject};

    fn subject(case: &str) -> Ready<anyhow::Result<Subject>> {
        let cloner = Cloner {
            steps_per_mib: 1,
            refuses: true,
            ..Cloner::default()
        };
        super::subject(case, cloner, Quiescing::Known)
    }

    ceph::contract_tests!(subject);
}
