//! This machine and its Ceph, seen with the commands that every administrator has.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::screen;

/// What `dev/demo` has prepared.
pub(crate) struct Machine {
    /// Everything that the demo makes is in here.
    pub(crate) directory: PathBuf,
    pub(crate) fs: String,
    pub(crate) group: String,
    pub(crate) user: String,
    pub(crate) key: String,
    metadata_pool: String,
}

impl Machine {
    #[expect(
        clippy::disallowed_methods,
        reason = "the settings of the demo, read once"
    )]
    pub(crate) fn look() -> Result<Self> {
        let setting =
            |name: &str| std::env::var(name).with_context(|| format!("{name}: run dev/demo"));
        let key = std::fs::read_to_string(setting("SPIRULA_TEST_KEYFILE")?)?;
        Ok(Self {
            directory: setting("SPIRULA_DEMO_DIR")?.into(),
            fs: setting("SPIRULA_TEST_FS")?,
            group: setting("SPIRULA_TEST_GROUP")?,
            user: setting("SPIRULA_TEST_USER")?,
            key: key.trim().to_owned(),
            metadata_pool: setting("SPIRULA_TEST_METADATA_POOL")?,
        })
    }

    /// Runs a command and shows it, with the lines of its output that contain one of `worth`.
    pub(crate) fn show(&self, command: &str, worth: &[&str]) -> Result<String> {
        let output = run(&self.directory, command)?;
        let lines = output.lines().filter(|line| contains_any(line, worth));
        screen::command("", command, lines);
        Ok(output)
    }

    /// Runs and shows a command in a pod's volume.
    pub(crate) fn show_in(&self, pod: &str, command: &str) -> Result<String> {
        let output = run(&self.directory.join(pod).join("volume"), command)?;
        screen::command(&format!("{pod} "), command, output.lines());
        Ok(output)
    }

    /// Shows the subvolumes and returns how many there are.
    pub(crate) fn subvolumes(&self) -> Result<usize> {
        let command = format!("ceph fs subvolume ls {} {}", self.fs, self.group);
        let output = self.show(&command, &["name", "[]"])?;
        Ok(output.matches("\"name\"").count())
    }

    /// Shows an object of the journal with its keys and values.
    pub(crate) fn record(&self, object: &str) -> Result<String> {
        let rados = format!("rados -p {} -N csi", self.metadata_pool);
        let command = format!("{rados} listomapvals {object}");
        let record = decode(&run(&self.directory, &command)?);
        screen::command("", &command, record.lines());
        Ok(record)
    }

    /// Shows the journal's objects.
    pub(crate) fn journal(&self) -> Result<String> {
        let rados = format!("rados -p {} -N csi", self.metadata_pool);
        self.show(&format!("{rados} ls"), &[""])
    }

    /// Waits until the driver has removed what it removes behind its answer: the record, and its mark.
    pub(crate) fn wait_for_journal(&self, record: &str) -> Result<()> {
        let rados = format!("rados -p {} -N csi", self.metadata_pool);
        let gone = || {
            let objects = run(&self.directory, &format!("{rados} ls"))?;
            let names = format!("{rados} listomapkeys csi.volumes.default");
            Ok(!objects.contains(record) && run(&self.directory, &names)?.is_empty())
        };
        wait_until("nothing in the journal", gone).map(drop)
    }

    /// Shows the demo's mounts and returns how many there are.
    pub(crate) fn mounts(&self) -> Result<usize> {
        // findmnt ends with 1 if it finds none.
        let table = run(&self.directory, "findmnt -rn -o FSTYPE,TARGET || true")?;
        let directory = self.directory.to_string_lossy();
        let ours = table.lines().filter(|line| line.contains(&*directory));
        let ours: Vec<_> = ours.collect();
        screen::command("", "findmnt -o FSTYPE,TARGET", ours.iter().copied());
        Ok(ours.len())
    }

    /// Command lines of the processes that serve the demo's mounts.
    pub(crate) fn clients(&self) -> Result<Vec<String>> {
        let directory = self.directory.to_string_lossy();
        let mut found = Vec::new();
        for process in std::fs::read_dir("/proc")? {
            // A process may end while we look; what is no process has no command line.
            let words = std::fs::read(process?.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&words).replace('\0', " ");
            if line.starts_with("ceph-fuse") && line.contains(&*directory) {
                found.push(line);
            }
        }
        Ok(found)
    }

    /// A command's output, without showing it.
    pub(crate) fn ask(&self, command: &str) -> Result<String> {
        run(&self.directory, command)
    }
}

/// Repeats a question until the answer is yes, at most some seconds; returns the time it took.
pub(crate) fn wait_until(what: &str, question: impl Fn() -> Result<bool>) -> Result<Duration> {
    let started = Instant::now();
    while !question()? {
        ensure!(
            started.elapsed() < Duration::from_mins(2),
            "expected within two minutes: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(started.elapsed())
}

#[expect(
    clippy::disallowed_methods,
    reason = "`timeout` sets the deadline, and no secret is in it"
)]
fn run(directory: &Path, command: &str) -> Result<String> {
    let mut limited = Command::new("timeout");
    limited
        .args(["30", "sh", "-c", command])
        .current_dir(directory);
    let output = limited.output().context("cannot run `timeout`")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{command}`: {}: {errors}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

fn contains_any(line: &str, words: &[&str]) -> bool {
    words.iter().any(|word| line.contains(word))
}

/// `rados listomapvals` prints values as hexadecimal dumps: turns them back into text.
fn decode(dump: &str) -> String {
    let is_address = |word: &str| word.len() == 8 && u32::from_str_radix(word, 16).is_ok();
    let mut records: Vec<String> = Vec::new();
    let lines = dump.lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with("value (")) {
        match (line.split_once(' '), records.last_mut()) {
            // Sixteen bytes, and behind a bar the same as text.
            (Some((address, row)), Some(record)) if is_address(address) => {
                let row = row.split('|').next().unwrap_or_default();
                let bytes = row
                    .split_whitespace()
                    .map(|byte| u8::from_str_radix(byte, 16));
                record.extend(bytes.flatten().map(char::from));
            }
            // The end of a dump: the length once more.
            _ if is_address(line) => {}
            _ => records.push(format!("{line:<24} ")),
        }
    }
    records.join("\n")
}
