//! Asks the API to keep events: each once in a while, and never many at once.

use std::collections::HashMap;
use std::time::Duration;

use ceph::Context;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{About, Event, Reason};
use crate::kubernetes::{Api, Error, NewEvent, ObjectRef};

/// The same is not told again for this time.
const QUIET: Duration = Duration::from_mins(10);

/// Between two Events; a node with a hundred volumes that recover has told of all within half a minute.
const PACE: Duration = Duration::from_millis(300);

/// How long the API may take.
const LIMIT: Duration = Duration::from_secs(10);

/// As much of a message is kept, as the API takes no more.
const LONGEST: usize = 1000;

/// Tells one event after the other.
#[derive(Debug)]
pub(super) struct Recorder {
    api: Api,
    driver: String,
    node: String,
    told: HashMap<(About, Reason), Instant>,
}

impl Recorder {
    pub(super) fn new(api: Api, driver: &str, node: &str) -> Self {
        Self {
            api,
            driver: driver.to_owned(),
            node: node.to_owned(),
            told: HashMap::new(),
        }
    }

    /// Tells what comes, until nobody can send any more.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Event>) {
        while let Some(event) = waiting.recv().await {
            if !self.is_new(&event) {
                continue;
            }
            if let Err(error) = self.record(&event).await {
                let Event { about, reason, .. } = &event;
                tracing::warn!("no Event {reason:?} for {about:?}: {error}");
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Whether it was not told lately; from now on it counts as told, if the API takes it or not.
    fn is_new(&mut self, event: &Event) -> bool {
        self.told.retain(|_, since| since.elapsed() < QUIET);
        let key = (event.about.clone(), event.reason);
        let is_new = !self.told.contains_key(&key);
        if is_new {
            self.told.insert(key, Instant::now());
        }
        is_new
    }

    async fn record(&self, event: &Event) -> Result<(), Error> {
        let cx = Context::with_timeout(LIMIT);
        let about = match &event.about {
            About::Claim { namespace, name } => Some(self.api.claim(&cx, namespace, name).await?),
            About::Volume(name) => self.api.claim_of(&cx, name).await?,
            About::SnapshotContent(name) => self.api.snapshot_of(&cx, name).await?,
        };
        match about {
            Some(about) => {
                let message = self.message(event, about);
                self.api.create_event(&cx, &message).await
            }
            // Nobody uses it by way of an object in a namespace.
            None => Ok(()),
        }
    }

    fn message<'a>(&'a self, event: &Event, about: ObjectRef) -> NewEvent<'a> {
        NewEvent {
            about,
            reason: format!("{:?}", event.reason),
            severity: format!("{:?}", event.reason.severity()),
            message: event.message.chars().take(LONGEST).collect(),
            at: Timestamp::now(),
            driver: &self.driver,
            node: &self.node,
        }
    }
}
