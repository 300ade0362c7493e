//! What the pool keeps for each identity, and when it lets go of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::{Attempt, Connection, Identity, Joined};
use crate::Cluster;

/// A connection that nobody has used for this time is closed.
const IDLE: Duration = Duration::from_mins(10);
/// How often idle connections are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// A connection that lacks capabilities is replaced at this age: then they may have been granted, and if not, a user
/// who asks in vain connects no more often.
const REFUSED_AGE: Duration = Duration::from_secs(5);
/// So many replaced connections of an identity may still have calls that Ceph has not answered.
const MAX_LINGERING: usize = 2;

#[derive(Default)]
pub(super) struct Slots(Mutex<State>);

#[derive(Default)]
struct State {
    by_identity: HashMap<Identity, Slot>,
    sweeping: bool,
}

#[derive(Default)]
struct Slot {
    live: Option<Live>,
    attempt: Option<Attempt>,
    /// Replaced connections with abandoned calls.
    lingering: Vec<Arc<dyn Cluster>>,
}

struct Live {
    connection: Arc<Connection>,
    made: Instant,
    used: Instant,
}

impl Slots {
    /// The connection of `identity` if there is one to use, else the attempt to make it, which
    /// `start` begins if nobody did.
    pub(super) fn connection_or_attempt(
        &self,
        identity: &Identity,
        start: impl FnOnce() -> Attempt,
    ) -> Joined {
        let mut state = self.lock();
        let slot = state.by_identity.entry(identity.clone()).or_default();
        if let Some(connection) = slot.usable() {
            return Joined::Connection(connection);
        }
        // An attempt that ended without saying so has panicked.
        slot.attempt.take_if(|attempt| attempt.peek().is_some());
        Joined::Attempt(slot.attempt.get_or_insert_with(start).clone())
    }

    /// Notes that the attempt for `identity` ended, with a connection or without.
    pub(super) fn attempt_ended(
        self: &Arc<Self>,
        identity: &Identity,
        connection: Option<&Arc<Connection>>,
    ) {
        let mut state = self.lock();
        if let Some(connection) = connection {
            // The monitors accept this key, so any other one that this user had is out of date.
            state
                .by_identity
                .retain(|other, _| other == identity || !other.is_same_user(identity));
            let slot = state.by_identity.entry(identity.clone()).or_default();
            slot.replace(Arc::clone(connection));
        }
        if let Some(slot) = state.by_identity.get_mut(identity) {
            slot.attempt = None;
        }
        state.by_identity.retain(|_, slot| !slot.is_empty());
        if !state.sweeping && !state.by_identity.is_empty() {
            state.sweeping = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes idle connections until there are none, or no pool.
async fn sweep(slots: Weak<Slots>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(slots) = slots.upgrade() else {
            return;
        };
        let mut state = slots.lock();
        state.by_identity.retain(|_, slot| {
            slot.close_if_idle();
            !slot.is_empty()
        });
        if state.by_identity.is_empty() {
            state.sweeping = false;
            return;
        }
    }
}

impl Slot {
    /// The connection that new requests shall use. A retired one is among them when too many linger:
    /// more sessions would not help a cluster that does not answer, and librados reconnects by itself.
    fn usable(&mut self) -> Option<Arc<Connection>> {
        self.forget_finished();
        let live = self.live.as_mut()?;
        if live.is_out_of_date() && self.lingering.len() < MAX_LINGERING {
            return None;
        }
        live.used = Instant::now();
        Some(Arc::clone(&live.connection))
    }

    fn replace(&mut self, connection: Arc<Connection>) {
        let made = Instant::now();
        let live = Live {
            connection,
            made,
            used: made,
        };
        if let Some(old) = self.live.replace(live) {
            self.lingering.push(Arc::clone(old.connection.cluster()));
        }
        self.forget_finished();
    }

    fn forget_finished(&mut self) {
        self.lingering
            .retain(|cluster| cluster.abandoned_calls() > 0);
    }

    fn close_if_idle(&mut self) {
        self.forget_finished();
        if let Some(live) = &mut self.live {
            let in_use = Arc::strong_count(&live.connection) > 1;
            if in_use {
                live.used = Instant::now();
            } else if live.used.elapsed() >= IDLE {
                self.live = None;
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.live.is_none() && self.attempt.is_none() && self.lingering.is_empty()
    }
}

impl Live {
    fn is_out_of_date(&self) -> bool {
        let has_aged = self.made.elapsed() >= REFUSED_AGE;
        self.connection.cluster().is_retired() || has_aged && self.connection.lacks_capabilities()
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.lock().by_identity.keys())
            .finish()
    }
}
