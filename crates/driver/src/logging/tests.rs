use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::{fs, thread};

use proptest::prelude::*;
use serde_json::Value;
use tracing::{debug, error, info, info_span, trace, warn};

use super::*;

pub(crate) fn settings(verbosity: u8, format: Format) -> Settings {
    Settings {
        verbosity,
        format,
        target: Target::Stderr,
        directory_in_source: false,
        skip_headers: false,
    }
}

/// The lines that `events` logs.
pub(crate) fn lines(settings: &Settings, events: impl FnOnce()) -> Vec<String> {
    let found = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&found);
    let layer = Lines::new(
        settings.verbosity,
        Formatter::new(settings),
        move |_, line: &str| {
            sink.lock().unwrap().push_str(line);
        },
    );
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
    let text = found.lock().unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

/// What follows the header of a klog line.
pub(crate) fn message(line: &str) -> &str {
    line.split_once("] ").unwrap().1
}

fn one_of_each() {
    error!("error");
    warn!("warn");
    info!("info");
    useful!("useful");
    extended!("extended");
    debug!("debug");
    trace!("trace");
}

#[test]
fn verbosity_opens_one_level_after_the_other() {
    let all = [
        "error", "warn", "info", "useful", "extended", "debug", "trace",
    ];
    for verbosity in 0..=5 {
        let found = lines(&settings(verbosity, Format::Klog), one_of_each);
        let found: Vec<_> = found.iter().map(|line| message(line)).collect();
        assert_eq!(found, all[..usize::from(verbosity) + 2], "--v={verbosity}");
    }
}

#[test]
fn a_klog_line() {
    let found = lines(&settings(1, Format::Klog), || {
        info!("first");
        warn!("second");
        error!("third");
    });
    let number = line!() - 3;
    for (line, (letter, word)) in
        found
            .iter()
            .zip([('I', "first"), ('W', "second"), ('E', "third")])
    {
        let (header, rest) = line.split_once("] ").unwrap();
        assert_eq!(rest, word);
        let (time, rest) = header.split_at("I1123 07:27:00.123456".len());
        assert_eq!(time.chars().next(), Some(letter));
        let shape: String = time[1..]
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "0000 00:00:00.000000");
        assert_eq!(
            rest.find("tests.rs:"),
            Some(9),
            "pid in 7 columns: {rest:?}"
        );
        assert_eq!(rest[..9].trim(), std::process::id().to_string());
    }
    assert!(
        found[1].contains(&format!("tests.rs:{number}]")),
        "{}",
        found[1]
    );
}

#[test]
fn headers_can_be_longer_or_left_out() {
    let mut wanted = settings(1, Format::Klog);
    wanted.directory_in_source = true;
    assert!(lines(&wanted, || info!("x"))[0].contains(" logging/tests.rs:"));
    wanted.skip_headers = true;
    let found = lines(&wanted, || {
        info_span!("rpc", id = 3u64, req_id = "r").in_scope(|| info!("x"));
    });
    assert_eq!(found, ["ID: 3 Req-ID: r x"]);
}

#[test]
fn lines_name_the_call_they_belong_to() {
    for verbosity in [0, 5] {
        let found = lines(&settings(verbosity, Format::Klog), || {
            error!("outside");
            let rpc = info_span!(
                "rpc",
                id = 7u64,
                req_id = "pvc-1",
                method = "/csi.v1.Node/X"
            );
            rpc.in_scope(|| {
                error!("inside");
                info_span!("mount", id = 9u64)
                    .in_scope(|| error!(volume = "v", tries = 2, "deeper"));
            });
            info_span!("rpc", id = 8u64, req_id = "").in_scope(|| error!("nameless"));
            let late = info_span!("rpc", id = 9u64, req_id = tracing::field::Empty);
            late.record("req_id", "known later");
            late.in_scope(|| error!("named"));
        });
        let found: Vec<_> = found.iter().map(|line| message(line)).collect();
        assert_eq!(
            found,
            [
                "outside",
                "ID: 7 Req-ID: pvc-1 inside",
                "ID: 7 Req-ID: pvc-1 deeper volume=\"v\" tries=2",
                "ID: 8 nameless",
                "ID: 9 Req-ID: \"known later\" named",
            ]
        );
    }
}

#[test]
fn a_json_line() {
    let found = lines(&settings(3, Format::Json), || {
        let rpc = info_span!(
            "rpc",
            id = 7u64,
            req_id = "pvc-1",
            method = "/csi.v1.Node/X"
        );
        rpc.in_scope(|| extended!(msg = "mine", count = 2, ok = true, "GRPC call\nnow"));
        warn!("outside");
    });
    let number = line!() - 3;
    let inside: Value = serde_json::from_str(&found[0]).unwrap();
    let time = inside["ts"].as_str().unwrap();
    assert!(
        time.parse::<jiff::Timestamp>().is_ok() && time.len() == 27,
        "{time}"
    );
    assert_eq!(
        inside,
        serde_json::json!({
            "ts": time, "level": "info", "v": 3, "id": 7, "req_id": "pvc-1",
            "rpc": "/csi.v1.Node/X", "msg": "GRPC call\nnow", "source": format!("tests.rs:{number}"),
            "fields": {"msg": "mine", "count": 2, "ok": true},
        })
    );
    let outside: Value = serde_json::from_str(&found[1]).unwrap();
    assert_eq!(outside["level"], "warning");
    assert_eq!(outside["v"], 0);
    assert!(outside.get("id").is_none() && outside.get("rpc").is_none());
}

#[test]
fn other_crates_are_heard_from_warnings_up() {
    let found = lines(&settings(5, Format::Klog), || {
        trace!(target: "h2::codec", "secrets");
        debug!(target: "hyper", "secrets");
        info!(target: "tonic", "started");
        info!(target: "cephalopod", "not ours");
        warn!(target: "h2", "reset");
        trace!(target: "ceph::rados", "omap read");
        trace!(target: "librados", "connected");
    });
    let found: Vec<_> = found.iter().map(|line| message(line)).collect();
    assert_eq!(found, ["reset", "omap read", "connected"]);
}

#[test]
fn a_request_cannot_forge_a_line() {
    let name = "pvc\nE1123 00:00:00.000000       1 x.rs:1] ID: 1 \u{1b}[2K\u{2028}forged\r";
    for format in [Format::Klog, Format::Json] {
        let found = lines(&settings(1, format), || {
            info_span!("rpc", id = 1u64, req_id = name).in_scope(|| {
                info!(volume = name, "creating {name}");
            });
        });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(!found[0].contains(['\r', '\u{1b}']), "{found:?}");
    }
    let found = lines(&settings(1, Format::Klog), || {
        info_span!("rpc", id = 1u64, req_id = "a Req-ID: b").in_scope(|| info!("x"));
    });
    assert_eq!(message(&found[0]), "ID: 1 Req-ID: \"a Req-ID: b\" x");
}

proptest! {
    #[test]
    fn one_event_is_one_line(req_id: String, text: String) {
        for format in [Format::Klog, Format::Json] {
            let found = lines(&settings(1, format), || {
                info_span!("rpc", id = 1u64, req_id).in_scope(|| info!(text, "{text}"));
            });
            prop_assert_eq!(found.len(), 1);
            prop_assert!(!found[0].contains(|c: char| c < ' '), "{:?}", found);
        }
    }
}

fn queue(dir: &std::path::Path, max_bytes: Option<u64>) -> (Arc<Queue>, PathBuf) {
    let path = dir.join("driver.log");
    let file = LogFile::open(&path, max_bytes).unwrap();
    let formatter = Formatter::new(&settings(1, Format::Klog));
    // Severe enough that nothing of the tests goes to standard error.
    let routes = Routes::file(Severity::Fatal);
    (Queue::start(routes, Some(file), formatter).unwrap(), path)
}

#[test]
fn the_file_is_private_appended_to_and_survives_truncation() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("other"), "").unwrap();
    let (first, path) = queue(dir.path(), None);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    first.push(Severity::Info, "one\n");
    first.flush(LAST_LINES);
    let (second, _) = queue(dir.path(), None);
    second.push(Severity::Error, "two\n");
    second.flush(LAST_LINES);
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    fs::File::create(&path).unwrap();
    second.push(Severity::Info, "three\n");
    second.flush(LAST_LINES);
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
}

#[test]
fn a_full_file_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, path) = queue(dir.path(), Some(10));
    for line in ["12345678\n", "abc\n", "defgh\n", "i\n"] {
        queue.push(Severity::Info, line);
        queue.flush(LAST_LINES);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "i\n");
    assert_eq!(
        fs::read_to_string(dir.path().join("driver.log.1")).unwrap(),
        "abc\ndefgh\n"
    );
}

#[test]
fn nobody_waits_for_a_log_that_is_stuck() {
    let dir = tempfile::tempdir().unwrap();
    // A pipe that nobody reads takes 64 KiB and then blocks whoever writes.
    let path = dir.path().join("driver.log");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let opening = {
        let path = path.clone();
        thread::spawn(move || fs::File::open(path).unwrap())
    };
    let (queue, _) = queue(dir.path(), None);
    let mut reader = opening.join().unwrap();

    let line = format!("{}\n", "x".repeat(1023));
    let started = std::time::Instant::now();
    for _ in 0..4096 {
        queue.push(Severity::Info, &line);
    }
    queue.flush(Duration::from_millis(50));
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );

    // Once somebody reads, each line is there or told to be missing, in one place or in several.
    let mut text = String::new();
    let mut buffer = vec![0; 65536];
    while written_and_missing(&text).iter().sum::<usize>() < 4096 {
        let length = std::io::Read::read(&mut reader, &mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    let [written, missing] = written_and_missing(&text);
    assert_eq!(written + missing, 4096);
    assert!(missing > 0);
}

/// Complete lines that were pushed, and the sum of those that are said to be missing.
fn written_and_missing(text: &str) -> [usize; 2] {
    let (complete, _) = text.rsplit_once('\n').unwrap_or_default();
    let told = complete.lines().filter_map(|line| {
        let (before, _) = line.split_once(" lines are missing here")?;
        before.rsplit(' ').next()?.parse::<usize>().ok()
    });
    [
        complete
            .lines()
            .filter(|line| line.starts_with('x'))
            .count(),
        told.sum(),
    ]
}
