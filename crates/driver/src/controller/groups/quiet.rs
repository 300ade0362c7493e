//! A period in which clients hold their writes to some volumes back.
//!
//! It ends in every case: with the work, with the failure of the work, with the request that is given up at
//! its deadline. If this process dies, or cannot reach Ceph, the metadata server ends it by itself after
//! [`expiration`]; a repeat of the request ends it at once.

use std::sync::Arc;
use std::time::Duration;

use ceph::{Context, ErrorKind, Quiesce, QuiesceLimits, QuiesceSet, Subvolume};
use tracing::Instrument as _;

use crate::backend::Session;
use crate::error::Error;

/// The longest that clients may take to write out what they have begun.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is kept of the request's time for the end of the period.
const FOR_THE_END: Duration = Duration::from_secs(3);
/// The longest attempt to end it after the request itself.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// How long writes are held back at most, if nobody ends that: a snapshot takes some milliseconds, or some
/// hundred where the manager is busy.
fn expiration(members: usize) -> Duration {
    let members = u32::try_from(members).unwrap_or(u32::MAX);
    let each = Duration::from_millis(500).saturating_mul(members);
    (Duration::from_secs(10) + each).min(Duration::from_mins(1))
}

/// The set for the group snapshot `name`, called as ceph-csi calls it.
pub(super) fn set(session: &Session, name: &str) -> QuiesceSet {
    QuiesceSet {
        fs: session.filesystem.name.clone(),
        name: name.to_owned(),
    }
}

/// Ends a period that an earlier attempt may have left; also tells whether this Ceph knows such periods.
///
/// # Errors
/// [`Error::NoQuiesce`], [`Error::Ceph`].
pub(super) async fn end_earlier(
    cx: &Context,
    session: &Session,
    set: &QuiesceSet,
) -> Result<(), Error> {
    let ended = session.connection.quiesce().cancel(cx, set).await;
    ended.map_err(|error| match error.kind {
        ErrorKind::Unsupported => Error::NoQuiesce(error),
        _ => error.into(),
    })
}

/// Does `work` while nothing is written to `members`. Success means that nothing was, from its beginning
/// to its end.
///
/// # Errors
/// Those of `work`, and of holding the writes back.
pub(super) async fn during<T, E, F>(
    cx: &Context,
    session: &Session,
    set: &QuiesceSet,
    members: &[Subvolume],
    work: impl FnOnce(Context) -> F,
) -> Result<T, E>
where
    E: From<ceph::Error>,
    F: Future<Output = Result<T, E>>,
{
    let for_the_end = FOR_THE_END.min(cx.remaining() / 4);
    let inner = cx.at_most(cx.remaining().saturating_sub(for_the_end));
    let limits = QuiesceLimits {
        patience: PATIENCE.min(inner.remaining() / 2),
        expiration: expiration(members.len()),
    };
    let sets = session.connection.quiesce();
    let mut period = Period {
        sets: Arc::clone(&sets),
        set: set.clone(),
        over: false,
    };
    let done = async {
        let quiet = sets.quiesce(&inner, set, members, limits).await?;
        let done = work(inner.clone()).await?;
        sets.release(&inner, set, quiet).await?;
        Ok(done)
    };
    let done = done.await;
    period.over = done.is_ok() || end(&cx.at_most(FOR_THE_END), &*sets, set).await;
    done
}

/// Ends the period in whatever state it is, and tells whether it is over.
async fn end(cx: &Context, sets: &dyn Quiesce, set: &QuiesceSet) -> bool {
    let ended = sets.cancel(cx, set).await;
    let failed = ended.inspect_err(|error| {
        let name = &set.name;
        tracing::warn!("writes to the volumes of `{name}` may be held back a while yet: {error}");
    });
    failed.is_ok()
}

/// A period that may be going on: ended when dropped, if not before.
struct Period {
    sets: Arc<dyn Quiesce>,
    set: QuiesceSet,
    over: bool,
}

impl Drop for Period {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.over {
            return;
        }
        let (sets, set) = (Arc::clone(&self.sets), self.set.clone());
        let end = async move {
            let cx = Context::with_timeout(AFTERWARDS);
            end(&cx, &*sets, &set).await;
        };
        runtime.spawn(end.in_current_span());
    }
}
