//! Lets the kubelet in, whose requests name the socket's path as their `:authority`.
//!
//! A path is no authority, and the HTTP/2 server refuses such a request with PROTOCOL_ERROR, as RFC 9113 §8.3.1
//! wants it. The kubelet's dialler (`pkg/kubelet/pluginmanager`) leaves gRPC to take the authority from what it
//! dials, unlike its CSI client, which says `localhost`. So this says `localhost` in its place: in what
//! comes from the kubelet, the literal value of each `:authority` is replaced before the server sees it.
//!
//! Header compression (RFC 7541) is not in the way: the fields of a header block can be told apart without
//! knowing what they hold, and a shorter value only makes the server keep its table entries for longer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::transport::server::Connected;

#[cfg(test)]
mod tests;

/// What a client sends first, before any frame (RFC 9113 §3.4).
const PREFACE: usize = 24;
/// Length, type, flags and stream of a frame (§4.1).
const FRAME_HEADER: usize = 9;
/// The largest frame that may come as long as the server has not allowed more (§4.2).
const LARGEST: usize = 16 * 1024;
/// The type HEADERS, and its flags (§6.2).
const HEADERS: u8 = 1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;
/// The index of `:authority` in the static table (RFC 7541, appendix A).
const AUTHORITY: usize = 1;
/// `localhost`, as it is written in a header block: its length, and its bytes.
const LOCALHOST: &[u8] = b"\x09localhost";

/// A connection of the kubelet.
#[derive(Debug)]
pub(super) struct Stream {
    inner: UnixStream,
    /// What has come, and is not a whole frame yet.
    raw: Vec<u8>,
    /// What is to be read.
    ready: Vec<u8>,
    started: bool,
}

impl Stream {
    pub(super) fn new(inner: UnixStream) -> Self {
        Self {
            inner,
            raw: Vec::new(),
            ready: Vec::new(),
            started: false,
        }
    }

    /// Moves what is complete from `raw` to `ready`.
    fn advance(&mut self) -> io::Result<()> {
        if !self.started {
            if self.raw.len() < PREFACE {
                return Ok(());
            }
            self.ready.extend(self.raw.drain(..PREFACE));
            self.started = true;
        }
        while let Some(length) = frame_length(&self.raw) {
            if length > LARGEST {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a frame is too large",
                ));
            }
            if self.raw.len() < FRAME_HEADER + length {
                break;
            }
            let frame: Vec<u8> = self.raw.drain(..FRAME_HEADER + length).collect();
            self.ready.extend(with_authority(&frame).unwrap_or(frame));
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.ready.is_empty() {
            let mut space = [0; 4096];
            let mut space = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut space))?;
            if space.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.raw.extend_from_slice(space.filled());
            self.advance()?;
        }
        let count = self.ready.len().min(buf.remaining());
        let part: Vec<u8> = self.ready.drain(..count).collect();
        buf.put_slice(&part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Connected for Stream {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

/// The length of the payload of the frame that begins here, if that much has come.
fn frame_length(raw: &[u8]) -> Option<usize> {
    match raw.first_chunk::<FRAME_HEADER>()? {
        [a, b, c, ..] => Some(usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c)),
    }
}

/// The frame with `localhost` for its authority; `None` if it has no headers, or none that can be read,
/// which the server will judge better.
fn with_authority(frame: &[u8]) -> Option<Vec<u8>> {
    let (header, payload) = frame.split_at_checked(FRAME_HEADER)?;
    let (&[_, _, _, kind, flags], stream) = header.split_first_chunk()?;
    if kind != HEADERS {
        return None;
    }
    let mut before = 0;
    let mut padding = 0;
    if flags & PADDED != 0 {
        before += 1;
        padding = usize::from(*payload.first()?);
    }
    if flags & PRIORITY != 0 {
        before += 5;
    }
    let (before, rest) = payload.split_at_checked(before)?;
    let (block, after) = rest.split_at_checked(rest.len().checked_sub(padding)?)?;
    let block = block_with_authority(block)?;
    let length = u32::try_from(before.len() + block.len() + after.len()).ok()?;
    let [_, length @ ..] = length.to_be_bytes();
    Some(
        [
            length.as_slice(),
            &[kind, flags],
            stream,
            before,
            &block,
            after,
        ]
        .concat(),
    )
}

/// The same for a header block, field by field (RFC 7541 §6).
fn block_with_authority(mut block: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(block.len());
    while let Some(&first) = block.first() {
        let (prefix, is_literal) = match first {
            0x80.. => (7, false),
            0x40.. => (6, true),
            0x20.. => (5, false),
            _ => (4, true),
        };
        let (index, mut name) = integer(block, prefix)?;
        if is_literal && index == 0 {
            name += string(block.get(name..)?)?;
        }
        let (name, rest) = block.split_at_checked(name)?;
        out.extend_from_slice(name);
        block = rest;
        if is_literal {
            let (value, rest) = block.split_at_checked(string(block)?)?;
            out.extend_from_slice(if index == AUTHORITY { LOCALHOST } else { value });
            block = rest;
        }
    }
    Some(out)
}

/// An integer whose first byte has so many bits of it, and how many bytes it takes (§5.1).
fn integer(bytes: &[u8], prefix: u8) -> Option<(usize, usize)> {
    let most = (1 << prefix) - 1;
    let mut value = usize::from(*bytes.first()?) & most;
    if value < most {
        return Some((value, 1));
    }
    // Nothing here is longer than a frame, which three further bytes can tell.
    for (i, byte) in bytes.iter().enumerate().skip(1).take(3) {
        value += usize::from(byte & 0x7f) << (7 * (i - 1));
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

/// How many bytes a string takes, with its length (§5.2).
fn string(bytes: &[u8]) -> Option<usize> {
    let (length, before) = integer(bytes, 7)?;
    Some(before + length)
}
