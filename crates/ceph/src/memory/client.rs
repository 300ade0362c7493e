//! A client's side of the cluster in memory: the [`Cluster`] trait.

use std::fmt;

use async_trait::async_trait;

use super::{Memory, State};
use crate::{Cluster, Command, Context, Error, Lock, Object, ReadAnswer, ReadOp, Result, WriteOp};

/// A connection to a [`Memory`].
pub struct MemoryClient {
    memory: Memory,
    /// Tells the lock holders of different clients apart.
    id: u64,
}

impl MemoryClient {
    pub(super) fn new(memory: Memory) -> Self {
        let id = {
            let mut state = memory.lock();
            state.clients += 1;
            state.clients
        };
        Self { memory, id }
    }

    /// One call: others run before and after its effect, as with a cluster behind a network.
    async fn call<T: Send>(
        &self,
        cx: &Context,
        (kind, call): (&'static str, &str),
        effect: impl FnOnce(&mut State) -> Result<T, Refusal> + Send,
    ) -> Result<T> {
        cx.within(kind, call, async {
            tokio::task::yield_now().await;
            let answer = effect(&mut self.memory.lock());
            tokio::task::yield_now().await;
            answer.map_err(|refusal| Error::answered(call, refusal.errno, refusal.text))
        })
        .await
    }
}

/// An errno with the words that come with it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) errno: i32,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(errno: Errno, text: impl Into<String>) -> Self {
        Self {
            errno: errno as i32,
            text: text.into(),
        }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::new(errno, "")
    }
}

/// The errnos that this cluster answers.
#[derive(Clone, Copy)]
pub(super) enum Errno {
    NotPermitted = 1,
    NoEntry = 2,
    Again = 11,
    Busy = 16,
    Exists = 17,
    Invalid = 22,
    TooManyLinks = 31,
    Range = 34,
    NotEmpty = 39,
    Overflow = 75,
    NotSupported = 95,
    TimedOut = 110,
    Stale = 116,
    Canceled = 125,
}

#[async_trait]
impl Cluster for MemoryClient {
    async fn read(&self, cx: &Context, object: &Object, op: ReadOp) -> Result<ReadAnswer> {
        let call = format!("read object `{}`", object.name);
        self.call(cx, (op.kind(), &call), |state| state.read(object, &op))
            .await
    }

    async fn write(&self, cx: &Context, object: &Object, op: WriteOp) -> Result<()> {
        let call = format!("write object `{}`", object.name);
        self.call(cx, (op.kind(), &call), |state| state.write(object, op))
            .await
    }

    async fn lock(&self, cx: &Context, object: &Object, lock: &Lock) -> Result<()> {
        let call = format!("lock object `{}`", object.name);
        self.call(cx, ("lock", &call), |state| {
            state.take_lock(object, self.id, lock)
        })
        .await
    }

    async fn unlock(&self, cx: &Context, object: &Object, name: &str, cookie: &str) -> Result<()> {
        let call = format!("unlock object `{}`", object.name);
        self.call(cx, ("unlock", &call), |state| {
            state.release_lock(object, self.id, name, cookie)
        })
        .await
    }

    async fn mon_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        let call = format!("mon command `{}`", command.prefix());
        self.call(cx, (command.prefix(), &call), |state| {
            state.mon_command(command)
        })
        .await
    }

    async fn mgr_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        let call = format!("mgr command `{}`", command.prefix());
        if self.memory.lock().hangs(command) {
            return cx
                .within(command.prefix(), &call, std::future::pending())
                .await;
        }
        self.call(cx, (command.prefix(), &call), |state| {
            state.mgr_command(command)
        })
        .await
    }

    fn is_retired(&self) -> bool {
        false
    }

    fn was_refused(&self) -> bool {
        false
    }

    fn abandoned_calls(&self) -> usize {
        0
    }
}

impl fmt::Debug for MemoryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryClient")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
