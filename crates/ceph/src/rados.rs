//! [`Cluster`] over librados.
//!
//! librados blocks, and a manager command cannot be called off (the crate `librados` says why). So each
//! call runs on a worker thread that owns all it needs, and the caller waits for its answer
//! until the deadline. A call that is left alone at its deadline keeps its thread and the connection
//! until it is answered, which a manager does as soon as there is one again; their number is
//! bounded, for each connection.

mod calls;
mod client;
mod failure;
mod reach;
mod steps;
mod workers;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use client::Client;
use librados::{Config, Monitors};
use tokio::sync::oneshot;
use workers::Workers;

use crate::{Cluster, Connect, Context, Error, ErrorKind, Identity, Result};

/// Monitors answer a login within milliseconds, and within seconds while they elect a leader. A request
/// that fails after this time says why, and is sent again.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// What connections have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A `ceph.conf` to honour by connections that are made while it is there. What this crate sets
    /// itself (monitors, key, timeouts, logs) wins.
    pub conf_file: Option<PathBuf>,
    /// After this time librados gives up a call to an OSD; the deadlines of callers are mostly shorter.
    pub osd_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            conf_file: None,
            osd_timeout: Duration::from_secs(30),
        }
    }
}

/// Makes connections over librados, which share their worker threads.
pub struct Connector {
    settings: Settings,
    workers: Workers,
}

impl Connector {
    /// A connector; it connects to nothing yet, nor loads the C library.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            workers: Workers::default(),
        }
    }

    /// Connects as `identity`, before the deadline of `cx`.
    ///
    /// # Errors
    /// As of [`Connect::connect`].
    pub async fn open(&self, cx: &Context, identity: &Identity) -> Result<Client> {
        let call = format!("connect {identity}");
        let config = self.config(cx, identity, &call)?;
        let user = identity.user.clone();
        let (give, answer) = oneshot::channel();
        let (deadline, name) = (cx.deadline(), call.clone());
        let connected = cx
            .within("connect", &call, async {
                self.workers.run(&call, move || {
                    let connected = reach::connect(&config, deadline);
                    // If nobody waits any more the connection is closed again.
                    let _ = give.send(connected.map_err(|error| error.of_user(name, &user)));
                })?;
                let died = || Error::new(ErrorKind::Other, &*call, "librados panicked");
                answer.await.unwrap_or_else(|_| Err(died()))
            })
            .await?;
        Ok(Client::new(connected, &self.settings, &self.workers))
    }

    fn config(&self, cx: &Context, identity: &Identity, call: &str) -> Result<Config> {
        let monitors = Monitors::parse(&identity.monitors)
            .map_err(|error| Error::new(ErrorKind::Invalid, call, error.to_string()))?;
        Ok(Config {
            monitors,
            user: identity.user.clone(),
            key: identity.key.clone(),
            // Read for each connection: librados would call its absence a missing user (errno 2).
            conf_file: self
                .settings
                .conf_file
                .clone()
                .filter(|file| file.is_file()),
            // The rest of the time is for finding out why it failed.
            connect_timeout: CONNECT_LIMIT.min(cx.remaining() * 2 / 3),
            osd_timeout: self.settings.osd_timeout,
        })
    }
}

#[async_trait]
impl Connect for Connector {
    async fn connect(&self, cx: &Context, identity: &Identity) -> Result<Arc<dyn Cluster>> {
        Ok(Arc::new(self.open(cx, identity).await?))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conf_file_counts_while_it_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ceph.conf");
        let connector = Connector::new(Settings {
            conf_file: Some(file.clone()),
            ..Settings::default()
        });
        let identity = Identity {
            monitors: "127.0.0.1".to_owned(),
            user: "nobody".to_owned(),
            key: "AQ==".into(),
        };
        let cx = Context::with_timeout(Duration::from_secs(1));
        let used = || connector.config(&cx, &identity, "test").unwrap().conf_file;
        assert_eq!(used(), None);
        std::fs::write(&file, "[global]\n").unwrap();
        assert_eq!(used(), Some(file.clone()));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(used(), None);
    }
}
