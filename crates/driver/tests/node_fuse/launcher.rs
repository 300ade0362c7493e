//! Clients are started by launchers, of which a spare one waits for the next. A shell that runs what it is told to mount
//! at plays the client.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpgid, kill_process};
use secrecy::SecretString;
use spirula::ceph_conf::CephConf;
use spirula::mount::{CephFs, Fuse, MountOptions, Mounter as _, MounterKind};

use super::lab::{DEADLINE, own};
use super::plugin::{Cgroup, Plugin};
use super::{Lab, processes_of, runtime};

/// The launchers of `owner` that wait.
fn spares(owner: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter_map(|entry| {
        let process = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let mut words = line.split(|&byte| byte == 0).skip(1);
        let waits = words.next()? == b"internal:launch" && words.next()? == owner.as_bytes();
        waits.then_some(process)
    });
    processes.collect()
}

async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn wait_for_spare(owner: &str) -> i32 {
    wait_until("no spare", || spares(owner).len() == 1).await;
    spares(owner)[0]
}

struct Shell {
    directory: tempfile::TempDir,
    fuse: Fuse,
    script: PathBuf,
}

impl Shell {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("script");
        let text = "echo $$ $(cat /proc/self/fd/0) $SPIRULA_OWNER >> ${0%/*}/log\n";
        std::fs::write(&script, text).unwrap();
        let conf = Arc::new(CephConf::new(directory.path().join("ceph")));
        let owner = directory.path().display().to_string();
        let fuse = Fuse::new("sh", conf)
            .owned_by(owner)
            .with_own_program(own());
        Self {
            directory,
            fuse,
            script,
        }
    }

    fn owner(&self) -> String {
        self.directory.path().display().to_string()
    }

    /// Has a client started; which process it was.
    async fn mount(&self, key: &str) -> i32 {
        let cx = ceph::Context::with_timeout(DEADLINE);
        let fs = CephFs {
            monitors: "192.0.2.1:6789".to_owned(),
            name: None,
            root: "/".to_owned(),
            snapshot: None,
            user: "user".to_owned(),
            key: SecretString::from(key),
            fuse_options: MountOptions::default(),
            kernel_options: MountOptions::default(),
            net_namespace: None,
            mounter: MounterKind::Fuse,
        };
        self.fuse.mount(&cx, &fs, &self.script).await.unwrap();
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
        let line = log.lines().last().unwrap();
        let (process, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest, format!("{key} {}", self.owner()));
        process.parse().unwrap()
    }
}

#[test]
fn a_spare_launcher_becomes_the_next_client_and_one_that_was_killed_is_not_missed() {
    runtime().block_on(async {
        let shell = Shell::new();
        let owner = shell.owner();
        assert_eq!(spares(&owner), [] as [i32; 0], "nobody has mounted yet");
        let first = shell.mount("one").await;
        let spare = wait_for_spare(&owner).await;
        assert_ne!(spare, first);
        assert_eq!(shell.mount("two").await, spare);

        let killed = wait_for_spare(&owner).await;
        kill_process(Pid::from_raw(killed).unwrap(), Signal::KILL).unwrap();
        let stat = format!("/proc/{killed}/stat");
        let has_ended = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "));
        wait_until("it lives", has_ended).await;
        assert_ne!(shell.mount("three").await, killed);

        wait_for_spare(&owner).await;
        drop(shell);
        wait_until("it waits for nobody", || spares(&owner).is_empty()).await;
    });
}

/// The cgroups in which `process` is, of those that the driver makes.
fn own_cgroups(process: i32) -> Vec<String> {
    let all = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
    let paths = all.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let made = paths.filter(|path| path.starts_with("/spirula/fuse-"));
    made.map(str::to_owned).collect()
}

fn owner_of(process: i32) -> String {
    let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap();
    let mut variables = environment.split(|&byte| byte == 0);
    let owner = variables.find_map(|one| one.strip_prefix(b"SPIRULA_OWNER="));
    String::from_utf8(owner.unwrap().to_vec()).unwrap()
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn a_client_is_in_its_cgroups_also_if_it_was_a_spare_and_a_spare_ends_with_its_driver() {
    runtime().block_on(async {
        let lab = Lab::new("launcher");
        let target = lab.target("pod");
        let Some(cgroup) = Cgroup::new() else {
            return;
        };
        let plugin = Plugin::start(lab.directory.path(), Some(&cgroup), &[]);
        let daemon = || {
            let daemons = processes_of(&lab.staging);
            assert_eq!(daemons.len(), 1, "{daemons:?}");
            daemons[0]
        };
        plugin.mount(&lab, &target).await;
        let first = own_cgroups(daemon());
        assert!(!first.is_empty());
        let owner = owner_of(daemon());
        let spare = wait_for_spare(&owner).await;
        plugin.unmount(&lab, &target).await;
        wait_until("it goes on", || processes_of(&lab.staging).is_empty()).await;

        plugin.mount(&lab, &target).await;
        let group = getpgid(Pid::from_raw(daemon())).unwrap();
        assert_eq!(group.as_raw_nonzero().get(), spare);
        let second = own_cgroups(daemon());
        assert!(second.len() == first.len() && second != first, "{second:?}");

        wait_for_spare(&owner).await;
        plugin.kill_group();
        wait_until("it waits for nobody", || spares(&owner).is_empty()).await;
        assert_eq!(own_cgroups(daemon()), second);
        let plugin = Plugin::start(lab.directory.path(), Some(&cgroup), &[]);
        plugin.unmount(&lab, &target).await;
        lab.assert_clean().await;
    });
}
