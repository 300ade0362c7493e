use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::*;

/// The mount number `id` at `path`.
fn mount(id: u64, path: impl AsRef<Path>) -> Mount {
    let path = path.as_ref().display();
    let line = format!("{id} 29 0:{id} / {path} rw - ceph m:/v rw\n");
    let table = MountTable::parse(line.as_bytes()).unwrap();
    table.mounts()[0].clone()
}

fn cx(milliseconds: u64) -> Context {
    Context::with_timeout(Duration::from_millis(milliseconds))
}

#[tokio::test]
async fn a_healthy_directory_answers() {
    let dir = tempfile::tempdir().unwrap();
    let probe = Probe::new("stat", attributes);
    probe.ask(&cx(30_000), &mount(1, dir.path())).await.unwrap();
    let absent = mount(2, dir.path().join("absent"));
    let absent = probe.ask(&cx(30_000), &absent).await;
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
        let error = probe.ask(&cx(30_000), &mount(1, "/m")).await.unwrap_err();
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
    let path = &mount(1, "/m");
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
    let path = &mount(1, "/m");
    hangs.ask(&cx(200), path).await.unwrap_err();
    assert!(all.about(path));
    // Of another mount it is.
    other.ask(&cx(30_000), &mount(2, "/n")).await.unwrap();
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

#[tokio::test]
async fn a_mount_in_the_place_of_one_that_hangs_is_asked_and_does_not_hear_its_answer() {
    static GO_ON: AtomicBool = AtomicBool::new(false);
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let probe: Probe<()> = Probe::new("stat", |_| match ASKED.fetch_add(1, Ordering::SeqCst) {
        0 => {
            while !GO_ON.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(Errno::IO)
        }
        _ => Ok(()),
    });
    let (old, fresh) = (mount(1, "/m"), mount(2, "/m"));
    probe.ask(&cx(200), &old).await.unwrap_err();
    probe.ask(&cx(30_000), &fresh).await.unwrap();

    // Only who asks about the old one hears that it is dead.
    let context = cx(30_000);
    let go_on = async { GO_ON.store(true, Ordering::SeqCst) };
    let (late, ()) = tokio::join!(probe.ask(&context, &old), go_on);
    assert!(matches!(late, Err(Error::Dead { .. })), "{late:?}");
    probe.ask(&cx(30_000), &fresh).await.unwrap();
}
