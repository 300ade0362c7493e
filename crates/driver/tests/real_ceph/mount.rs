//! A volume mounted by a ceph-fuse of the test's own, without the driver.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use csi_proto::v1 as csi;

use crate::lab::Lab;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A mounted volume; unmounted when dropped.
pub(crate) struct Mount {
    path: PathBuf,
    client: Child,
}

impl Mount {
    /// Mounts the volume at `path`, which is made, with this ceph.conf.
    pub(crate) fn new(lab: &Lab, conf: &Path, path: PathBuf, volume: &csi::Volume) -> Self {
        std::fs::create_dir(&path).unwrap();
        let keyfile = std::env::var("SPIRULA_TEST_KEYFILE").unwrap();
        let client = Command::new("ceph-fuse")
            .arg("-f")
            .arg(&path)
            .arg("-c")
            .arg(conf)
            .args(["-m", &lab.monitors, "-n", &format!("client.{}", lab.user)])
            .arg(format!("--keyfile={keyfile}"))
            .arg(format!("--client_mds_namespace={}", lab.fs))
            .args(["-r", &volume.volume_context["subvolumePath"]])
            .args(["--admin_socket=", "--log_file="])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut mount = Self { path, client };
        let started = Instant::now();
        while !mount.is_mounted() {
            let ended = mount.client.try_wait().unwrap();
            assert_eq!(ended, None, "it cannot be mounted");
            assert!(started.elapsed() < PATIENCE, "no mount");
            std::thread::sleep(Duration::from_millis(10));
        }
        mount
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Unmounts, and waits until all that was written is in the cluster: the client goes on for that when the
    /// mount is gone.
    pub(crate) fn end(mut self) {
        let started = Instant::now();
        // It can be busy for a moment after its last use.
        while !self.unmount(&[]) {
            assert!(started.elapsed() < PATIENCE, "it stays busy");
            std::thread::sleep(Duration::from_millis(20));
        }
        while self.client.try_wait().unwrap().is_none() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn unmount(&self, flags: &[&str]) -> bool {
        let mut umount = Command::new("umount");
        let umount = umount.args(flags).arg(&self.path).stderr(Stdio::null());
        umount.status().is_ok_and(|status| status.success())
    }

    fn is_mounted(&self) -> bool {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let path = self.path.to_str().unwrap();
        mounts
            .lines()
            .any(|line| line.split(' ').nth(1) == Some(path))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.client.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        self.unmount(&["-l"]);
        let started = Instant::now();
        while self.client.try_wait().is_ok_and(|ended| ended.is_none()) {
            if started.elapsed() > PATIENCE {
                let _ = self.client.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
