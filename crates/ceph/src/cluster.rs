//! The boundary to Ceph.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Context, Object, OmapPage, ReadAnswer, ReadOp, Result, WriteOp};

/// Omap entries that are asked for at once.
const OMAP_PAGE: u64 = 512;

/// A connection to one Ceph cluster as one cephx user.
///
/// Contract of every method: it answers before the deadline of its [`Context`], with
/// [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) if Ceph has not answered by then (the effect may
/// still come later); it notes what it waits for with [`Context::step`]; dropping its future neither
/// blocks nor corrupts anything, but the effect may still come. Implementations pass [`crate::suite`].
#[async_trait]
pub trait Cluster: Send + Sync + fmt::Debug {
    /// Reads from one object. `NotFound` if the object or its pool is not there.
    async fn read(&self, cx: &Context, object: &Object, op: ReadOp) -> Result<ReadAnswer>;

    /// All omap entries of an object whose keys begin with `prefix`, page by page: what others change meanwhile may
    /// be among them or not. `NotFound` as of [`Cluster::read`].
    async fn read_omap(
        &self,
        cx: &Context,
        object: &Object,
        prefix: &str,
    ) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut entries = BTreeMap::new();
        let mut after = String::new();
        loop {
            let page = OmapPage {
                after,
                prefix: prefix.to_owned(),
                max: OMAP_PAGE,
            };
            let read = ReadOp {
                omap_page: Some(page),
                ..ReadOp::default()
            };
            let answer = self.read(cx, object, read).await?;
            let last = answer.omap.keys().next_back().cloned();
            entries.extend(answer.omap);
            match last.filter(|_| answer.more) {
                Some(last) => after = last,
                None => return Ok(entries),
            }
        }
    }

    /// Changes one object atomically.
    async fn write(&self, cx: &Context, object: &Object, op: WriteOp) -> Result<()>;

    /// Takes the exclusive advisory lock of an object, creating the object if needed.
    /// [`Locked`](crate::ErrorKind::Locked) if another holder or cookie has it,
    /// `AlreadyExists` if this very cookie has it already, `PermissionDenied` if the user's capability
    /// for the pool is without `x`.
    async fn lock(&self, cx: &Context, object: &Object, lock: &Lock) -> Result<()>;

    /// Releases a lock. `NotFound` if this cookie does not hold it.
    async fn unlock(&self, cx: &Context, object: &Object, name: &str, cookie: &str) -> Result<()>;

    /// Runs a monitor command and returns its output.
    async fn mon_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>>;

    /// Runs a manager command and returns its output.
    async fn mgr_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>>;

    /// Whether this connection should serve no further request, because a manager command on it got
    /// no answer: the session may be half open, so [`crate::Pool`] replaces the connection.
    fn is_retired(&self) -> bool;

    /// Whether Ceph has refused a call on this connection for want of capabilities. Its daemons learn those of a user
    /// when it connects to them, so what is granted later helps new connections alone: [`crate::Pool`] replaces it
    /// after some seconds.
    fn was_refused(&self) -> bool;

    /// How many calls were given up at their deadline and have still got no answer. They hold the
    /// session and its threads, so [`crate::Pool`] bounds the retired connections that have some.
    fn abandoned_calls(&self) -> usize;
}

/// A command to a monitor or manager: a JSON object with a `prefix`.
#[derive(Clone, PartialEq)]
pub struct Command {
    prefix: &'static str,
    json: String,
}

impl Command {
    /// A command `prefix` whose other arguments are the fields of `arguments` (a struct or map).
    /// `format: json` is added, as everything here reads JSON answers. Commands are few and known: what
    /// varies is in the arguments.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if `arguments` does not serialise to an object.
    pub fn new(prefix: &'static str, arguments: &impl serde::Serialize) -> Result<Self> {
        let call = || format!("command `{prefix}`");
        let invalid = |detail: String| crate::Error::new(crate::ErrorKind::Invalid, call(), detail);
        let serde_json::Value::Object(mut object) =
            serde_json::to_value(arguments).map_err(|error| invalid(error.to_string()))?
        else {
            return Err(invalid("arguments are not an object".to_owned()));
        };
        object.insert("prefix".to_owned(), prefix.into());
        object.insert("format".to_owned(), "json".into());
        let json = serde_json::Value::Object(object).to_string();
        Ok(Self { prefix, json })
    }

    /// What the command does, e.g. `fs subvolume create`.
    pub fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// The command as Ceph takes it.
    pub fn json(&self) -> &str {
        &self.json
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.json)
    }
}

/// An exclusive advisory lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Name of the lock; an object may have several.
    pub name: String,
    /// Tells holders of one client apart.
    pub cookie: String,
    /// For people.
    pub description: String,
    /// After this time the lock is free even if its holder died; zero means never.
    pub duration: Duration,
}
