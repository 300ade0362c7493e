//! The module is loaded when it is needed.

use super::lab::{Lab, runtime};

fn is_known() -> bool {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap();
    known.lines().any(|line| line == "nodev\tceph")
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn it_is_loaded_for_the_first_volume() {
    runtime().block_on(async {
        let lab = Lab::new("module");
        if is_known() {
            let removed = std::process::Command::new("modprobe")
                .args(["-r", "ceph"])
                .status();
            assert!(removed.unwrap().success());
        }
        assert!(!is_known());
        lab.stage().await.unwrap();
        assert!(is_known());
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
    });
}
