//! Clients are shut out by their cluster and replaced, without anybody asking for it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::lab::{Lab, runtime};
use super::plugin::Plugin;
use super::sessions::evict;

/// What it may take until a dead client is noticed, of which a round every few seconds is the most; the figure is
/// printed.
pub(crate) const NOTICED: Duration = Duration::from_mins(1);
/// The metadata server lets nobody have what a dead client had until its session has timed out.
pub(crate) const MENDED: Duration = Duration::from_mins(3);

/// A shell with a mount namespace of its own, that nothing is propagated to: a container.
pub(crate) struct Container {
    child: Child,
    input: ChildStdin,
    output: mpsc::Receiver<String>,
}

impl Container {
    #[expect(clippy::disallowed_methods, reason = "plays the container runtime")]
    pub(crate) fn start() -> Self {
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation=private", "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line.trim().to_owned()).is_err() {
                    break;
                }
            }
        });
        let mut container = Self {
            child,
            input,
            output,
        };
        assert_eq!(container.run("echo up"), "up");
        container
    }

    /// The first line that a command prints.
    pub(crate) fn run(&mut self, command: &str) -> String {
        let one_line = format!("{{ {{ {command}; }} 2>&1 || echo failed; }} | head -n 1");
        writeln!(self.input, "{one_line}").unwrap();
        let line = self.output.recv_timeout(MENDED);
        line.unwrap_or_else(|_| panic!("`{command}` has not ended"))
    }

    pub(crate) fn read(&mut self, path: &Path) -> String {
        self.run(&format!("head -n 1 {}", path.display()))
    }

    pub(crate) fn write(&mut self, path: &Path) -> String {
        self.run(&format!("echo x > {} && echo ok", path.display()))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        // Of a test that failed it may sleep in a mount.
        if !std::thread::panicking() {
            let _ = self.child.wait();
        }
    }
}

/// A volume of a running driver, published at `pod` and, read-only, at `reader`.
pub(crate) struct Staged {
    pub(crate) lab: Lab,
    pub(crate) pod: PathBuf,
    pub(crate) reader: PathBuf,
}

impl Staged {
    pub(crate) async fn new(name: &str, plugin: impl FnOnce(&Path) -> Plugin) -> (Self, Plugin) {
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

    /// Waits until all paths show the volume again; how long that took.
    pub(crate) fn wait_until_mended(&self) -> Duration {
        let start = Instant::now();
        for path in [&self.lab.staging, &self.pod, &self.reader] {
            while content_of(&path.join("file")).as_deref() != Some("content\n") {
                assert!(start.elapsed() < MENDED, "{} is dead", path.display());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        start.elapsed()
    }

    pub(crate) async fn take_away(self) {
        for target in [&self.pod, &self.reader] {
            self.lab.unpublish(target).await.unwrap();
        }
        self.lab.unstage().await.unwrap();
        self.lab.assert_clean().await;
    }
}

/// `None` if the file cannot be read. A client may not answer at all; the test is to end all the same.
fn content_of(file: &Path) -> Option<String> {
    let (sender, content) = mpsc::channel();
    let path = file.to_owned();
    std::thread::spawn(move || sender.send(std::fs::read_to_string(path).ok()));
    let content = content.recv_timeout(MENDED);
    content.unwrap_or_else(|_| panic!("{} is silent", file.display()))
}

pub(crate) fn wait_for(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < limit, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test recovery vm"]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn an_evicted_client_is_reported_and_replaced() {
    runtime().block_on(async {
        let start = |directory: &Path| Plugin::start(directory, None, &["--heal-running-pods"]);
        let (staged, plugin) = Staged::new("evicted", start).await;
        let mut container = Container::start();
        let file = staged.pod.join("file");
        assert_eq!(container.read(&file), "content");
        let began = Instant::now();
        evict(&staged.lab);
        let evicted = Instant::now();
        wait_for("eviction does not show", MENDED, || {
            plugin.log().contains("is mounted anew")
        });
        let noticed = evicted.elapsed();
        staged.wait_until_mended();
        let mended = evicted.elapsed();
        wait_for("the container's mount is dead", MENDED, || {
            container.read(&file) == "content"
        });
        println!(
            "noticed {noticed:.1?} after the command to evict, which took {:.1?}, mounted again after \
             {mended:.1?}, in the container after {:.1?}",
            evicted - began,
            evicted.elapsed()
        );
        assert_eq!(container.write(&staged.pod.join("other")), "ok");
        drop(container);
        drop(plugin);

        // The test's own node service looks after nothing, and still sees it.
        evict(&staged.lab);
        let start = Instant::now();
        loop {
            let stats = staged.lab.stats(&staged.pod).await.unwrap();
            let condition = stats.volume_condition.unwrap();
            if condition.abnormal {
                // One that is shut out while it opens its session does not answer any more.
                let reasons = ["MountDead", "MountNotResponding"];
                let told = reasons.iter().any(|reason| condition.message.contains(reason));
                assert!(told, "{condition:?}");
                break;
            }
            assert!(start.elapsed() < MENDED, "{condition:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        staged.take_away().await;
    });
}
