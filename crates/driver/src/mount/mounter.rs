//! The clients that can mount a CephFS.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use async_trait::async_trait;
use ceph::Context;

use super::{CephFs, Error};

/// Which client mounts a volume: the `mounter` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MounterKind {
    /// The kernel's.
    Kernel,
    /// ceph-fuse.
    Fuse,
    /// Whichever is available, the kernel's first.
    Any,
}

/// A value of `mounter` that names no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mounter `{0}` is unknown; it can be `kernel` or `fuse`")]
pub struct UnknownMounter(String);

impl FromStr for MounterKind {
    type Err = UnknownMounter;

    fn from_str(text: &str) -> Result<Self, UnknownMounter> {
        match text {
            "kernel" => Ok(Self::Kernel),
            "fuse" => Ok(Self::Fuse),
            "" => Ok(Self::Any),
            other => Err(UnknownMounter(other.to_owned())),
        }
    }
}

impl fmt::Display for MounterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::Fuse => "fuse",
            Self::Any => "any",
        })
    }
}

/// A client that can mount a CephFS.
#[async_trait]
pub trait Mounter: Send + Sync + fmt::Debug {
    /// Which one it is.
    fn kind(&self) -> MounterKind;

    /// What it lacks on this node, `None` if it can be used.
    async fn lacks(&self) -> Option<String>;

    /// Mounts `fs` at the directory `at`. When it returns an error it has cleaned up after itself,
    /// but for what the kernel still shows as mounted, which the caller takes away.
    async fn mount(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<(), Error>;
}

/// Picks the client that is asked for, or else the first that is available, as the original does;
/// unlike it, says so.
pub(super) async fn choose(
    mounters: &[Box<dyn Mounter>],
    wanted: MounterKind,
) -> Result<&dyn Mounter, Error> {
    let (asked, others): (Vec<_>, Vec<_>) = mounters.iter().partition(|m| m.kind() == wanted);
    let mut reasons = Vec::new();
    for mounter in asked.into_iter().chain(others) {
        if let Some(lack) = mounter.lacks().await {
            reasons.push(format!("{}: {lack}", mounter.kind()));
            continue;
        }
        if wanted != MounterKind::Any && mounter.kind() != wanted {
            tracing::warn!(
                "the volume asks for mounter `{wanted}`, which is not available here: mounting it with \
                 `{}` instead",
                mounter.kind()
            );
        }
        return Ok(mounter.as_ref());
    }
    Err(Error::NoMounter {
        reasons: reasons.join("; "),
    })
}
