//! Clients die and are replaced, without anybody asking for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::lab::{Lab, processes_of, runtime, setting};
use super::plugin::Plugin;

/// What it may take until a dead client is noticed; slow machines get a multiple.
const NOTICED: Duration = Duration::from_secs(5);
/// The metadata server lets nobody have what a dead client had until its session has timed out.
const MENDED: Duration = Duration::from_mins(3);

/// A shell with a mount namespace of its own, that nothing is propagated to: a container.
struct Container {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Container {
    #[expect(clippy::disallowed_methods, reason = "plays the container runtime")]
    fn start() -> Self {
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation=private", "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut container = Self {
            child,
            input,
            output,
        };
        assert_eq!(container.run("echo up"), "up");
        container
    }

    /// The first line that a command prints.
    fn run(&mut self, command: &str) -> String {
        writeln!(self.input, "{{ {command}; }} 2>&1 || echo failed").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn read(&mut self, path: &Path) -> String {
        self.run(&format!("head -n 1 {}", path.display()))
    }

    fn write(&mut self, path: &Path) -> String {
        self.run(&format!("echo x > {} && echo ok", path.display()))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A volume of a running driver, published at `pod` and, read-only, at `reader`.
struct Staged {
    lab: Lab,
    pod: std::path::PathBuf,
    reader: std::path::PathBuf,
}

impl Staged {
    async fn new(name: &str, plugin: impl FnOnce(&Path) -> Plugin) -> (Self, Plugin) {
        let lab = Lab::new(name);
        let plugin = plugin(lab.directory.path());
        let mut node = plugin.node().await;
        let (pod, reader) = (lab.target("pod"), lab.target("reader"));
        node.node_stage_volume(lab.stage_request()).await.unwrap();
        node.node_publish_volume(lab.publish_request(&pod))
            .await
            .unwrap();
        let mut request = lab.publish_request(&reader);
        request.readonly = true;
        node.node_publish_volume(request).await.unwrap();
        std::fs::write(pod.join("file"), "content\n").unwrap();
        let file = std::fs::File::open(pod.join("file")).unwrap();
        file.sync_all().unwrap();
        (Self { lab, pod, reader }, plugin)
    }

    fn kill_daemon(&self) {
        for process in processes_of(&self.lab.staging) {
            kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).unwrap();
        }
    }

    /// Waits until all paths show the volume again; how long that took.
    fn wait_until_mended(&self) -> Duration {
        let start = Instant::now();
        for path in [&self.lab.staging, &self.pod, &self.reader] {
            while std::fs::read_to_string(path.join("file")).ok().as_deref()
                != Some(
                    "content
",
                )
            {
                assert!(start.elapsed() < MENDED, "{} is dead", path.display());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        start.elapsed()
    }

    async fn take_away(self) {
        for target in [&self.pod, &self.reader] {
            self.lab.unpublish(target).await.unwrap();
        }
        self.lab.unstage().await.unwrap();
        self.lab.assert_clean().await;
    }
}

fn wait_for(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn a_killed_client_is_replaced_also_in_running_containers() {
    runtime().block_on(async {
        let start = |directory: &Path| Plugin::start(directory, None, &["--heal-running-pods"]);
        let (staged, plugin) = Staged::new("recovery", start).await;
        let mut container = Container::start();
        assert_eq!(container.read(&staged.pod.join("file")), "content");

        let killed = Instant::now();
        staged.kill_daemon();
        wait_for("nobody notices", NOTICED * 4, || {
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
        assert!(container.write(&staged.reader.join("other")).contains("Read-only"));
        let refused = std::fs::write(staged.reader.join("other"), "x").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);

        // Nobody is there to notice; the next driver has what it needs from the kernel's keyring.
        plugin.kill_group();
        staged.kill_daemon();
        let plugin = start(staged.lab.directory.path());
        println!("mounted again {:.1?} after a restart", staged.wait_until_mended());
        wait_for("the container's mount is dead", MENDED, || {
            container.read(&staged.pod.join("file")) == "content"
        });
        let key = super::lab::key();
        assert!(!plugin.log().contains(&key), "the key is in the log");
        drop(container);
        drop(plugin);
        staged.take_away().await;
    });
}

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn an_evicted_client_is_reported_and_replaced() {
    runtime().block_on(async {
        let start = |directory: &Path| Plugin::start(directory, None, &[]);
        let (staged, plugin) = Staged::new("evicted", start).await;
        let evicted = Instant::now();
        evict(&staged.lab.staging);
        // The test's own node service looks after nothing, and still sees it.
        wait_for("eviction does not show", MENDED, || {
            plugin.log().contains("is mounted anew")
        });
        println!("noticed {:.1?} after the eviction began", evicted.elapsed());
        staged.wait_until_mended();
        drop(plugin);

        evict(&staged.lab.staging);
        let start = Instant::now();
        loop {
            let stats = staged.lab.stats(&staged.pod).await.unwrap();
            let condition = stats.volume_condition.unwrap();
            if condition.abnormal {
                assert!(condition.message.contains("MountDead"), "{condition:?}");
                break;
            }
            assert!(start.elapsed() < MENDED, "{condition:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        staged.take_away().await;
    });
}

/// Has the metadata server shut out the client of the mount at `at`.
fn evict(at: &Path) {
    let clients = ceph(&["tell", "mds.0", "client", "ls"]);
    let clients: serde_json::Value = serde_json::from_str(&clients).unwrap();
    let at = at.display().to_string();
    let of_mount = |client: &&serde_json::Value| {
        client["client_metadata"]["mount_point"] == at.as_str() && client["state"] == "open"
    };
    let ids = clients.as_array().unwrap().iter().filter(of_mount);
    for client in ids {
        ceph(&[
            "tell",
            "mds.0",
            "client",
            "evict",
            &format!("id={}", client["id"]),
        ]);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "plays the administrator of the cluster"
)]
fn ceph(arguments: &[&str]) -> String {
    let output = Command::new("ceph")
        .args(["--conf", &setting("CEPH_CONF"), "-n", "client.admin"])
        .arg(format!(
            "--keyfile={}",
            setting("SPIRULA_TEST_ADMIN_KEYFILE")
        ))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
