//! Who still needs a snapshot: the references of snapshot-backed volumes, kept as ceph-csi keeps them.
//!
//! A volume that shows a snapshot has no data of its own, so the snapshot must outlive it, also after its
//! deletion was asked for. The object `rt-backingsnapshot-<snapshot id>` holds a reference for each such
//! volume (its subvolume name, though no subvolume of that name exists) and one for the snapshot itself
//! (its id). A snapshot that is deleted while volumes show it has its own reference *masked*; whoever
//! takes the last reference away takes the object away with it, and the snapshot has to go.
//!
//! Each change reads the object and writes it back on condition that nobody else wrote it meanwhile; who
//! lost such a race tries again. So changes by several processes, ceph-csi's included, never lose a
//! reference, and each of them can be repeated.

mod format;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use ceph::{Cluster, Context, ErrorKind, Object, ReadOp, WriteOp, WriteStep};

use self::format::Reference;

/// Who has lost a race waits before the next one, the longer the more it has lost, up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The references of one file system.
#[derive(Clone, Debug)]
pub struct RefTracker {
    cluster: Arc<dyn Cluster>,
    /// Id of the metadata pool.
    pool: i64,
    /// Namespace of the journal.
    namespace: String,
}

/// What holds a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing, and there is no object: nothing ever held it, or the last reference is gone.
    No,
    /// Something, and nobody has asked to delete the snapshot.
    Yes,
    /// Volumes hold it, though it is deleted: it has to go with the last of them.
    Masked,
}

/// The references could not be read or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Ceph failed.
    #[error("references of a snapshot: {0}")]
    Ceph(#[from] ceph::Error),
    /// The object is not as any driver writes it.
    #[error(
        "object `{object}`: {what}; it counts the volumes that show a snapshot, and nothing is changed \
         that it does not explain"
    )]
    Malformed {
        /// The object.
        object: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Others changed the object whenever we were about to.
    #[error(
        "object `{0}` keeps changing under us: many volumes of one snapshot come or go at once"
    )]
    Contended(String),
}

/// The references that a change is about, as they are before it.
struct State {
    version: u64,
    /// How many references are not masked, those that were not asked for included.
    count: u32,
    found: BTreeMap<String, Reference>,
}

impl RefTracker {
    /// The references in `namespace` of the metadata pool `pool`.
    pub fn new(cluster: Arc<dyn Cluster>, pool: i64, namespace: &str) -> Self {
        Self {
            cluster,
            pool,
            namespace: namespace.to_owned(),
        }
    }

    /// Lets the volume with the subvolume name `user` hold the snapshot, and tells whether it does: a masked
    /// snapshot is held by those only who did before. Nothing changes if it holds it already.
    ///
    /// # Errors
    /// [`Error`]; a repeat ends right.
    pub async fn add(&self, cx: &Context, snapshot: &str, user: &str) -> Result<bool, Error> {
        let keys = [snapshot, user];
        self.change(cx, snapshot, &keys, |object, state| match state {
            None => {
                let all = keys.map(|key| (key.to_owned(), Reference::Normal.to_bytes()));
                let create = WriteOp::new()
                    .then(WriteStep::CreateExclusive)
                    .then(format::version())
                    .then(WriteStep::OmapSet(all.into()))
                    .then(format::count(2));
                Ok((Some(create), true))
            }
            Some(state) if state.found.contains_key(user) => Ok((None, true)),
            Some(state) if state.held(snapshot) == Held::Masked => Ok((None, false)),
            Some(state) => {
                let missing = keys.iter().filter(|key| !state.found.contains_key(**key));
                let missing: BTreeMap<_, _> = missing
                    .map(|key| ((*key).to_owned(), Reference::Normal.to_bytes()))
                    .collect();
                let added = u32::try_from(missing.len()).ok();
                let sum = added.and_then(|added| state.count.checked_add(added));
                let sum = sum.ok_or_else(|| malformed(object, "its count has no room for more"))?;
                let write = state.unchanged();
                let write = write.then(WriteStep::OmapSet(missing));
                Ok((Some(write.then(format::count(sum))), true))
            }
        })
        .await
    }

    /// Takes the references `users` away, those that are there; the snapshot's own is the one by its id, and
    /// stays if it is masked. [`Held::No`] if none is left.
    ///
    /// Unless it is `noted` elsewhere that the snapshot is deleted, only the mask tells, and it would go with the
    /// last reference: then nothing changes, and it is [`Held::Masked`].
    ///
    /// # Errors
    /// [`Error`]; a repeat ends right.
    pub async fn remove(
        &self,
        cx: &Context,
        snapshot: &str,
        users: &[&str],
        noted: bool,
    ) -> Result<Held, Error> {
        let keys: Vec<_> = users.iter().copied().chain([snapshot]).collect();
        self.change(cx, snapshot, &keys, |object, state| {
            let Some(mut state) = state else {
                return Ok((None, Held::No));
            };
            let mut gone = Vec::new();
            for &user in users {
                if user == snapshot && state.held(snapshot) == Held::Masked {
                    continue;
                }
                if let Some(reference) = state.found.remove(user) {
                    gone.push(user.to_owned());
                    state.discount(object, reference)?;
                }
            }
            let held = state.held(snapshot);
            if gone.is_empty() || (state.count == 0 && held == Held::Masked && !noted) {
                return Ok((None, held));
            }
            Ok(state.written(snapshot, WriteStep::OmapRemove(gone)))
        })
        .await
    }

    /// Masks the snapshot's own reference: it is deleted as soon as nothing else holds it. [`Held::No`]
    /// if that is now.
    ///
    /// # Errors
    /// [`Error`]; a repeat ends right.
    pub async fn mask(&self, cx: &Context, snapshot: &str) -> Result<Held, Error> {
        self.change(cx, snapshot, &[snapshot], |object, state| {
            let Some(mut state) = state else {
                return Ok((None, Held::No));
            };
            match state.found.insert(snapshot.to_owned(), Reference::Mask) {
                Some(Reference::Mask) => return Ok((None, Held::Masked)),
                Some(normal) => state.discount(object, normal)?,
                None => {}
            }
            let masked = BTreeMap::from([(snapshot.to_owned(), Reference::Mask.to_bytes())]);
            Ok(state.written(snapshot, WriteStep::OmapSet(masked)))
        })
        .await
    }

    /// Whether the volume with the subvolume name `user` holds the snapshot.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn is_held_by(
        &self,
        cx: &Context,
        snapshot: &str,
        user: &str,
    ) -> Result<bool, Error> {
        let state = self.read(cx, &self.object(snapshot), &[user]).await?;
        Ok(state.is_some_and(|state| state.found.contains_key(user)))
    }

    /// The volumes that hold the snapshot, by the names of their subvolumes.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn users(&self, cx: &Context, snapshot: &str) -> Result<Vec<String>, Error> {
        let found = self.cluster.read_omap(cx, &self.object(snapshot), "").await;
        match found {
            Ok(keys) => Ok(keys.into_keys().filter(|key| key != snapshot).collect()),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets `decide` make a write from what is there, until nobody has interfered.
    async fn change<T: Send>(
        &self,
        cx: &Context,
        snapshot: &str,
        keys: &[&str],
        decide: impl Fn(&Object, Option<State>) -> Result<(Option<WriteOp>, T), Error> + Send + Sync,
    ) -> Result<T, Error> {
        let object = self.object(snapshot);
        for lost in 1.. {
            let state = self.read(cx, &object, keys).await?;
            let (write, outcome) = decide(&object, state)?;
            let Some(write) = write else {
                return Ok(outcome);
            };
            match self.cluster.write(cx, &object, write).await {
                Ok(()) => return Ok(outcome),
                Err(error) if lost_race(error.kind) => {}
                Err(error) => return Err(error.into()),
            }
            let pause = pause(lost);
            if cx.remaining() < pause {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(Error::Contended(object.name))
    }

    async fn read(
        &self,
        cx: &Context,
        object: &Object,
        keys: &[&str],
    ) -> Result<Option<State>, Error> {
        let read = ReadOp {
            omap_keys: keys.iter().map(|&key| key.to_owned()).collect(),
            xattrs: vec![format::VERSION.to_owned()],
            // One byte more than there should be shows an object of another form.
            data: Some(format::COUNT_LEN + 1),
            ..ReadOp::default()
        };
        match self.cluster.read(cx, object, read).await {
            Ok(answer) => State::parse(object, &answer).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn object(&self, snapshot: &str) -> Object {
        Object {
            pool: self.pool,
            namespace: self.namespace.clone(),
            name: format::object(snapshot),
        }
    }
}

/// How long to wait after so many lost races; by chance, as others have lost the same one.
fn pause(lost: u32) -> Duration {
    let longest = LONGEST_PAUSE.min(Duration::from_millis(1) * lost);
    let chance = RandomState::new().hash_one(lost) % 1024;
    longest * u32::try_from(chance).unwrap_or_default() / 1024
}

impl State {
    /// The start of a write that takes effect only on what was read.
    fn unchanged(&self) -> WriteOp {
        WriteOp::new().then(WriteStep::AssertVersion(self.version))
    }

    /// One reference fewer, if it counts.
    fn discount(&mut self, object: &Object, reference: Reference) -> Result<(), Error> {
        if reference == Reference::Normal {
            let less = self.count.checked_sub(1);
            self.count = less.ok_or_else(|| malformed(object, "it counts fewer than it has"))?;
        }
        Ok(())
    }

    /// The write that brings about this state by `step`; without references the object goes.
    fn written(&self, snapshot: &str, step: WriteStep) -> (Option<WriteOp>, Held) {
        let write = self.unchanged();
        if self.count == 0 {
            return (Some(write.then(WriteStep::Remove)), Held::No);
        }
        let write = write.then(step).then(format::count(self.count));
        (Some(write), self.held(snapshot))
    }

    fn held(&self, snapshot: &str) -> Held {
        match self.found.get(snapshot) {
            Some(Reference::Mask) => Held::Masked,
            _ => Held::Yes,
        }
    }
}

/// Somebody else created, changed or removed the object since it was read.
fn lost_race(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::VersionChanged | ErrorKind::AlreadyExists | ErrorKind::NotFound
    )
}

fn malformed(object: &Object, what: &'static str) -> Error {
    let object = object.name.clone();
    Error::Malformed { object, what }
}
