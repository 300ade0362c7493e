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
    key: Key,
}

impl Held {
    pub(super) fn new(running: &Arc<Running>, operation: Arc<Operation>, key: Key) -> Self {
        let hold = Hold {
            running: Arc::clone(running),
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
        if let Some(holder) = running.get(&key) {
            return Err(holder.busy(key));
        }
        running.insert(key.clone(), Arc::clone(&self.operation));
        Ok(Hold {
            running: Arc::clone(&self.running),
            key,
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}
