use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;

fn call(rpc: &'static str, subject: &str, fingerprint: u64) -> Call {
    Call {
        rpc,
        subject: subject.to_owned(),
        key: Some(Key::VolumeName(subject.to_owned())),
        fingerprint: [fingerprint, 0],
    }
}

fn seconds(seconds: u64) -> Context {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(seconds);
    Context::new(deadline.into_std(), Progress::default())
}

#[tokio::test(start_paused = true)]
async fn equal_requests_share_one_task() {
    let operations = Operations::default();
    let (runs, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let request = |cx: Context| {
        let (operations, runs, go) = (&operations, Arc::clone(&runs), Arc::clone(&go));
        async move {
            let run = |_| async move {
                runs.fetch_add(1, Ordering::Relaxed);
                go.notified().await;
                Ok("made".to_owned())
            };
            operations.run(call("CreateVolume", "a", 1), &cx, run).await
        }
    };
    let release = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        go.notify_one();
    };
    let (a, b, ()) = tokio::join!(request(seconds(10)), request(seconds(10)), release);
    assert_eq!(
        (a.unwrap(), b.unwrap()),
        ("made".to_owned(), "made".to_owned())
    );
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_different_request_is_told_who_is_at_it() {
    let operations = Operations::default();
    let cx = seconds(10);
    let holder = operations.run(call("CreateVolume", "a", 1), &cx, |_| {
        let cx = cx.clone();
        async move {
            cx.step("fs subvolume create", "mgr command `fs subvolume create`");
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(())
        }
    });
    let cx_other = seconds(10);
    let other = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        operations
            .run::<(), _>(call("DeleteVolume", "a", 2), &cx_other, |_| async {
                Ok(())
            })
            .await
    };
    let (held, other) = tokio::join!(holder, other);
    held.unwrap();
    let text = other.unwrap_err().to_string();
    assert!(
        text.starts_with(
            "an operation with the given volume name a already exists: CreateVolume a"
        ),
        "{text}"
    );
    assert!(text.contains("mgr command `fs subvolume create`"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_leaves_the_task_running() {
    let operations = Operations::default();
    let ended = Arc::new(AtomicUsize::new(0));
    let cx = seconds(10);
    {
        let ended = Arc::clone(&ended);
        let request = operations.run(call("CreateVolume", "a", 1), &cx, |_| async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            ended.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        let gone = tokio::time::timeout(Duration::from_secs(1), request).await;
        assert!(gone.is_err());
    }
    assert!(operations.drain(Duration::from_secs(10)).await.is_empty());
    assert_eq!(ended.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_key_is_free_and_the_step_named() {
    let operations = Operations::default();
    let cx = seconds(2);
    let stuck = operations.run::<(), _>(call("CreateVolume", "a", 1), &cx, |_| {
        let cx = cx.clone();
        async move {
            cx.step("omap write", "omap write to csi.volumes.default");
            std::future::pending().await
        }
    });
    let error = stuck.await.unwrap_err();
    assert!(matches!(*error, Error::Expired(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("omap write to csi.volumes.default"),
        "{error}"
    );
    let cx = seconds(2);
    let next = operations.run(call("CreateVolume", "a", 2), &cx, |_| async { Ok(7) });
    assert_eq!(next.await.unwrap(), 7);
}

#[tokio::test]
async fn a_panic_is_an_error_and_frees_the_key() {
    let operations = Operations::default();
    let cx = Context::with_timeout(Duration::from_secs(5));
    let broken = operations.run::<(), _>(call("CreateVolume", "a", 1), &cx, |_| async {
        panic!("oh")
    });
    let error = broken.await.unwrap_err();
    assert!(
        matches!(&*error, Error::Panicked(text) if text == "oh"),
        "{error}"
    );
    let next = operations.run(call("DeleteVolume", "a", 2), &cx, |_| async { Ok(()) });
    next.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_further_key_is_held_as_long_as_it_is_kept() {
    let operations = Operations::default();
    let cx = seconds(10);
    let deleting = operations.run(call("DeleteVolume", "id-1", 1), &cx, |held| async move {
        let name = held.also(Key::VolumeName("a".to_owned()))?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(name);
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(())
    });
    let create = |after| {
        let (operations, cx) = (&operations, seconds(10));
        async move {
            tokio::time::sleep(Duration::from_secs(after)).await;
            operations
                .run(call("CreateVolume", "a", 1), &cx, |_| async { Ok(()) })
                .await
        }
    };
    let (deleted, early, late) = tokio::join!(deleting, create(1), create(3));
    deleted.unwrap();
    let early = early.unwrap_err();
    assert!(matches!(*early, Error::Busy(_)), "{early}");
    late.unwrap();
}

#[tokio::test(start_paused = true)]
async fn draining_names_what_still_runs() {
    let operations = Operations::default();
    let cx = seconds(100);
    let request = operations.run::<(), _>(call("CreateVolume", "slow-one", 1), &cx, |_| async {
        std::future::pending().await
    });
    let draining = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        operations.drain(Duration::from_secs(3)).await
    };
    tokio::select! {
        _ = request => panic!("it never ends"),
        left = draining => {
            assert_eq!(left.len(), 1);
            assert!(left[0].contains("slow-one"), "{left:?}");
        }
    }
}

/// Two that share a key run beside each other; who wants it alone is refused until both have ended, and
/// keeps others from sharing it.
#[tokio::test(start_paused = true)]
async fn a_key_can_be_shared() {
    let operations = Operations::default();
    let volume = || Key::Volume("v".to_owned());
    let run = |rpc: &'static str, subject: &'static str, from, to, alone| {
        let (operations, cx) = (&operations, seconds(100));
        async move {
            tokio::time::sleep(Duration::from_secs(from)).await;
            let request = |held: Held| async move {
                let _hold = if alone {
                    held.also(volume())
                } else {
                    held.share(volume())
                }?;
                tokio::time::sleep(Duration::from_secs(to - from)).await;
                Ok(())
            };
            operations.run(call(rpc, subject, 1), &cx, request).await
        }
    };
    let (a, b, early, between, late, too_late) = tokio::join!(
        run("CreateSnapshot", "a", 0, 3, false),
        run("CreateSnapshot", "b", 1, 6, false),
        run("DeleteVolume", "c", 2, 9, true),
        run("DeleteVolume", "d", 4, 9, true),
        run("DeleteVolume", "e", 7, 9, true),
        run("CreateSnapshot", "f", 8, 9, false),
    );
    let refused = |outcome: Outcome<()>| outcome.unwrap_err().to_string();
    a.unwrap();
    b.unwrap();
    let expected = "an operation with the given Volume ID v already exists: CreateSnapshot ";
    let early = refused(early);
    assert!(
        early.starts_with(&format!("{expected}a has been")),
        "{early}"
    );
    let between = refused(between);
    assert!(
        between.starts_with(&format!("{expected}b has been")),
        "{between}"
    );
    late.unwrap();
    let too_late = refused(too_late);
    assert!(
        too_late.contains("already exists: DeleteVolume e"),
        "{too_late}"
    );
}
