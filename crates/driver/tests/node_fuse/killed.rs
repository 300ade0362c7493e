//! Clients are killed, or left out by their metadata server, and replaced, without anybody asking for it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::mount::UnmountFlags;
use rustix::process::{Pid, Signal, kill_process};

use super::lab::{processes_of, runtime};
use super::plugin::Plugin;
use super::recovery::{Container, MENDED, NOTICED, Staged, wait_for};
use super::sessions::ceph;

fn kill_daemon(staged: &Staged) {
    signal(&processes_of(&staged.lab.staging), Signal::KILL);
}

fn signal(processes: &[i32], signal: Signal) {
    for process in processes {
        kill_process(Pid::from_raw(*process).unwrap(), signal).unwrap();
    }
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test recovery"]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn a_killed_client_is_replaced_also_in_running_containers() {
    runtime().block_on(async {
        let start = |directory: &Path| Plugin::start(directory, None, &["--heal-running-pods"]);
        let (staged, plugin) = Staged::new("recovery", start).await;
        let trap = Trap::set(&staged);
        let mut container = Container::start();
        assert_eq!(container.read(&staged.pod.join("file")), "content");
        let nested = staged.lab.staging.join("nested");
        let mount = format!("mount -t tmpfs nested {} && echo ok", nested.display());
        assert_eq!(container.run(&mount), "ok");

        let killed = Instant::now();
        trap.spring();
        kill_daemon(&staged);
        wait_for("nobody notices", NOTICED, || {
            plugin.log().contains("is mounted anew")
        });
        let noticed = killed.elapsed();
        staged.wait_until_mended();
        let mended = killed.elapsed();
        wait_for("the container's mount is dead", MENDED, || {
            container.read(&staged.pod.join("file")) == "content"
        });
        println!(
            "noticed after {noticed:.1?}, mounted again after {mended:.1?}, in the container after {:.1?}",
            killed.elapsed()
        );
        assert_eq!(container.write(&staged.pod.join("other")), "ok");
        let own = format!("grep -c '^nested {} tmpfs' /proc/self/mounts", nested.display());
        assert_eq!(container.run(&own), "1", "what is mounted below stays");
        assert_eq!(container.run(&format!("test -e {} && echo caught", trap.bait())), "failed");
        assert!(!std::fs::exists(trap.bait()).unwrap_or_default());
        assert!(container.write(&staged.reader.join("other")).contains("Read-only"));
        let refused = std::fs::write(staged.reader.join("other"), "x").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);

        // Nobody is there to notice; the next driver has what it needs from the kernel's keyring.
        plugin.kill_group();
        kill_daemon(&staged);
        let plugin = start(staged.lab.directory.path());
        println!("mounted again {:.1?} after a restart", staged.wait_until_mended());
        wait_for("the container's mount is dead", MENDED, || {
            container.read(&staged.pod.join("file")) == "content"
        });
        let key = super::lab::key();
        assert!(!plugin.log().contains(&key), "the key is in the log");
        drop(container);
        drop(plugin);
        trap.remove();
        staged.take_away().await;
    });
}

/// A directory of the volume that is mounted for a pod, as the kubelet mounts a `subPath`, and then is a link to one
/// of this machine's.
struct Trap {
    at: PathBuf,
    pod: PathBuf,
    directory: PathBuf,
}

impl Trap {
    fn set(staged: &Staged) -> Self {
        let at = staged.lab.target("sub-path");
        let pod = staged.pod.clone();
        let directory = pod.join("directory");
        for made in [&at, &pod.join("nested"), &directory] {
            std::fs::create_dir_all(made).unwrap();
        }
        let source = staged.lab.staging.join("directory");
        rustix::mount::mount_bind(source, &at).unwrap();
        Self { at, pod, directory }
    }

    fn spring(&self) {
        std::fs::remove_dir(&self.directory).unwrap();
        std::os::unix::fs::symlink("/proc", &self.directory).unwrap();
        let pod = std::fs::File::open(&self.pod).unwrap();
        pod.sync_all().unwrap();
    }

    /// What can be seen if somebody has followed the link.
    fn bait(&self) -> String {
        self.at.join("version").display().to_string()
    }

    fn remove(&self) {
        rustix::mount::unmount(&self.at, UnmountFlags::DETACH).unwrap();
    }
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test recovery"]
fn a_client_that_slept_while_its_metadata_server_began_anew_is_replaced() {
    runtime().block_on(async {
        let start = |directory: &Path| Plugin::start(directory, None, &[]);
        let (staged, plugin) = Staged::new("slept", start).await;
        let asleep = Asleep(processes_of(&staged.lab.staging));
        signal(&asleep.0, Signal::STOP);
        let before = metadata_servers();
        ceph(&["mds", "fail", "0"]);
        // It serves once those of its clients that did not come back are shut out.
        wait_for("no metadata server serves", MENDED, || {
            metadata_servers().iter().any(|id| !before.contains(id))
        });
        drop(asleep);
        wait_for("nobody notices", NOTICED, || {
            plugin.log().contains("is mounted anew")
        });
        staged.wait_until_mended();
        drop(plugin);
        staged.take_away().await;
    });
}

/// Clients that are stopped; a test that fails lets them go on, too.
struct Asleep(Vec<i32>);

impl Drop for Asleep {
    fn drop(&mut self) {
        signal(&self.0, Signal::CONT);
    }
}

/// Which metadata servers serve; one that begins anew is another one.
fn metadata_servers() -> Vec<u64> {
    let dump = ceph(&["fs", "dump", "--format=json"]);
    let dump: serde_json::Value = serde_json::from_str(&dump).unwrap();
    let systems = dump["filesystems"].as_array().unwrap().iter();
    let servers = systems.flat_map(|fs| fs["mdsmap"]["info"].as_object().unwrap().values());
    let active = servers.filter(|server| server["state"] == "up:active");
    active
        .map(|server| server["gid"].as_u64().unwrap())
        .collect()
}
