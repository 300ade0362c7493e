//! A call that waits while others go on, so that a test decides who comes first.

use std::sync::Arc;

use tokio::sync::watch;

/// Where a call waits. Clones are the same.
#[derive(Clone, Debug)]
pub struct Pause(Arc<watch::Sender<Stage>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No call has come there.
    Ahead,
    /// One has, and waits.
    Waiting,
    Over,
}

impl Pause {
    /// For a [`Fault::Pause`](super::Fault::Pause).
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Ahead)))
    }

    /// Returns once a call waits here, or the pause is over. Whether a call waits.
    pub async fn reached(&self) -> bool {
        let mut stage = self.0.subscribe();
        // The sender lives in `self`, so this does not end otherwise.
        let reached = stage.wait_for(|stage| *stage != Stage::Ahead).await;
        reached.is_ok_and(|stage| *stage == Stage::Waiting)
    }

    /// Lets the call go on, or the one that comes here later.
    pub fn end(&self) {
        self.0.send_replace(Stage::Over);
    }

    pub(super) async fn wait(&self) {
        let arrived = |stage: &mut Stage| {
            let ahead = *stage == Stage::Ahead;
            if ahead {
                *stage = Stage::Waiting;
            }
            ahead
        };
        self.0.send_if_modified(arrived);
        let mut stage = self.0.subscribe();
        let _ = stage.wait_for(|stage| *stage == Stage::Over).await;
    }
}

impl Default for Pause {
    fn default() -> Self {
        Self::new()
    }
}
