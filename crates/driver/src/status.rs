//! From errors to gRPC codes: the one place that decides.
//!
//! A code decides what the caller does next. `csi-provisioner` takes INVALID_ARGUMENT as final for the
//! moment and delays its retries; ABORTED, DEADLINE_EXCEEDED and UNAVAILABLE tell it that the work may
//! still be going on, so it asks again with the same name and never gives the volume up; NOT_FOUND on
//! an expansion and FAILED_PRECONDITION make people look.

#[cfg(test)]
mod tests;

use ceph::ErrorKind;
use tonic::{Code, Status};

use crate::error::Error;
use crate::mount::{self, Cause, CommandError};
use crate::node::PathError;
use crate::{config, journal, kubernetes, own_credentials, reftracker};

/// The status of a failed RPC. Its message is the whole chain of causes.
pub fn of(error: &Error) -> Status {
    Status::new(code(error), text(error))
}

/// The code of an error.
pub fn code(error: &Error) -> Code {
    match error {
        Error::Request(_)
        | Error::ClusterIdTooLong(_)
        | Error::Credentials(_)
        | Error::UnknownFilesystem(_) => Code::InvalidArgument,
        Error::Size(_) | Error::BeyondLimit { .. } | Error::SmallerThanSource { .. } => {
            Code::OutOfRange
        }
        Error::Config(error) => of_config(error, Code::InvalidArgument),
        // The request is right, and was once: somebody has to mend config.json.
        Error::ConfigOf { source, .. } => of_config(source, Code::FailedPrecondition),
        Error::NoGroup { .. }
        | Error::OtherGroup(_)
        | Error::NotReady(_)
        | Error::PendingClones { .. }
        | Error::GroupIncomplete { .. }
        | Error::GroupInUse { .. }
        | Error::NoQuiesce(_) => Code::FailedPrecondition,
        Error::OwnCredentials(error) => of_own_credentials(error),
        Error::Listing { source, .. } => code(source),
        // Whatever it was: after a final code the sidecar would forget what is left.
        Error::Begun { source, .. } => match code(source) {
            not_final @ (Code::DeadlineExceeded | Code::Unavailable) => not_final,
            _ => Code::Aborted,
        },
        Error::NoVolume { .. }
        | Error::NoSnapshot { .. }
        | Error::NoGroupSnapshot { .. }
        | Error::NotDynamic(_) => Code::NotFound,
        Error::Incompatible { .. } | Error::OtherSource { .. } | Error::OtherMembers { .. } => {
            Code::AlreadyExists
        }
        Error::CopyFailed { errno, .. } => match errno.map(ErrorKind::of_errno) {
            Some(ErrorKind::NoSpace) => Code::ResourceExhausted,
            _ => Code::Internal,
        },
        Error::SnapshotLimit { .. } => Code::ResourceExhausted,
        Error::Unserved { .. } => Code::Unimplemented,
        Error::Caps { .. } => Code::PermissionDenied,
        Error::Ceph(error)
        | Error::Journal(journal::Error::Ceph(error))
        | Error::References(reftracker::Error::Ceph(error)) => of_ceph(error.kind),
        Error::Journal(
            journal::Error::Malformed { .. }
            | journal::Error::Incomplete { .. }
            | journal::Error::NameConflict { .. },
        )
        | Error::References(reftracker::Error::Malformed { .. })
        | Error::Panicked(_) => Code::Internal,
        Error::Journal(journal::Error::Contended(_))
        | Error::References(reftracker::Error::Contended(_))
        | Error::Busy(_)
        | Error::Token
        // What still goes on: the sidecar asks again, and forgets nothing.
        | Error::Unfinished { .. } => Code::Aborted,
        Error::Expired(_) => Code::DeadlineExceeded,
        Error::Path(error) => of_path(error),
        Error::Mount(error) => of_mount(error),
    }
}

fn of_own_credentials(error: &own_credentials::Error) -> Code {
    use kubernetes::Error as Kubernetes;
    match error {
        own_credentials::Error::Kubernetes { source, .. } => match source {
            Kubernetes::TimedOut { .. } => Code::DeadlineExceeded,
            Kubernetes::Unreachable { .. } | Kubernetes::Failed { .. } => Code::Unavailable,
            Kubernetes::ServiceAccount { .. }
            | Kubernetes::NoCertificates { .. }
            | Kubernetes::Kubeconfig { .. }
            | Kubernetes::NoNamespace { .. }
            | Kubernetes::Forbidden { .. }
            | Kubernetes::Absent { .. }
            | Kubernetes::BadAnswer { .. } => Code::FailedPrecondition,
        },
        own_credentials::Error::NotConfigured { .. }
        | own_credentials::Error::File { .. }
        | own_credentials::Error::Unusable { .. } => Code::FailedPrecondition,
    }
}

fn of_path(error: &PathError) -> Code {
    match error {
        PathError::Foreign { .. }
        | PathError::NotStaged { .. }
        | PathError::NoStagingPath
        | PathError::StagedDead { .. }
        | PathError::PublishedElsewhere { .. } => Code::FailedPrecondition,
        PathError::Incompatible { .. } => Code::AlreadyExists,
        PathError::NotMounted { .. } | PathError::Unknown { .. } => Code::NotFound,
    }
}

fn of_mount(error: &mount::Error) -> Code {
    match error {
        mount::Error::Hangs { .. } | mount::Error::Command(CommandError::TimedOut { .. }) => {
            Code::DeadlineExceeded
        }
        mount::Error::CephConf(_)
        | mount::Error::InUse { .. }
        | mount::Error::NoDirectory { .. }
        | mount::Error::NotEmpty { .. }
        | mount::Error::NoMounter { .. }
        | mount::Error::NetNamespace(_)
        | mount::Error::LentKey { .. }
        | mount::Error::Vanished { .. } => Code::FailedPrecondition,
        mount::Error::NoSnapshot { .. } => Code::NotFound,
        mount::Error::AmbiguousSnapshot { .. } | mount::Error::Option { .. } => {
            Code::InvalidArgument
        }
        mount::Error::Failure(failure) => of_failure(failure.cause),
        mount::Error::Call { .. }
        | mount::Error::Dead { .. }
        | mount::Error::Replace { .. }
        | mount::Error::Table(_)
        | mount::Error::Command(CommandError::Start { .. } | CommandError::Wait { .. }) => {
            Code::Internal
        }
    }
}

fn of_failure(cause: Cause) -> Code {
    match cause {
        Cause::BadKey | Cause::BadOption => Code::InvalidArgument,
        Cause::Rejected | Cause::NotAllowed => Code::PermissionDenied,
        Cause::Unreachable | Cause::NoMds | Cause::NoSession => Code::Unavailable,
        Cause::NoDirectory | Cause::NoFileSystem => Code::NotFound,
        Cause::BadMonitors
        | Cause::NetNamespace
        | Cause::NoFuse
        | Cause::NoModule
        | Cause::OldKernel
        | Cause::OtherProtocol => Code::FailedPrecondition,
        Cause::Other => Code::Internal,
    }
}

fn of_config(error: &config::Error, unknown: Code) -> Code {
    match error {
        config::Error::UnknownCluster { .. } => unknown,
        config::Error::NoMonitors { .. }
        | config::Error::NoClusters { .. }
        | config::Error::Absent { .. }
        | config::Error::Unreadable { .. }
        | config::Error::Malformed { .. } => Code::FailedPrecondition,
    }
}

fn of_ceph(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Unreachable | ErrorKind::NotLoaded => Code::Unavailable,
        ErrorKind::TimedOut => Code::DeadlineExceeded,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::NotEmpty
        | ErrorKind::PendingClones
        | ErrorKind::Unsupported
        | ErrorKind::GroupNotFound => Code::FailedPrecondition,
        ErrorKind::NoSpace | ErrorKind::TooManySnapshots => Code::ResourceExhausted,
        ErrorKind::Invalid => Code::InvalidArgument,
        ErrorKind::Busy
        | ErrorKind::ClonersBusy
        | ErrorKind::NotReady
        | ErrorKind::NotQuiet
        | ErrorKind::Locked
        // By now the name is another, and the repeat knows.
        | ErrorKind::FilesystemNotFound
        | ErrorKind::CompareFailed
        | ErrorKind::VersionChanged => Code::Aborted,
        // What can be absent, or there already, is told apart where the call is made.
        ErrorKind::NotFound
        | ErrorKind::SnapshotNotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::CloneFinished
        | ErrorKind::NotAClone
        | ErrorKind::BadAnswer
        | ErrorKind::Other => Code::Internal,
    }
}

/// `error: cause: cause ...`, without repeating a cause that its error quotes already.
fn text(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
