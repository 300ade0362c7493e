//! One error type for everything that Ceph may answer: a kind to branch on, a text to read.

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A call to Ceph that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{call}: {}", self.reason())]
pub struct Error {
    /// What callers branch on.
    pub kind: ErrorKind,
    /// What was called and on what, e.g. ``mgr command `fs subvolume create` ``.
    pub call: String,
    /// The errno that Ceph answered, positive; `None` where there was no answer.
    pub errno: Option<i32>,
    /// Ceph's own words, or ours where there was no answer; may be empty.
    pub detail: String,
}

/// Why a call to Ceph failed, independent of who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The object, key, pool, file system or subvolume is not there (ENOENT).
    NotFound,
    /// The snapshot is not there, but its subvolume is (ENOENT).
    SnapshotNotFound,
    /// The subvolume group is not there (ENOENT), which says nothing about the subvolumes that were
    /// made in it: most likely the configuration names another group than it used to.
    GroupNotFound,
    /// The manager knows no file system of this name (ENOENT), which says nothing about what is in the one that had
    /// it: most likely that was given another name.
    FilesystemNotFound,
    /// It is there already and was to be made anew (EEXIST).
    AlreadyExists,
    /// An omap compare of a write did not hold; nothing was written (ECANCELED).
    CompareFailed,
    /// The object's version is not the asserted one; nothing was written (ERANGE, EOVERFLOW).
    VersionChanged,
    /// A lock is held by somebody else (EBUSY).
    Locked,
    /// The cephx capabilities of the user, or its key, do not allow this (EPERM, EACCES).
    PermissionDenied,
    /// No answer before the deadline; the effect may still come.
    TimedOut,
    /// No connection to the cluster could be made.
    Unreachable,
    /// The manager has not loaded the module of the command, as in its first moments, or the module has failed
    /// (EOPNOTSUPP, EIO, EINVAL). This call had no effect, and what an earlier one had is not known.
    NotLoaded,
    /// Still holds snapshots or entries (ENOTEMPTY).
    NotEmpty,
    /// Ceph asks to try again later (EAGAIN).
    Busy,
    /// As many clones are being made as Ceph makes at once; this one was not begun (EAGAIN).
    ClonersBusy,
    /// The subvolume is a clone that is not complete, so it can hardly be used yet (EAGAIN).
    NotReady,
    /// Clones of the snapshot are still being made (EAGAIN).
    PendingClones,
    /// The clone cannot be canceled, because it is complete, failed or canceled already (EINVAL).
    CloneFinished,
    /// The set of subvolumes did not become quiet, or did not stay so (EPERM, ESTALE, ETIMEDOUT, ...).
    NotQuiet,
    /// The subvolume was not made by cloning (EOPNOTSUPP).
    NotAClone,
    /// The directory has as many snapshots as the mds allows, `mds_max_snaps_per_dir` (EMLINK).
    TooManySnapshots,
    /// This Ceph release does not know the command; of one to the module `volumes` that is made sure of.
    Unsupported,
    /// Ceph refused the arguments (EINVAL).
    Invalid,
    /// Out of space or over a quota (ENOSPC, EDQUOT).
    NoSpace,
    /// Ceph's answer does not have the form that this driver understands.
    BadAnswer,
    /// Any other errno.
    Other,
}

impl Error {
    /// An error that Ceph answered with `errno` (positive) and its own words.
    pub fn answered(call: impl Into<String>, errno: i32, detail: impl Into<String>) -> Self {
        let detail = without_traceback(detail.into());
        // The mgr uses one errno for several things that callers must tell apart.
        let kind = match errno {
            22 if detail.contains("No handler found") => ErrorKind::Unsupported,
            22 if detail.contains("clone finished") => ErrorKind::CloneFinished,
            2 if detail.starts_with("FS '") && detail.ends_with("' not found") => {
                ErrorKind::FilesystemNotFound
            }
            2 if detail.starts_with("subvolume group ") => ErrorKind::GroupNotFound,
            2 if detail.starts_with("snapshot ") => ErrorKind::SnapshotNotFound,
            11 if detail.contains("cloner threads are busy") => ErrorKind::ClonersBusy,
            11 if detail.contains("has pending clones") => ErrorKind::PendingClones,
            11 if detail.contains("is not ready for operation")
                || detail.contains("clone in-progress") =>
            {
                ErrorKind::NotReady
            }
            95 if detail.contains("is not allowed on subvolume") => ErrorKind::NotAClone,
            95 if detail.contains("(required by command ") => ErrorKind::NotLoaded,
            5 if detail.contains("cannot handle commands") => ErrorKind::NotLoaded,
            _ => ErrorKind::of_errno(errno),
        };
        Self {
            kind,
            call: call.into(),
            errno: Some(errno),
            detail,
        }
    }

    /// An error without an answer of Ceph.
    pub fn new(kind: ErrorKind, call: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            call: call.into(),
            errno: None,
            detail: detail.into(),
        }
    }

    /// Whether this is [`ErrorKind::NotFound`].
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// Whether it says that a snapshot is not there, be it with its subvolume.
    pub fn is_snapshot_gone(&self) -> bool {
        matches!(self.kind, ErrorKind::NotFound | ErrorKind::SnapshotNotFound)
    }

    /// Whether the call may have had its effect, or may have it later, for all that this error tells; or nothing
    /// can be told of what there is, so that nobody can clean up either.
    pub fn has_unknown_effect(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::TimedOut
                | ErrorKind::Unreachable
                | ErrorKind::NotLoaded
                | ErrorKind::FilesystemNotFound
                | ErrorKind::Busy
                | ErrorKind::Locked
        )
    }

    fn reason(&self) -> String {
        let kind = self.kind.text();
        match (self.detail.as_str(), self.errno) {
            ("", None) => kind.to_owned(),
            ("", Some(errno)) => format!("{kind} (errno {errno})"),
            (detail, None) => format!("{kind}: {detail}"),
            (detail, Some(errno)) => format!("{kind} (errno {errno}): {detail}"),
        }
    }
}

/// A failing mgr module answers with a Python traceback; its last line is the error.
fn without_traceback(detail: String) -> String {
    let last_line = detail.trim_end().lines().next_back();
    match last_line {
        Some(line) if detail.starts_with("Traceback ") => line.to_owned(),
        _ => detail,
    }
}

impl ErrorKind {
    /// The kind of a positive errno.
    pub fn of_errno(errno: i32) -> Self {
        match errno {
            1 | 13 => Self::PermissionDenied,
            2 => Self::NotFound,
            11 => Self::Busy,
            16 => Self::Locked,
            17 => Self::AlreadyExists,
            22 => Self::Invalid,
            28 | 122 => Self::NoSpace,
            31 => Self::TooManySnapshots,
            34 | 75 => Self::VersionChanged,
            39 => Self::NotEmpty,
            107 | 108 | 111 | 113 => Self::Unreachable,
            110 => Self::TimedOut,
            125 => Self::CompareFailed,
            _ => Self::Other,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::SnapshotNotFound => "snapshot not found",
            Self::GroupNotFound => "subvolume group not found",
            Self::FilesystemNotFound => "file system not found by this name",
            Self::AlreadyExists => "exists already",
            Self::CompareFailed => "changed by somebody else",
            Self::VersionChanged => "object out of date",
            Self::Locked => "locked by somebody else",
            Self::PermissionDenied => "permission denied",
            Self::TimedOut => "no answer in time",
            Self::Unreachable => "cluster not reachable",
            Self::NotLoaded => "manager not ready for it",
            Self::NotEmpty => "not empty",
            Self::Busy => "busy, try again later",
            Self::ClonersBusy => "too many clones at once, try again later",
            Self::NotReady => "not complete yet",
            Self::PendingClones => "clones of it are pending",
            Self::CloneFinished => "finished already",
            Self::NotQuiet => "writes could not be held back all the time",
            Self::NotAClone => "not a clone",
            Self::TooManySnapshots => "too many snapshots",
            Self::Unsupported => "not known to this Ceph release",
            Self::Invalid => "refused",
            Self::NoSpace => "no space",
            Self::BadAnswer => "answer not understood",
            Self::Other => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_share_an_errno_are_told_apart_by_their_words() {
        use ErrorKind::*;
        for (errno, words, kind) in [
            (22, "invalid size specified: '-4'", Invalid),
            (22, "No handler found for 'fs quiesce'", Unsupported),
            (
                22,
                "cannot cancel -- clone finished (check clone status)",
                CloneFinished,
            ),
            (2, "subvolume 'x' does not exist", NotFound),
            (
                2,
                "subvolume 'x' is removed and has only snapshots retained",
                NotFound,
            ),
            (2, "FS 'x' not found", FilesystemNotFound),
            (2, "subvolume group 'x' does not exist", GroupNotFound),
            (2, "snapshot 'b's'' does not exist", SnapshotNotFound),
            (11, "asynchronous purge of subvolume in progress", Busy),
            (
                11,
                "all cloner threads are busy, please try again later",
                ClonersBusy,
            ),
            (11, "snapshot 's' has pending clones", PendingClones),
            (11, "subvolume 'x' is not ready for operation rm", NotReady),
            (
                11,
                "x clone in-progress -- please cancel the clone and retry",
                NotReady,
            ),
            (31, "error in mkdir x", TooManySnapshots),
            (39, "subvolume group x contains subvolume(s)", NotEmpty),
            (
                95,
                "operation 'clone-status' is not allowed on subvolume 'x' of type subvolume",
                NotAClone,
            ),
            (5, "error in mkdir x", Other),
        ] {
            assert_eq!(Error::answered("c", errno, words).kind, kind, "{words}");
        }
    }

    #[test]
    fn a_manager_without_the_module_is_known_by_its_words() {
        for (errno, words) in [
            (
                95,
                "Warning: due to ceph-mgr restart, some PG states may not be up to date\nModule 'volumes' is not \
                 enabled/loaded (required by command 'fs clone status'): use `ceph mgr module enable volumes` to \
                 enable it",
            ),
            (
                95,
                "Module 'volumes' is not enabled (required by command 'fs clone status'): use `ceph mgr module \
                 enable volumes` to enable it",
            ),
            (
                95,
                "Module 'volumes' did not initialize in time (required by command 'fs clone status')",
            ),
            (
                5,
                "Module 'volumes' has experienced an error and cannot handle commands: x",
            ),
            (
                5,
                "Module 'volumes' failed to load and cannot handle commands: x",
            ),
        ] {
            let error = Error::answered("c", errno, words);
            assert_eq!(error.kind, ErrorKind::NotLoaded, "{words}");
            assert!(error.has_unknown_effect());
            assert!(error.to_string().ends_with(words), "{error}");
        }
    }

    #[test]
    fn a_traceback_is_told_by_its_last_line() {
        let text =
            "Traceback (most recent call last):\n  File \"x.py\", line 1\nKeyError: 'sub_name'\n";
        let error = Error::answered("mgr command `fs subvolume create`", 22, text);
        assert_eq!(
            error.to_string(),
            "mgr command `fs subvolume create`: refused (errno 22): KeyError: 'sub_name'"
        );
    }

    #[test]
    fn a_text_says_as_much_as_is_known() {
        let answered = |errno, words: &str| Error::answered("c", errno, words).to_string();
        assert_eq!(answered(2, ""), "c: not found (errno 2)");
        assert_eq!(
            Error::new(ErrorKind::TimedOut, "c", "").to_string(),
            "c: no answer in time"
        );
        let detail = Error::new(ErrorKind::NotFound, "c", "this user sees: a");
        assert_eq!(detail.to_string(), "c: not found: this user sees: a");
    }
}
