//! What goes wrong: the driver is killed, and daemons of Ceph stop for a while.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::driver::Driver;
use crate::lab::Lab;
use crate::random::Random;

/// The driver, which is started again when it is killed.
pub(crate) struct Process {
    driver: Option<Driver>,
    config: String,
    flags: Vec<String>,
    /// For mounts and credentials.
    directory: tempfile::TempDir,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    kills: u32,
    manager: u32,
    metadata_server: u32,
}

/// Lets a daemon go on, also when the test fails meanwhile.
struct Stopped<'a>(&'a Lab, &'static str);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.signal(self.1, "CONT");
    }
}

impl Process {
    pub(crate) fn start(lab: &Lab) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let secrets = directory.path().join("secrets");
        std::fs::create_dir(&secrets).unwrap();
        lab.write_credentials(&secrets);
        let mut process = Self {
            driver: None,
            config: lab.config(),
            flags: vec![
                "--setmetadata".to_owned(),
                format!("--controller-secrets-dir={}", secrets.display()),
            ],
            directory,
        };
        process.start_in(tempfile::tempdir().unwrap());
        process
    }

    fn start_in(&mut self, directory: tempfile::TempDir) {
        let flags: Vec<_> = self.flags.iter().map(String::as_str).collect();
        self.driver = Some(Driver::start_in(directory, &self.config, &flags));
    }

    fn driver(&self) -> &Driver {
        self.driver.as_ref().unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.driver().socket()
    }

    /// Where clients may mount.
    pub(crate) fn mounts(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    /// Makes trouble until then, or until `ended`.
    pub(crate) fn trouble(
        &mut self,
        lab: &Lab,
        mut random: Random,
        until: Instant,
        ended: impl Fn() -> bool,
    ) -> Troubles {
        let mut troubles = Troubles::default();
        loop {
            std::thread::sleep(Duration::from_millis(500 + random.below(4000)));
            if Instant::now() >= until || ended() {
                return troubles;
            }
            let pause = Duration::from_millis(random.below(4000));
            match random.below(4) {
                0 => {
                    let _stopped = stop(lab, "mgr.x");
                    std::thread::sleep(pause);
                    troubles.manager += 1;
                }
                1 => {
                    let _stopped = stop(lab, "mds.a");
                    std::thread::sleep(pause);
                    troubles.metadata_server += 1;
                }
                _ => {
                    let directory = self.driver.take().unwrap().kill_and_keep();
                    std::thread::sleep(pause / 8);
                    self.start_in(directory);
                    troubles.kills += 1;
                }
            }
        }
    }

    /// SIGTERM; nothing of the driver is left on this machine, and no key in its log.
    pub(crate) fn end(self, lab: &Lab) {
        let log = self.driver.unwrap().terminate();
        assert!(!log.contains(&lab.key), "the key is in the log");
        let left = mounts_below(self.directory.path());
        assert!(left.is_empty(), "still mounted: {left:?}");
    }
}

fn stop<'a>(lab: &'a Lab, daemon: &'static str) -> Stopped<'a> {
    lab.signal(daemon, "STOP");
    Stopped(lab, daemon)
}

fn mounts_below(directory: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let places = table.lines().filter_map(|line| line.split(' ').nth(1));
    places
        .filter(|place| Path::new(place).starts_with(directory))
        .map(str::to_owned)
        .collect()
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kills,
            manager,
            metadata_server,
        } = self;
        write!(
            f,
            "the driver was killed {kills} times, the manager stopped {manager} times, the metadata server \
             {metadata_server} times"
        )
    }
}
