//! What a running request keeps others from.

use std::sync::{Arc, PoisonError};

use super::{Busy, Key, Operation, Running};

/// The key of a running request; further ones can be taken as it goes on. Freed when the last clone is
/// dropped.
#[derive(Clone, Debug)]
pub struct Held {
    running: Arc<Running>,
    operation: Arc<Operation>,
    _key: Option<Arc<Hold>>,
}

/// Keeps one key from others until it is dropped.
#[derive(Debug)]
pub struct Hold {
    running: Arc<Running>,
    operation: Arc<Operation>,
    key: Key,
}

/// Who holds a key: one request alone, or any number that do not disturb each other.
#[derive(Debug)]
pub(super) struct Holders {
    shared: bool,
    first: Arc<Operation>,
    others: Vec<Arc<Operation>>,
}

impl Held {
    pub(super) fn new(running: &Arc<Running>, operation: Arc<Operation>, key: Key) -> Self {
        let hold = Hold {
            running: Arc::clone(running),
            operation: Arc::clone(&operation),
            key,
        };
        Self {
            running: Arc::clone(running),
            operation,
            _key: Some(Arc::new(hold)),
        }
    }

    pub(super) fn without_key(running: &Arc<Running>, operation: Arc<Operation>) -> Self {
        Self {
            running: Arc::clone(running),
            operation,
            _key: None,
        }
    }

    pub(super) fn operation(&self) -> &Arc<Operation> {
        &self.operation
    }

    /// Keeps others from `key` as well: a request for an id learns the volume's name only on its way.
    ///
    /// # Errors
    /// [`Busy`] if another request holds it; nobody ever waits for a key, so nobody waits for ever.
    pub fn also(&self, key: Key) -> Result<Hold, Busy> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holders) = running.get(&key) {
            return Err(holders.busy(key));
        }
        running.insert(key.clone(), Holders::one(&self.operation));
        Ok(self.hold(key))
    }

    /// Keeps others from having `key` alone: those that only need the thing to stay as it is share it.
    ///
    /// # Errors
    /// [`Busy`] if another request holds it alone.
    pub fn share(&self, key: Key) -> Result<Hold, Busy> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.get_mut(&key) {
            Some(holders) if holders.shared => holders.others.push(Arc::clone(&self.operation)),
            Some(holders) => return Err(holders.busy(key)),
            None => {
                let shared = Holders {
                    shared: true,
                    ..Holders::one(&self.operation)
                };
                running.insert(key.clone(), shared);
            }
        }
        Ok(self.hold(key))
    }

    fn hold(&self, key: Key) -> Hold {
        Hold {
            running: Arc::clone(&self.running),
            operation: Arc::clone(&self.operation),
            key,
        }
    }
}

impl Holders {
    pub(super) fn one(operation: &Arc<Operation>) -> Self {
        Self {
            shared: false,
            first: Arc::clone(operation),
            others: Vec::new(),
        }
    }

    pub(super) fn operations(&self) -> impl Iterator<Item = &Arc<Operation>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// What another request for the key is told.
    pub(super) fn busy(&self, key: Key) -> Busy {
        self.first.busy(key)
    }

    /// Takes `operation` out, once; whether nobody is left.
    fn leave(&mut self, operation: &Arc<Operation>) -> bool {
        if Arc::ptr_eq(&self.first, operation) {
            let Some(next) = self.others.pop() else {
                return true;
            };
            self.first = next;
            return false;
        }
        let mut others = self.others.iter();
        let own = others.position(|other| Arc::ptr_eq(other, operation));
        if let Some(own) = own {
            self.others.swap_remove(own);
        }
        false
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let left = running.get_mut(&self.key);
        if left.is_some_and(|holders| holders.leave(&self.operation)) {
            running.remove(&self.key);
        }
    }
}
