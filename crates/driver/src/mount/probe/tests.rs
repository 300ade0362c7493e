use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

fn cx(milliseconds: u64) -> Context {
    Context::with_timeout(Duration::from_millis(milliseconds))
}

#[tokio::test]
async fn a_healthy_directory_answers() {
    let dir = tempfile::tempdir().unwrap();
    let probe = Probe::new("stat", attributes);
    probe.ask(&cx(30_000), dir.path()).await.unwrap();
    let absent = probe.ask(&cx(30_000), &dir.path().join("absent")).await;
    assert!(matches!(absent, Err(Error::Call { .. })), "{absent:?}");
    assert!(probe.all.lock().is_empty() && probe.answers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn death_is_told_from_other_errors() {
    let probes: [Probe<()>; 3] = [
        Probe::new("stat", |_| Err(Errno::NOTCONN)),
        // Of a ceph-fuse whose session was refused.
        Probe::new("stat", |_| Err(Errno::PERM)),
        Probe::new("stat", |_| Err(Errno::NOENT)),
    ];
    let mut dead = Vec::new();
    for probe in probes {
        let error = probe.ask(&cx(30_000), Path::new("/m")).await.unwrap_err();
        dead.push(matches!(error, Error::Dead { .. }));
    }
    assert_eq!(dead, [true, true, false]);
}

#[tokio::test]
async fn a_mount_that_hangs_costs_one_thread_and_its_answer_reaches_everybody() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    static GO_ON: AtomicBool = AtomicBool::new(false);
    let probe = Probe::new("stat", |_| {
        ASKED.fetch_add(1, Ordering::SeqCst);
        while !GO_ON.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(7)
    });
    let path = Path::new("/m");
    for _ in 0..3 {
        let error = probe.ask(&cx(200), path).await.unwrap_err();
        assert!(matches!(error, Error::Hangs { .. }), "{error:?}");
    }
    let (context, other) = (cx(30_000), cx(30_000));
    // Both wait already when the answer comes.
    let go_on = async { GO_ON.store(true, Ordering::SeqCst) };
    let (one, two, ()) = tokio::join!(probe.ask(&context, path), probe.ask(&other, path), go_on);
    assert_eq!((one.unwrap(), two.unwrap()), (7, 7));
    assert_eq!(ASKED.load(Ordering::SeqCst), 1);
    assert!(probe.all.lock().is_empty() && probe.answers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_question_about_a_mount_that_hangs_is_not_asked() {
    static GO_ON: AtomicBool = AtomicBool::new(false);
    static OTHERS: AtomicUsize = AtomicUsize::new(0);
    let all = OpenQuestions::default();
    let hangs: Probe<()> = Probe::new("stat", |_| {
        while !GO_ON.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    let hangs = hangs.among(&all);
    let other = Probe::new("statfs", |_| Ok(OTHERS.fetch_add(1, Ordering::SeqCst))).among(&all);
    let path = Path::new("/m");
    hangs.ask(&cx(200), path).await.unwrap_err();
    assert!(all.about(path));
    // Of another mount it is.
    other.ask(&cx(30_000), Path::new("/n")).await.unwrap();
    let error = other.ask(&cx(200), path).await.unwrap_err();
    assert!(
        matches!(error, Error::Hangs { call: "stat", .. }),
        "{error:?}"
    );
    assert_eq!(OTHERS.load(Ordering::SeqCst), 1);

    GO_ON.store(true, Ordering::SeqCst);
    assert_eq!(other.ask(&cx(30_000), path).await.unwrap(), 1);
    assert!(!all.about(path));
}
