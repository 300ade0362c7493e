//! Looks for the key where it must not be.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::lab::{key, setting};

/// A key file or a log is smaller; the disk of a test cluster is not.
const LARGEST: u64 = 4 << 20;

/// Much more than the kernel needs to clear a key away.
const CLEARED: Duration = Duration::from_secs(20);

pub(crate) fn contains_key(content: &[u8]) -> bool {
    let key = key();
    content
        .windows(key.len())
        .any(|part| part == key.as_bytes())
}

/// Looks for the key in all files, but for large ones, below `directory` that were changed since `start`. The
/// cluster itself keeps its keys, and writes them anew when it tidies up. What is mounted below is left out, and not
/// even looked at: it may be of another test, and hang.
pub(crate) fn search(directory: &Path, start: SystemTime) {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = table.lines().filter_map(|line| line.split(' ').nth(4));
    let mut not = mounts.map(PathBuf::from).collect::<HashSet<_>>();
    not.insert(setting("SPIRULA_TEST_CEPH_DIR").into());
    let directory = directory.canonicalize();
    search_but(&not, &directory.unwrap_or_default(), start);
}

fn search_but(not: &HashSet<PathBuf>, directory: &Path, start: SystemTime) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if not.contains(&entry.path()) {
            continue;
        }
        let Ok(metadata) = entry.path().symlink_metadata() else {
            continue;
        };
        if metadata.is_dir() {
            search_but(not, &entry.path(), start);
        } else if metadata.is_file()
            && metadata.len() <= LARGEST
            && metadata.modified().unwrap() >= start
        {
            let content = std::fs::read(entry.path()).unwrap_or_default();
            assert!(
                !contains_key(&content),
                "the key is in {}",
                entry.path().display()
            );
        }
    }
}

/// The keys for mounts that the kernel keeps. It clears away in its own time what nothing leads to any more.
pub(crate) fn cephx_keys() -> Vec<String> {
    let start = Instant::now();
    loop {
        let keys = present_cephx_keys();
        if keys.is_empty() || start.elapsed() > CLEARED {
            return keys;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Those that it has now. One that was taken back may show as dead for a moment.
fn present_cephx_keys() -> Vec<String> {
    let keys = std::fs::read_to_string("/proc/keys").unwrap();
    let ours = keys.lines().filter(|line| {
        let mut columns = line.split_whitespace();
        let flags = columns.nth(1).unwrap_or_default();
        let dead = flags.contains(['R', 'D', 'i']);
        !dead && columns.nth(5) == Some("ceph")
    });
    ours.map(str::to_owned).collect()
}
