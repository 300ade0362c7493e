//! Shared connections: one per (monitors, user, key).

mod connection;
mod identity;
mod slot;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use connection::Connection;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
pub use identity::Identity;
use slot::Slots;

use crate::{Cluster, Context, Error, ErrorKind, Result};

/// An attempt to connect belongs to all who wait for it, so it has a limit of its own.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);

/// Makes connections.
#[async_trait]
pub trait Connect: Send + Sync + std::fmt::Debug {
    /// Connects as `identity`, before the deadline of `cx`. Dropping the cluster must not block.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] if no monitor answers, [`ErrorKind::PermissionDenied`] if they do
    /// not accept the user or its key, [`ErrorKind::Invalid`] if the monitors cannot be parsed.
    async fn connect(&self, cx: &Context, identity: &Identity) -> Result<Arc<dyn Cluster>>;
}

/// Hands out connections, which all callers of an identity share.
#[derive(Debug)]
pub struct Pool {
    connect: Arc<dyn Connect>,
    slots: Arc<Slots>,
}

type Attempt = Shared<BoxFuture<'static, Result<Arc<Connection>>>>;

impl Pool {
    /// A pool without connections; `connect` makes them on demand.
    pub fn new(connect: Arc<dyn Connect>) -> Self {
        Self {
            connect,
            slots: Arc::default(),
        }
    }

    /// The connection of `identity`, made now if there is none or if it is retired. Callers that come
    /// while it is being made wait for the same attempt, each until its own deadline. Keep the answer
    /// only as long as the request that needs it.
    ///
    /// # Errors
    /// Those of [`Connect::connect`]; [`ErrorKind::TimedOut`] at the deadline of `cx`.
    pub async fn get(&self, cx: &Context, identity: &Identity) -> Result<Arc<Connection>> {
        let call = format!("connect {identity}");
        cx.within("connect", &call, async {
            let joined = self
                .slots
                .connection_or_attempt(identity, || self.start_attempt(identity));
            match joined {
                Joined::Connection(connection) => Ok(connection),
                Joined::Attempt(attempt) => attempt.await,
            }
        })
        .await
    }

    /// Connects in a task of its own, so that no caller's end cancels it for the others.
    fn start_attempt(&self, identity: &Identity) -> Attempt {
        let (connect, slots) = (Arc::clone(&self.connect), Arc::clone(&self.slots));
        let (identity, call) = (identity.clone(), format!("connect {identity}"));
        let died = Error::new(ErrorKind::Other, &*call, "the attempt was broken off");
        let task = tokio::spawn(async move {
            let cx = Context::with_timeout(ATTEMPT_LIMIT);
            let connected = cx
                .within("connect", &call, connect.connect(&cx, &identity))
                .await
                .map(|cluster| Arc::new(Connection::new(cluster)));
            slots.attempt_ended(&identity, connected.as_ref().ok());
            connected
        });
        let answer = async move { task.await.unwrap_or(Err(died)) };
        answer.boxed().shared()
    }
}

/// What a caller gets at once: a connection, or the attempt to make one.
enum Joined {
    Connection(Arc<Connection>),
    Attempt(Attempt),
}

#[cfg(test)]
mod tests;
