//! The key is in the kernel only while it mounts, and in no file, argument or environment ever.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::lab::{Lab, key, runtime};

/// A key file or a log is smaller.
const LARGEST: u64 = 4 << 20;

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn nothing_of_the_key_is_left_once_the_volume_is_mounted() {
    let start = SystemTime::now() - Duration::from_secs(1);
    runtime().block_on(async {
        let lab = Lab::new("key");
        lab.stage().await.unwrap();
        assert_eq!(cephx_keys(), Vec::<String>::new());
        std::fs::write(lab.staging.join("file"), "the mount needs its key no more").unwrap();

        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            for file in ["cmdline", "environ", "mountinfo"] {
                let content = std::fs::read(entry.path().join(file)).unwrap_or_default();
                assert!(!contains_key(&content), "{:?} {file}", entry.path());
            }
        }
        let mut places: Vec<PathBuf> = ["/run", "/var/log", "/var/tmp", "/etc/ceph", "/dev/shm"]
            .map(PathBuf::from)
            .into();
        places.push(lab.directory.path().to_owned());
        for place in &places {
            search(place, start);
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(mounts.contains("secret=<hidden>"));
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn a_mount_that_fails_takes_the_key_back_too() {
    runtime().block_on(async {
        let lab = Lab::new("key-fails");
        let mut request = lab.stage_request();
        let root = "/volumes/csi/absent".to_owned();
        request.volume_context.insert("rootPath".to_owned(), root);
        lab.stage_with(request).await.unwrap_err();
        assert_eq!(cephx_keys(), Vec::<String>::new());
        lab.assert_clean().await;
    });
}

/// The keys for mounts that the kernel has now. One that was taken back may show as dead for a moment.
pub(super) fn cephx_keys() -> Vec<String> {
    let keys = std::fs::read_to_string("/proc/keys").unwrap();
    let ours = keys.lines().filter(|line| {
        let mut columns = line.split_whitespace();
        let flags = columns.nth(1).unwrap_or_default();
        let dead = flags.contains(['R', 'D', 'i']);
        !dead && columns.nth(5) == Some("ceph")
    });
    ours.map(str::to_owned).collect()
}

fn contains_key(content: &[u8]) -> bool {
    let key = key();
    content
        .windows(key.len())
        .any(|part| part == key.as_bytes())
}

/// Looks for the key in all files, but for large ones, below `directory` that were changed since `start`.
fn search(directory: &Path, start: SystemTime) {
    let Ok(device) = std::fs::metadata(directory).map(|metadata| metadata.dev()) else {
        return;
    };
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.path().symlink_metadata() else {
            continue;
        };
        if metadata.is_dir() && metadata.dev() == device {
            search(&entry.path(), start);
        } else if metadata.is_file()
            && metadata.len() <= LARGEST
            && metadata.modified().unwrap() >= start
        {
            let content = std::fs::read(entry.path()).unwrap_or_default();
            assert!(!contains_key(&content), "{}", entry.path().display());
        }
    }
}
