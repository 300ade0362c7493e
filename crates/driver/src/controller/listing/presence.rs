//! Which subvolumes there are: asked for whole groups, as asking for each volume would keep the manager
//! busy, and remembered for some minutes, as listing a group of thousands takes it a second.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ceph::Context;
use tokio::time::Instant;

use crate::backend::Session;
use crate::error::Error;

/// What is known is asked again after this time. It serves to find volumes whose subvolume somebody has
/// removed by hand; what this driver does is in the journal at once.
const MAX_AGE: Duration = Duration::from_mins(5);
/// The manager gets this long to list a group. Not the deadline of a request, as others wait for it too.
const LIMIT: Duration = Duration::from_mins(1);

/// Names of subvolumes.
pub(super) type Names = Arc<HashSet<String>>;

/// The names of each group's subvolumes, as they were some minutes ago at most.
#[derive(Debug, Default)]
pub(in crate::controller) struct Directories(Mutex<HashMap<Key, Arc<Directory>>>);

/// Monitors, file system, group.
type Key = (String, i64, String);

#[derive(Debug, Default)]
struct Directory {
    known: Mutex<Option<(Instant, Names)>>,
    /// Held by whoever asks the manager.
    asking: tokio::sync::Mutex<()>,
}

impl Directories {
    /// The names in `group`, waited for as long as `cx` allows.
    pub(super) async fn get(
        &self,
        cx: &Context,
        session: &Session,
        group: &str,
    ) -> Result<Names, Error> {
        let directory = self.directory(session, group);
        if let Some(names) = directory.fresh() {
            return Ok(names);
        }
        let refresh = Arc::clone(&directory).refresh(session.clone(), group.to_owned());
        let what = format!("names of all subvolumes in group `{group}`");
        // A task of its own: who does not wait for it gets the answer the next time.
        let task = tokio::spawn(refresh);
        let answer = cx.within("subvolume names", &what, async {
            task.await.unwrap_or_else(|died| {
                Err(ceph::Error::new(
                    ceph::ErrorKind::Other,
                    &*what,
                    died.to_string(),
                ))
            })
        });
        Ok(answer.await?)
    }

    /// The names in `group` if they are known or the manager tells them within `patience`; older ones
    /// than usual if it does not.
    ///
    /// # Errors
    /// Those of the manager's answer. That there is none yet is no error.
    pub(super) async fn get_soon(
        &self,
        cx: &Context,
        session: &Session,
        group: &str,
        patience: Duration,
    ) -> Result<Option<Names>, Error> {
        match self.get(&cx.at_most(patience), session, group).await {
            Ok(names) => Ok(Some(names)),
            Err(Error::Ceph(error)) if error.kind == ceph::ErrorKind::TimedOut => {
                Ok(self.directory(session, group).last())
            }
            Err(error) => Err(error),
        }
    }

    fn directory(&self, session: &Session, group: &str) -> Arc<Directory> {
        let monitors = session.cluster.monitors.clone();
        let key = (monitors, session.filesystem.id, group.to_owned());
        let mut directories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(directories.entry(key).or_default())
    }
}

impl Directory {
    fn fresh(&self) -> Option<Names> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = known
            .as_ref()
            .filter(|(since, _)| since.elapsed() < MAX_AGE);
        fresh.map(|(_, names)| Arc::clone(names))
    }

    fn last(&self) -> Option<Names> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|(_, names)| Arc::clone(names))
    }

    async fn refresh(self: Arc<Self>, session: Session, group: String) -> ceph::Result<Names> {
        let cx = Context::with_timeout(LIMIT);
        let _asking = self.asking.lock().await;
        if let Some(names) = self.fresh() {
            return Ok(names);
        }
        let since = Instant::now();
        let fs = &session.filesystem.name;
        let names = session.subvolumes.list(&cx, fs, &group).await?;
        let names: Names = Arc::new(names.into_iter().collect());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((since, Arc::clone(&names)));
        Ok(names)
    }
}
