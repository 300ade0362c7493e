//! Whether the kernel knows CephFS, and making it so.

use std::time::Duration;

use ceph::Context;

use super::super::command::{self, Program};

/// The file systems that the kernel knows now.
const KNOWN: &str = "/proc/filesystems";

/// Loading takes a fraction of a second on a machine that is not busy.
const LIMIT: Duration = Duration::from_secs(30);

/// Loads the module unless the kernel knows CephFS already.
///
/// # Errors
/// What is missing on the node of this kernel, and how to cure it.
pub(super) async fn load(release: &str) -> Result<(), String> {
    if is_known() {
        return Ok(());
    }
    let said = modprobe().await.err();
    if is_known() {
        return Ok(());
    }
    let said = said.map_or_else(String::new, |said| format!(" ({said})"));
    Err(format!(
        "the kernel {release} has no module `ceph` that can be loaded here; install the package of the \
         node's distribution that has it (linux-modules-extra on Ubuntu, kernel-modules on Fedora and \
         RHEL), and give the driver's container /lib/modules of the node{said}"
    ))
}

fn is_known() -> bool {
    std::fs::read_to_string(KNOWN).is_ok_and(|known| names_ceph(&known))
}

/// Lines are `nodev`, a tab, and the name; `nodev` is missing for file systems on a disk.
fn names_ceph(known: &str) -> bool {
    let mut names = known.lines().filter_map(|line| line.split('\t').nth(1));
    names.any(|name| name == "ceph")
}

async fn modprobe() -> Result<(), String> {
    let program = Program {
        name: "modprobe".into(),
        arguments: vec!["ceph".into()],
        stdin: None,
        leads_session: false,
    };
    match command::run(&Context::with_timeout(LIMIT), program).await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(output.stderr.trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceph_is_known_by_its_whole_name() {
        assert!(names_ceph("nodev\tsysfs\n\text4\nnodev\tceph\n"));
        assert!(!names_ceph("nodev\tsysfs\n\text4\nnodev\tcephx\n"));
        assert!(!names_ceph(""));
    }
}
