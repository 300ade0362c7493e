//! Connecting as a step of a [`Faults`].

use std::sync::Arc;

use async_trait::async_trait;

use super::Faults;
use crate::{Cluster, Connect, Context, Identity, Result};

#[derive(Debug)]
pub(super) struct FaultyConnect {
    faults: Faults,
    connect: Arc<dyn Connect>,
}

impl FaultyConnect {
    pub(super) fn new(faults: Faults, connect: Arc<dyn Connect>) -> Self {
        Self { faults, connect }
    }
}

#[async_trait]
impl Connect for FaultyConnect {
    async fn connect(&self, cx: &Context, identity: &Identity) -> Result<Arc<dyn Cluster>> {
        let what = format!("connect {identity}");
        let effect = self.connect.connect(cx, identity);
        let cluster = self.faults.step(cx, &what, effect).await??;
        Ok(self.faults.wrap(cluster))
    }
}
