//! The clients that can mount a CephFS.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use ceph::Context;

use super::probe::OpenQuestions;
use super::{CephFs, Error, Liveness, Mount, MountTable};

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

    /// Whatever it asks of mounts shall count among the questions `open`.
    fn ask_among(&mut self, _open: &OpenQuestions) {}

    /// How the client of the mount `at` is, found out without asking the mount.
    async fn liveness(&self, _cx: &Context, _at: &Mount) -> Result<Liveness, Error> {
        Ok(Liveness::Unknown)
    }

    /// What was remembered of mounts other than these can be forgotten.
    fn retain(&self, _mounts: &[Mount]) {}

    /// Ends the clients that this driver has started, and whose mounts have been gone for as long as `grace`.
    async fn end_leftovers(&self, _cx: &Context, _grace: Duration) -> Result<(), Error> {
        Ok(())
    }

    /// Mounts `fs` at the directory `at`, and returns what is mounted afterwards. When it returns an error it has
    /// cleaned up after itself, but for what the kernel still shows as mounted, which the caller takes away.
    async fn mount(&self, cx: &Context, fs: &CephFs, at: &Path) -> Result<MountTable, Error>;
}

/// How many seconds a client is given to mount. What is left until the deadline is for the client to start,
/// to give up by itself and to say why: one that is killed at the deadline says nothing.
pub(super) fn patience(cx: &Context) -> u64 {
    (cx.remaining() * 3 / 4).as_secs().max(1)
}

/// A volume is mounted by another client than it asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the volume asks for mounter `{wanted}`, which cannot be used on this node, and is mounted with \
     `{used}` instead ({why})"
)]
pub struct Fallback {
    /// The client that it asks for.
    pub wanted: MounterKind,
    /// The client that mounts it.
    pub used: MounterKind,
    /// What the former lacks.
    pub why: String,
}

/// Picks the client that is asked for, or else the first that is available, as the original does;
/// unlike it, says so.
pub(super) async fn choose(
    mounters: &[Box<dyn Mounter>],
    wanted: MounterKind,
) -> Result<(&dyn Mounter, Option<Fallback>), Error> {
    let (asked, others): (Vec<_>, Vec<_>) = mounters.iter().partition(|m| m.kind() == wanted);
    let mut reasons = Vec::new();
    for mounter in asked.into_iter().chain(others) {
        if let Some(lack) = mounter.lacks().await {
            reasons.push(format!("{}: {lack}", mounter.kind()));
            continue;
        }
        let used = mounter.kind();
        let fallback = (wanted != MounterKind::Any && used != wanted).then(|| Fallback {
            wanted,
            used,
            why: reasons.join("; "),
        });
        if let Some(fallback) = &fallback {
            tracing::warn!("{fallback}");
        } else if !reasons.is_empty() {
            tracing::info!("mounting with `{used}` ({})", reasons.join("; "));
        }
        return Ok((mounter.as_ref(), fallback));
    }
    Err(Error::NoMounter {
        reasons: reasons.join("; "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Stub(MounterKind, Option<&'static str>);

    #[async_trait]
    impl Mounter for Stub {
        fn kind(&self) -> MounterKind {
            self.0
        }

        async fn lacks(&self) -> Option<String> {
            self.1.map(str::to_owned)
        }

        async fn mount(&self, _: &Context, _: &CephFs, _: &Path) -> Result<MountTable, Error> {
            Ok(MountTable::default())
        }
    }

    fn mounters(kernel: Option<&'static str>, fuse: Option<&'static str>) -> [Box<dyn Mounter>; 2] {
        [
            Box::new(Stub(MounterKind::Kernel, kernel)),
            Box::new(Stub(MounterKind::Fuse, fuse)),
        ]
    }

    #[tokio::test]
    async fn who_asks_for_a_client_gets_it_or_is_told() {
        use MounterKind::{Any, Fuse, Kernel};
        for (wanted, kernel, fuse, used, told) in [
            (Any, None, None, Kernel, false),
            (Any, Some("no module"), None, Fuse, false),
            (Kernel, None, None, Kernel, false),
            (Kernel, Some("no module"), None, Fuse, true),
            (Fuse, None, None, Fuse, false),
            (Fuse, None, Some("no /dev/fuse"), Kernel, true),
        ] {
            let mounters = mounters(kernel, fuse);
            let (chosen, fallback) = choose(&mounters, wanted).await.unwrap();
            assert_eq!(chosen.kind(), used, "{wanted} {kernel:?} {fuse:?}");
            assert_eq!(fallback.is_some(), told, "{wanted} {kernel:?} {fuse:?}");
            if let Some(fallback) = fallback {
                let (text, why) = (fallback.to_string(), kernel.or(fuse).unwrap());
                assert!(
                    text.contains(why) && text.contains(&wanted.to_string()),
                    "{text}"
                );
            }
        }
        let neither = mounters(Some("no module"), Some("no /dev/fuse"));
        let error = choose(&neither, Kernel).await.unwrap_err().to_string();
        assert!(
            error.contains("no module") && error.contains("no /dev/fuse"),
            "{error}"
        );
    }
}
