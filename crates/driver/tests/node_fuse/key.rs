//! The key is nowhere but in memory.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::lab::{Lab, processes_of, runtime};
use super::search::{contains_key, search};

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn the_key_is_in_no_argument_environment_descriptor_or_file() {
    let start = SystemTime::now() - Duration::from_secs(1);
    runtime().block_on(async {
        let lab = Lab::new("key");
        lab.stage().await.unwrap();
        let processes = processes_of(&lab.staging);
        let [process] = processes[..] else {
            panic!("{processes:?}")
        };

        for file in ["cmdline", "environ", "mountinfo"] {
            let content = std::fs::read(format!("/proc/{process}/{file}")).unwrap();
            assert!(!contains_key(&content), "the key is in {file}");
        }
        for entry in std::fs::read_dir(format!("/proc/{process}/fd"))
            .unwrap()
            .flatten()
        {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            assert!(
                !target.to_string_lossy().contains("memfd"),
                "{target:?} is open"
            );
        }
        for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            assert!(
                !target.to_string_lossy().contains("memfd:key"),
                "we hold {target:?}"
            );
        }
        for directory in [
            "/tmp",
            "/run",
            "/var/run",
            "/var/log",
            "/var/tmp",
            "/etc/ceph",
            "/dev/shm",
        ] {
            search(Path::new(directory), start);
        }
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}
