use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::future::join_all;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::*;
use crate::memory::Memory;
use crate::{Command, Lock, Object, ReadAnswer, ReadOp, WriteOp};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// Hands out fake clusters, one for each permit.
#[derive(Debug)]
struct Connector {
    permits: Semaphore,
    attempts: AtomicUsize,
    open: Arc<AtomicUsize>,
    made: Mutex<Vec<Arc<FakeState>>>,
}

#[derive(Debug, Default)]
struct FakeState {
    retired: AtomicBool,
    refused: AtomicBool,
    abandoned: AtomicUsize,
}

/// A cluster whose health the test decides; its calls are not made.
#[derive(Debug)]
struct Fake {
    state: Arc<FakeState>,
    open: Arc<AtomicUsize>,
    calls: Arc<dyn Cluster>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Connect for Connector {
    async fn connect(&self, _: &Context, identity: &Identity) -> Result<Arc<dyn Cluster>> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        match identity.user.as_str() {
            "refused" => return Err(Error::answered("connect", 13, "")),
            "panics" => panic!("a bug in the connector"),
            _ => {}
        }
        let state = Arc::new(FakeState::default());
        self.made.lock().unwrap().push(Arc::clone(&state));
        self.open.fetch_add(1, Ordering::SeqCst);
        let (open, calls) = (Arc::clone(&self.open), Memory::new().client());
        Ok(Arc::new(Fake { state, open, calls }))
    }
}

#[async_trait]
impl Cluster for Fake {
    async fn read(&self, cx: &Context, object: &Object, op: ReadOp) -> Result<ReadAnswer> {
        self.calls.read(cx, object, op).await
    }
    async fn write(&self, cx: &Context, object: &Object, op: WriteOp) -> Result<()> {
        self.calls.write(cx, object, op).await
    }
    async fn lock(&self, cx: &Context, object: &Object, lock: &Lock) -> Result<()> {
        self.calls.lock(cx, object, lock).await
    }
    async fn unlock(&self, cx: &Context, object: &Object, name: &str, cookie: &str) -> Result<()> {
        self.calls.unlock(cx, object, name, cookie).await
    }
    async fn mon_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        self.calls.mon_command(cx, command).await
    }
    async fn mgr_command(&self, cx: &Context, command: &Command) -> Result<Vec<u8>> {
        self.calls.mgr_command(cx, command).await
    }
    fn is_retired(&self) -> bool {
        self.state.retired.load(Ordering::SeqCst)
    }
    fn was_refused(&self) -> bool {
        self.state.refused.load(Ordering::SeqCst)
    }
    fn abandoned_calls(&self) -> usize {
        self.state.abandoned.load(Ordering::SeqCst)
    }
}

struct Fixture {
    connector: Arc<Connector>,
    pool: Arc<Pool>,
}

impl Fixture {
    /// A pool whose first `permits` connections succeed at once; later ones wait.
    fn new(permits: usize) -> Self {
        let connector = Arc::new(Connector {
            permits: Semaphore::new(permits),
            attempts: AtomicUsize::new(0),
            open: Arc::default(),
            made: Mutex::default(),
        });
        let pool = Arc::new(Pool::new(Arc::clone(&connector) as Arc<dyn Connect>));
        Self { connector, pool }
    }

    async fn get(&self, identity: &Identity) -> Result<Arc<Connection>> {
        self.pool
            .get(&Context::with_timeout(10 * SECOND), identity)
            .await
    }

    /// A `get` in a task of its own, which has begun to wait.
    async fn waiting(&self, limit: Duration) -> tokio::task::JoinHandle<Result<Arc<Connection>>> {
        let pool = Arc::clone(&self.pool);
        let task = tokio::spawn(async move {
            let cx = Context::with_timeout(limit);
            pool.get(&cx, &identity("csi", "k")).await
        });
        tokio::task::yield_now().await;
        task
    }

    fn attempts(&self) -> usize {
        self.connector.attempts.load(Ordering::SeqCst)
    }

    fn open(&self) -> usize {
        self.connector.open.load(Ordering::SeqCst)
    }

    /// Makes the latest connection one that a manager command timed out on.
    fn retire_latest(&self) -> Arc<FakeState> {
        let state = Arc::clone(self.connector.made.lock().unwrap().last().unwrap());
        state.retired.store(true, Ordering::SeqCst);
        state.abandoned.store(1, Ordering::SeqCst);
        state
    }
}

fn identity(user: &str, key: &str) -> Identity {
    Identity {
        monitors: "mon1,mon2".to_owned(),
        user: user.to_owned(),
        key: SecretString::from(key),
    }
}

#[tokio::test(start_paused = true)]
async fn callers_of_one_identity_share_a_connection() {
    let fixture = Fixture::new(10);
    let (csi, admin) = (identity("csi", "k"), identity("admin", "k"));
    let first = fixture.get(&csi).await.unwrap();
    let second = fixture.get(&csi).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let other = fixture.get(&admin).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
    assert_eq!(fixture.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_share_one_attempt() {
    let fixture = Fixture::new(1);
    let csi = identity("csi", "k");
    let connections = join_all((0..20).map(|_| fixture.get(&csi))).await;
    assert!(connections.iter().all(Result::is_ok));
    assert_eq!(fixture.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_fails_all_its_waiters_and_is_not_remembered() {
    let fixture = Fixture::new(10);
    let refused = identity("refused", "k");
    for error in join_all((0..5).map(|_| fixture.get(&refused))).await {
        assert_eq!(error.unwrap_err().kind, ErrorKind::PermissionDenied);
    }
    assert_eq!(fixture.attempts(), 1);
    fixture.get(&refused).await.unwrap_err();
    assert_eq!(fixture.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_connector_is_an_error_of_that_attempt_only() {
    let fixture = Fixture::new(10);
    let panics = identity("panics", "k");
    for attempts in 1..3 {
        fixture.get(&panics).await.unwrap_err();
        assert_eq!(fixture.attempts(), attempts);
    }
    fixture.get(&identity("csi", "k")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hurried_or_cancelled_waiter_leaves_the_attempt_to_the_others() {
    let fixture = Fixture::new(0);
    let hurried = fixture.waiting(SECOND).await;
    let cancelled = fixture.waiting(MINUTE).await;
    let patient = fixture.waiting(MINUTE).await;
    cancelled.abort();
    assert_eq!(
        hurried.await.unwrap().unwrap_err().kind,
        ErrorKind::TimedOut
    );
    fixture.connector.permits.add_permits(1);
    patient.await.unwrap().unwrap();
    assert_eq!(fixture.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_has_a_limit_of_its_own() {
    let fixture = Fixture::new(0);
    let patient = fixture.waiting(10 * MINUTE).await;
    let started = tokio::time::Instant::now();
    let error = patient.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(error.to_string().contains("client.csi"), "{error}");
    assert!(started.elapsed() <= ATTEMPT_LIMIT + SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_expired_context_gets_nothing() {
    let fixture = Fixture::new(10);
    let csi = identity("csi", "k");
    fixture.get(&csi).await.unwrap();
    let expired = Context::with_timeout(Duration::ZERO);
    let error = fixture.pool.get(&expired, &csi).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_after_ten_minutes() {
    let fixture = Fixture::new(10);
    let csi = identity("csi", "k");
    fixture.get(&csi).await.unwrap();
    sleep(9 * MINUTE).await;
    fixture.get(&csi).await.unwrap();
    sleep(9 * MINUTE).await;
    assert_eq!(fixture.open(), 1);
    sleep(3 * MINUTE).await;
    assert_eq!(fixture.open(), 0);
    fixture.get(&csi).await.unwrap();
    assert_eq!(fixture.attempts(), 2);
    sleep(12 * MINUTE).await;
    assert_eq!(fixture.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_in_use_is_not_idle() {
    let fixture = Fixture::new(10);
    let csi = identity("csi", "k");
    let held = fixture.get(&csi).await.unwrap();
    sleep(60 * MINUTE).await;
    assert!(Arc::ptr_eq(&held, &fixture.get(&csi).await.unwrap()));
    drop(held);
    sleep(5 * MINUTE).await;
    assert_eq!(fixture.open(), 1);
    sleep(7 * MINUTE).await;
    assert_eq!(fixture.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pool_closes_its_connections() {
    let fixture = Fixture::new(10);
    fixture.get(&identity("csi", "k")).await.unwrap();
    drop(fixture.pool);
    assert_eq!(fixture.connector.open.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_retired_connection_is_replaced_and_closed_when_its_calls_have_ended() {
    let fixture = Fixture::new(10);
    let csi = identity("csi", "k");
    let old = fixture.get(&csi).await.unwrap();
    let state = fixture.retire_latest();
    let new = fixture.get(&csi).await.unwrap();
    assert!(!Arc::ptr_eq(&old, &new));
    drop(old);
    assert_eq!(fixture.open(), 2);
    state.abandoned.store(0, Ordering::SeqCst);
    fixture.get(&csi).await.unwrap();
    assert_eq!(fixture.open(), 1);
    assert_eq!(fixture.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retired_connection_is_kept_until_its_replacement_is_there() {
    let fixture = Fixture::new(1);
    let csi = identity("csi", "k");
    fixture.get(&csi).await.unwrap();
    fixture.retire_latest();
    fixture.get(&csi).await.unwrap_err();
    assert_eq!(fixture.open(), 1);
    sleep(ATTEMPT_LIMIT).await;
    fixture.connector.permits.add_permits(1);
    fixture.get(&csi).await.unwrap();
    assert_eq!(fixture.open(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_two_retired_connections_linger() {
    let fixture = Fixture::new(10);
    let csi = identity("csi", "k");
    let mut retired = Vec::new();
    for _ in 0..5 {
        fixture.get(&csi).await.unwrap();
        retired.push(fixture.retire_latest());
    }
    assert_eq!(fixture.open(), 3);
    assert_eq!(fixture.attempts(), 3);
    let newest = fixture.get(&csi).await.unwrap();
    assert!(newest.cluster().is_retired());

    for state in retired {
        state.abandoned.store(0, Ordering::SeqCst);
    }
    let fresh = fixture.get(&csi).await.unwrap();
    assert!(!fresh.cluster().is_retired());
    drop(newest);
    assert_eq!(fixture.open(), 1);
}

/// Ceph takes a user's capabilities when it connects.
#[tokio::test(start_paused = true)]
async fn a_connection_that_was_refused_something_is_replaced_once_in_a_while() {
    let fixture = Fixture::new(10);
    let csi = identity("csi", "k");
    let made = |n: usize| Arc::clone(&fixture.connector.made.lock().unwrap()[n]);
    let missing = async |connection: Arc<Connection>| {
        let cx = Context::with_timeout(SECOND);
        connection.filesystem(&cx, "cephfs").await.unwrap_err();
    };
    fixture.get(&csi).await.unwrap();
    made(0).refused.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        fixture.get(&csi).await.unwrap();
        sleep(SECOND).await;
    }
    assert_eq!(fixture.attempts(), 1);
    sleep(3 * SECOND).await;
    missing(fixture.get(&csi).await.unwrap()).await;
    fixture.get(&csi).await.unwrap();
    assert_eq!((fixture.attempts(), fixture.open()), (2, 1));
    // What a user does not see it may see the next time.
    sleep(6 * SECOND).await;
    fixture.get(&csi).await.unwrap();
    assert_eq!((fixture.attempts(), fixture.open()), (3, 1));
    sleep(MINUTE).await;
    fixture.get(&csi).await.unwrap();
    assert_eq!(fixture.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_replaces_the_old_once_it_is_accepted() {
    let fixture = Fixture::new(1);
    let (old, new) = (identity("csi", "old"), identity("csi", "new"));
    fixture.get(&old).await.unwrap();
    fixture.get(&new).await.unwrap_err();
    fixture.get(&old).await.unwrap();
    assert_eq!((fixture.attempts(), fixture.open()), (2, 1));

    sleep(ATTEMPT_LIMIT).await;
    fixture.connector.permits.add_permits(10);
    fixture.get(&new).await.unwrap();
    assert_eq!(fixture.open(), 1);
    fixture.get(&identity("admin", "k")).await.unwrap();
    fixture.get(&new).await.unwrap();
    assert_eq!((fixture.attempts(), fixture.open()), (4, 2));
}

#[test]
fn an_identity_does_not_show_its_key() {
    let identity = identity("csi", "AQBsecret==");
    let shown = format!("{identity:?} {identity:#?} {identity}");
    assert!(!shown.contains("secret"), "{shown}");
    assert_eq!(identity.to_string(), "as `client.csi` to `mon1,mon2`");
}
