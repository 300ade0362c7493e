//! Advisory locks, as the OSD's `lock` class keeps them.

use tokio::time::Instant;

use super::State;
use super::client::{Errno, Refusal};
use crate::{Lock, Object};

/// Who has a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    client: u64,
    cookie: String,
    /// `None` for never.
    until: Option<Instant>,
}

impl State {
    pub(super) fn take_lock(
        &mut self,
        object: &Object,
        client: u64,
        lock: &Lock,
    ) -> Result<(), Refusal> {
        let now = Instant::now();
        let new = Holder {
            client,
            cookie: lock.cookie.clone(),
            until: (!lock.duration.is_zero()).then(|| now + lock.duration),
        };
        self.update(object, |state| {
            let locks = &mut state.get_or_insert_default().locks;
            let holder = locks
                .get(&lock.name)
                .filter(|holder| holder.until.is_none_or(|until| until > now));
            match holder {
                Some(holder) if holder.is(client, &lock.cookie) => Err(Errno::Exists.into()),
                Some(_) => Err(Errno::Busy.into()),
                None => {
                    locks.insert(lock.name.clone(), new);
                    Ok(())
                }
            }
        })
    }

    pub(super) fn release_lock(
        &mut self,
        object: &Object,
        client: u64,
        name: &str,
        cookie: &str,
    ) -> Result<(), Refusal> {
        self.update(object, |state| {
            let locks = state.as_mut().map(|state| &mut state.locks);
            let locks = locks.ok_or(Errno::NoEntry)?;
            let held = locks
                .get(name)
                .is_some_and(|holder| holder.is(client, cookie));
            if !held {
                return Err(Errno::NoEntry.into());
            }
            locks.remove(name);
            Ok(())
        })
    }
}

impl Holder {
    fn is(&self, client: u64, cookie: &str) -> bool {
        (self.client, self.cookie.as_str()) == (client, cookie)
    }
}
