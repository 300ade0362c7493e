//! The key is in the kernel only while it mounts, and in no file, argument or environment ever.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::lab::{Lab, runtime};
use super::search::{cephx_keys, contains_key, search};

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
