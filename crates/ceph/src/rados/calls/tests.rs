use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Calls;
use crate::rados::workers::Workers;
use crate::{Context, ErrorKind};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_mins(1);

/// A call that ends when the sender is dropped.
fn held() -> (mpsc::Sender<()>, impl FnOnce() -> crate::Result<()> + Send) {
    let (release, wait) = mpsc::channel();
    let work = move || {
        let _ = wait.recv();
        Ok(())
    };
    (release, work)
}

async fn eventually(condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < LONG, "waited in vain");
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_answer_in_time_is_the_answer() {
    let (calls, workers) = (Calls::new("the manager", 1), Workers::default());
    let cx = Context::with_timeout(LONG);
    for n in 0..3 {
        let answer = calls
            .run(&workers, &cx, ("call", "call"), move || Ok(n))
            .await;
        assert_eq!(answer.unwrap(), n);
    }
    assert_eq!(cx.progress().current().unwrap().what, "call");
    assert_eq!(calls.abandoned(), 0);
    assert!(!calls.had_no_answer());
}

#[tokio::test]
async fn a_call_without_answer_is_left_at_the_deadline_and_counts_until_it_ends() {
    let (calls, workers) = (Calls::new("the manager", 4), Workers::default());
    let (release, work) = held();
    let cx = Context::with_timeout(SHORT);
    let error = calls
        .run(&workers, &cx, ("call", "call"), work)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    let text = error.to_string();
    assert!(text.contains("the manager did not answer for"), "{text}");
    assert!(calls.had_no_answer());
    assert_eq!(calls.abandoned(), 1);
    drop(release);
    eventually(|| calls.abandoned() == 0).await;
    assert!(calls.had_no_answer());
}

/// The last call of a request that has taken long has only the rest of the time.
#[tokio::test(start_paused = true)]
async fn an_unanswered_call_tells_of_the_whole_request_too() {
    let (calls, workers) = (Calls::new("the manager", 4), Workers::default());
    let cx = Context::with_timeout(Duration::from_millis(120_400));
    cx.step("earlier", "earlier");
    sleep(Duration::from_mins(2)).await;
    let (release, work) = held();
    let error = calls.run(&workers, &cx, ("call", "call"), work).await;
    let text = error.unwrap_err().to_string();
    let told = "the manager did not answer for 400.0ms, the last of the 120.4s that there were for all \
                calls; `ceph -s` tells which daemon is down";
    assert!(text.contains(told), "{text}");
    drop(release);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_call_behind() {
    let (calls, workers) = (Arc::new(Calls::new("the manager", 4)), Workers::default());
    let (release, work) = held();
    let caller = tokio::spawn({
        let (calls, cx) = (Arc::clone(&calls), Context::with_timeout(LONG));
        async move { calls.run(&workers, &cx, ("call", "call"), work).await }
    });
    eventually(|| !calls.open.lock().is_empty()).await;
    assert_eq!(calls.abandoned(), 0);
    caller.abort();
    eventually(|| calls.abandoned() == 1).await;
    drop(release);
    eventually(|| calls.open.lock().is_empty()).await;
    assert!(!calls.had_no_answer(), "it was not waited for");
}

#[tokio::test]
async fn when_all_slots_are_taken_a_call_waits_and_says_for_whom() {
    let (calls, workers) = (Calls::new("the manager", 2), Workers::default());
    let mut held_calls = Vec::new();
    for _ in 0..2 {
        let (release, work) = held();
        held_calls.push(release);
        let cx = Context::with_timeout(SHORT);
        calls
            .run(&workers, &cx, ("held", "held"), work)
            .await
            .unwrap_err();
    }
    let (ran, has_run) = mpsc::channel();
    let cx = Context::with_timeout(SHORT);
    let work = move || ran.send(()).map_err(|_| unreachable!());
    let error = calls
        .run(&workers, &cx, ("third", "third"), work)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    let text = error.to_string();
    assert!(text.contains("third"), "{text}");
    assert!(
        text.contains("2 calls are waiting for the manager already, the first for"),
        "{text}"
    );
    assert!(
        has_run.try_recv().is_err(),
        "a call was made after its deadline"
    );

    held_calls.pop();
    let cx = Context::with_timeout(LONG);
    calls
        .run(&workers, &cx, ("fourth", "fourth"), || Ok(()))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_expired_context_makes_no_call() {
    let (calls, workers) = (Calls::new("the manager", 1), Workers::default());
    let (ran, has_run) = mpsc::channel();
    let cx = Context::with_timeout(Duration::ZERO);
    let work = move || ran.send(()).map_err(|_| unreachable!());
    let error = calls
        .run(&workers, &cx, ("call", "call"), work)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut);
    assert!(has_run.recv().is_err());
    assert!(!calls.had_no_answer());
}

#[tokio::test]
async fn a_panic_is_an_error_and_frees_its_slot() {
    let (calls, workers) = (Calls::new("the manager", 1), Workers::default());
    let cx = Context::with_timeout(LONG);
    for _ in 0..3 {
        let work = || -> crate::Result<()> { panic!("expected by the test") };
        let error = calls
            .run(&workers, &cx, ("call", "call"), work)
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Other);
    }
    eventually(|| calls.open.lock().is_empty()).await;
    assert_eq!(calls.abandoned(), 0);
}
