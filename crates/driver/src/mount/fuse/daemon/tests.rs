use std::process::{Child, Command, Stdio};

use rustix::fs::MemfdFlags;

use super::*;

/// A process that is called as a client for the mount point `at`, and sleeps for as many seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the test ends it, and it itself otherwise"
)]
fn client(directory: &Path, at: &str, stdin: impl Into<Stdio>) -> Child {
    let program = directory.join(CLIENT);
    if !program.is_symlink() {
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    }
    let client = Command::new(program).arg(at).stdin(stdin).spawn().unwrap();
    // It has no name or arguments before it has become the program.
    let process = i32::try_from(client.id()).unwrap();
    while Daemon::read(process).is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    client
}

#[test]
fn a_client_is_starting_while_it_has_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let key = || rustix::fs::memfd_create("key", MemfdFlags::CLOEXEC).unwrap();
    let mut clients = [
        client(directory.path(), "3601", key()),
        client(directory.path(), "3602", Stdio::null()),
        client(directory.path(), "3603", key()),
    ];
    let process = |index: usize| i32::try_from(clients[index].id()).unwrap();
    let found = |daemons: Vec<Daemon>| -> Vec<i32> {
        daemons.into_iter().map(|daemon| daemon.process).collect()
    };
    assert_eq!(found(find(Path::new("3602"))), [process(1)]);
    assert_eq!(found(starting(Path::new("3602"))), [0; 0]);
    assert_eq!(found(starting(Path::new("3601"))), [process(0)]);
    for client in &mut clients {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    assert_eq!(found(starting(Path::new("3601"))), [0; 0]);
}

#[test]
fn threads_of_the_kernel_are_no_programs() {
    for thread in kernel_threads() {
        // One may have ended since.
        if let Ok(line) = fs::read(format!("/proc/{thread}/cmdline")) {
            assert_eq!(line, b"", "{thread}");
        }
    }
    let own = i32::try_from(std::process::id()).unwrap();
    assert!(processes().any(|process| process == own));
}
