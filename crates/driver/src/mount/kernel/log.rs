//! What the kernel's client says of a mount: in the kernel's log alone, since mount(2) answers with a
//! number, and with the same one for a wrong key and a cluster without metadata servers.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use rustix::fs::{Mode, OFlags};

/// The kernel's log.
const LOG: &str = "/dev/kmsg";

/// A record is never longer.
const RECORD: usize = 8192;

/// Enough for the reasons; the client repeats itself while it tries again.
const KEPT: usize = 12;

/// A place in the kernel's log.
#[derive(Debug)]
pub(super) struct KernelLog(Option<File>);

impl KernelLog {
    /// The end of the log as it is now. Where it cannot be read there will be no lines.
    pub(super) fn from_here() -> Self {
        let open = || -> io::Result<File> {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let mut log = File::from(rustix::fs::open(LOG, flags, Mode::empty())?);
            log.seek(SeekFrom::End(0))?;
            Ok(log)
        };
        Self(open().ok())
    }

    /// What Ceph's client has said since, each line once.
    ///
    /// It may be about another mount at the same time, but for lines that name a monitor: those are left
    /// out unless `monitors`, which is a mount's source, has it.
    pub(super) fn lines(self, monitors: &str) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let Some(mut log) = self.0 else {
            return lines;
        };
        let mut record = vec![0; RECORD];
        loop {
            match log.read(&mut record) {
                Ok(length @ 1..) => {
                    let message = record.get(..length).and_then(message);
                    if let Some(line) = message
                        && lines.len() < KEPT
                        && is_about(&line, monitors)
                        && !lines.contains(&line)
                    {
                        lines.push(line);
                    }
                }
                // Records were overwritten before they were read; the next read goes on after them.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                Ok(_) | Err(_) => return lines,
            }
        }
    }
}

/// The message in a record: `PRIORITY,NUMBER,TIME,FLAGS;MESSAGE`, and lines of details.
fn message(record: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(record);
    let (_, rest) = text.split_once(';')?;
    let line = rest.lines().next()?.trim();
    let of_ceph = line.starts_with("libceph:") || line.starts_with("ceph:");
    of_ceph.then(|| line.to_owned())
}

/// `libceph: mon0 (1)192.0.2.1:6789 session established`
fn is_about(line: &str, monitors: &str) -> bool {
    let Some(rest) = line.strip_prefix("libceph: mon") else {
        return true;
    };
    let socket = rest.split([' ', ')']).nth(2).unwrap_or_default();
    socket.is_empty() || monitors.contains(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_record_is_what_ceph_said() {
        let record =
            b"3,1234,5678,-;libceph: auth protocol 'cephx' mauth failed: -13\n SUBSYSTEM=x\n";
        let expected = "libceph: auth protocol 'cephx' mauth failed: -13";
        assert_eq!(message(record).as_deref(), Some(expected));
        assert_eq!(message(b"6,1,1,-;usb 1-1: new device\n"), None);
        assert_eq!(message(b"garbage"), None);
    }

    #[test]
    fn lines_about_other_monitors_are_left_out() {
        let monitors = "192.0.2.1:6789,[2001:db8::1]:6789:/volumes";
        for ours in [
            "libceph: mon0 (1)192.0.2.1:6789 session established",
            "libceph: mon1 (1)[2001:db8::1]:6789 socket closed (con state V1_BANNER)",
            "ceph: No mds server is up or the cluster is laggy",
        ] {
            assert!(is_about(ours, monitors), "{ours}");
        }
        let other = "libceph: mon0 (1)192.0.2.9:6789 session established";
        assert!(!is_about(other, monitors));
    }

    #[test]
    fn reading_the_log_never_waits() {
        assert_eq!(KernelLog::from_here().lines("nowhere").len(), 0);
        assert_eq!(KernelLog(None).lines("nowhere").len(), 0);
    }
}
