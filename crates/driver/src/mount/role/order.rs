//! What a launcher is told to become, over the socket that is its standard input.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};

#[cfg(test)]
mod tests;

/// How long a command line may be, in bytes. Linux takes no argument that is longer.
const LIMIT: usize = 128 * 1024;

/// A program to become.
#[derive(Debug)]
pub(in super::super) struct Order {
    /// Its path, or its name to be searched in PATH.
    pub(in super::super) program: PathBuf,
    /// Its arguments.
    pub(in super::super) arguments: Vec<OsString>,
    /// Its standard input.
    pub(in super::super) stdin: OwnedFd,
}

impl Order {
    /// The ends of a socket for an order: the driver's, which no other process inherits, and the launcher's.
    pub(in super::super) fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
        // Messages arrive whole, and that one end is closed shows at the other.
        let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        Ok(socketpair(AddressFamily::UNIX, kind, flags, None)?)
    }

    /// Sends it from the driver's end. Fails if the launcher has ended.
    pub(in super::super) fn send(&self, to: impl AsFd) -> io::Result<()> {
        let mut line = Vec::new();
        let words = self.arguments.iter().map(OsString::as_os_str);
        for word in std::iter::once(self.program.as_os_str()).chain(words) {
            line.extend_from_slice(word.as_bytes());
            line.push(0);
        }
        if line.len() > LIMIT {
            return Err(io::ErrorKind::ArgumentListTooLong.into());
        }
        let descriptors = [self.stdin.as_fd()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendmsg(to, &[IoSlice::new(&line)], &mut control, flags)?;
        Ok(())
    }

    /// Waits for it at the launcher's end. `None` if who would send it has ended, also if that was after
    /// the order was sent: nobody waits for the program.
    pub(super) fn receive(from: impl AsFd) -> io::Result<Option<Self>> {
        let mut line = vec![0; LIMIT];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = rustix::io::retry_on_intr(|| {
            let mut buffers = [IoSliceMut::new(&mut line)];
            recvmsg(&from, &mut buffers, &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        let stdin = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        if message.bytes == 0 || has_hung_up(from)? {
            return Ok(None);
        }
        line.truncate(message.bytes);
        let complete = !message.flags.contains(ReturnFlags::TRUNC) && line.pop() == Some(0);
        let mut words = line
            .split(|&byte| byte == 0)
            .map(|word| OsString::from_vec(word.to_vec()));
        match (words.next(), stdin) {
            (Some(program), Some(stdin)) if complete => Ok(Some(Self {
                program: program.into(),
                arguments: words.collect(),
                stdin,
            })),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Whether nobody has the other end any more.
fn has_hung_up(socket: impl AsFd) -> io::Result<bool> {
    let mut descriptors = [PollFd::new(&socket, PollFlags::empty())];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut descriptors, Some(&at_once))?;
    let mut events = descriptors.iter().map(PollFd::revents);
    Ok(events.any(|events| events.contains(PollFlags::HUP)))
}
