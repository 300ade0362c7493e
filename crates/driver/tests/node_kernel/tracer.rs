//! Kills a process right before a chosen one of its steps: the system calls by which it changes something
//! outside of itself. They are counted by ptrace(2), so the program needs to know nothing of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Time between two looks at a process that is not stopped.
const PACE: Duration = Duration::from_micros(200);

/// A process that is watched, and dies with it.
pub(crate) struct Tracer {
    thread: JoinHandle<Option<&'static str>>,
    done: Arc<AtomicBool>,
}

impl Tracer {
    /// Kills `process` right before its step number `number` from now on.
    pub(crate) fn kill_at(process: u32, number: usize) -> Self {
        let process = Pid::from_raw(process.try_into().unwrap());
        let done = Arc::new(AtomicBool::new(false));
        let (ready, attached) = mpsc::channel();
        let is_done = Arc::clone(&done);
        // Only the thread that has attached to a process may trace it.
        let thread = std::thread::spawn(move || trace(process, number, &ready, &is_done));
        attached.recv().unwrap();
        Self { thread, done }
    }

    /// The step that the process was killed before. If it had fewer, it is killed now.
    pub(crate) fn end(self) -> Option<&'static str> {
        self.done.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn trace(
    process: Pid,
    number: usize,
    ready: &Sender<()>,
    done: &AtomicBool,
) -> Option<&'static str> {
    attach(process);
    ready.send(()).unwrap();
    // Not the test's other children.
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD | WaitPidFlag::WNOHANG;
    let mut seen = 0;
    loop {
        let (thread, signal) = match waitpid(None, Some(flags)) {
            Ok(WaitStatus::StillAlive) if done.load(Ordering::Relaxed) => return None,
            Ok(WaitStatus::StillAlive) => {
                std::thread::sleep(PACE);
                continue;
            }
            Ok(WaitStatus::PtraceSyscall(thread)) => {
                if let Some(step) = step(thread) {
                    seen += 1;
                    if seen == number {
                        // A call that has not begun never does.
                        kill(process, Signal::SIGKILL).unwrap();
                        return Some(step);
                    }
                }
                (thread, None)
            }
            Ok(WaitStatus::PtraceEvent(thread, ..)) => (thread, None),
            Ok(WaitStatus::Stopped(thread, signal)) => (thread, Some(signal)),
            Ok(_) => continue, // a thread has ended
            Err(errno) => panic!("{process} is not there: {errno}"),
        };
        match ptrace::syscall(thread, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => panic!("{thread} does not go on: {errno}"),
        }
    }
}

/// Attaches to all threads; those that they start are traced too.
fn attach(process: Pid) {
    let options =
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    let tasks = format!("/proc/{process}/task");
    let mut found = true;
    while found {
        found = false;
        for entry in std::fs::read_dir(&tasks).unwrap().flatten() {
            let thread = entry.file_name().to_str().unwrap().parse().unwrap();
            let thread = Pid::from_raw(thread);
            // One that is traced already is refused.
            if ptrace::seize(thread, options).is_ok() {
                ptrace::interrupt(thread).unwrap();
                found = true;
            }
        }
    }
}

/// What the system call changes that `thread` is about to make.
fn step(thread: Pid) -> Option<&'static str> {
    let info = ptrace::syscall_info(thread).ok()?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    let registers = ptrace::getregs(thread).ok()?;
    Some(match i64::try_from(registers.orig_rax).ok()? {
        libc::SYS_mount => "mount",
        libc::SYS_umount2 => "umount",
        libc::SYS_move_mount => "move_mount",
        libc::SYS_mkdir | libc::SYS_mkdirat => "mkdir",
        libc::SYS_rmdir | libc::SYS_unlink | libc::SYS_unlinkat => "remove",
        libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 => "rename",
        libc::SYS_open if registers.rsi & CREATES != 0 => "create",
        libc::SYS_openat if registers.rdx & CREATES != 0 => "create",
        libc::SYS_chmod | libc::SYS_fchmod | libc::SYS_fchmodat => "chmod",
        libc::SYS_chown | libc::SYS_fchown | libc::SYS_fchownat => "chown",
        libc::SYS_add_key => "add_key",
        libc::SYS_keyctl if !READ_KEYS.contains(&registers.rdi) => "keyctl",
        _ => return None,
    })
}

/// The flag of open(2) that changes something.
const CREATES: u64 = libc::O_CREAT as u64;

/// Operations of keyctl(2) that only look: at an id, a description, for a key, at its content.
const READ_KEYS: [u64; 4] = [0, 6, 10, 11];
