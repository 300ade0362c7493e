use std::time::Instant;

use super::*;

fn shell(script: &str) -> Program {
    Program {
        name: "sh".into(),
        arguments: vec!["-c".into(), script.into()],
        stdin: None,
        leads_session: false,
    }
}

async fn run(cx: &Context, program: Program) -> Result<Output, Error> {
    let secret = SecretString::from("s3cret");
    Running::start(program)?.wait(cx, &secret).await
}

fn cx(milliseconds: u64) -> Context {
    Context::with_timeout(Duration::from_millis(milliseconds))
}

#[tokio::test]
async fn status_and_words_come_back_with_the_secret_masked() {
    let output = run(&cx(60_000), shell("echo key s3cret >&2; exit 3"))
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stderr, "key ***\n");
}

#[tokio::test]
async fn an_absent_program_is_named() {
    let program = Program {
        name: "no-such-program".into(),
        ..shell("")
    };
    let error = run(&cx(60_000), program).await.unwrap_err();
    let expected = "cannot start `no-such-program`: it is not installed in the driver's image";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_late_child_is_killed_with_all_it_has_started() {
    let started = Instant::now();
    // The grandchild says its number and would live for a minute.
    let script = "sleep 60 & echo $! >&2; wait";
    let error = run(&cx(3000), shell(script)).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(30));
    let Error::TimedOut { stderr, .. } = error else {
        panic!("{error:?}")
    };
    let grandchild = Pid::from_raw(stderr.trim().parse().unwrap()).unwrap();
    for _ in 0..1500 {
        // Killed, and gone or waiting to be reaped by whoever inherited it.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", grandchild.as_raw_nonzero()));
        if stat.is_err() || stat.unwrap().contains(") Z ") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the grandchild lives");
}

#[tokio::test]
async fn dropping_the_future_kills_the_child() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("echo $$ > {0}/pid; exec sleep 60", dir.path().display());
    let child = tokio::spawn(async move { run(&cx(60_000), shell(&script)).await });
    let pid = loop {
        match std::fs::read_to_string(dir.path().join("pid"))
            .unwrap_or_default()
            .trim()
        {
            "" => tokio::time::sleep(Duration::from_millis(10)).await,
            pid => break Pid::from_raw(pid.parse().unwrap()).unwrap(),
        }
    };
    child.abort();
    let _ = child.await;
    for _ in 0..1500 {
        if rustix::process::test_kill_process(pid).is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the child lives");
}

#[tokio::test]
async fn a_daemon_that_keeps_the_pipe_does_not_hold_up_the_answer() {
    let started = Instant::now();
    let output = run(&cx(60_000), shell("sleep 60 & echo up >&2; exit 1"))
        .await
        .unwrap();
    assert!(started.elapsed() < Duration::from_secs(50));
    assert_eq!(output.stderr, "up\n");
}

#[tokio::test]
async fn only_the_last_words_are_kept() {
    let script = "i=0; while [ $i -lt 4000 ]; do echo line $i s3cret; i=$((i+1)); done >&2; exit 1";
    let output = run(&cx(60_000), shell(script)).await.unwrap();
    assert!(output.stderr.len() <= KEPT);
    assert!(output.stderr.starts_with("line ") && output.stderr.ends_with("line 3999 ***\n"));
    assert!(!output.stderr.contains("s3cret"));
}

#[tokio::test]
async fn the_child_reads_its_input_and_is_in_a_group_of_its_own() {
    let key = super::super::key_file::in_memory(&SecretString::from("content")).unwrap();
    let script = "cat /proc/self/fd/0 >&2; [ $(cut -d ' ' -f 5 /proc/$$/stat) = $$ ] && exit 3";
    let output = run(
        &cx(60_000),
        Program {
            stdin: Some(key),
            ..shell(script)
        },
    )
    .await
    .unwrap();
    assert_eq!(output.stderr, "content");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn the_logged_line_has_no_secret() {
    let arguments = [
        "--key=AQ",
        "--keyfile=/tmp/k",
        "--keyfile=/proc/self/fd/0",
        "name=u,secret=AQ,ro",
        "--id=u",
    ];
    let line = line(Path::new("sh"), &arguments.map(Into::into));
    assert_eq!(
        line,
        "sh --key=*** --keyfile=*** --keyfile=/proc/self/fd/0 name=u,secret=***,ro --id=u"
    );
}
