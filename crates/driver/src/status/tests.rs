//! Every error has a row, with the code and the whole message that its caller gets.

mod rows;

use std::collections::BTreeSet;
use std::time::Duration;

use ceph::{Context, Progress};

use super::*;
use crate::config;
use crate::operations::{Call, Key, Operations};

/// `variants!(name, NAMES, Type: pattern => "name", ...)` makes `name`, which tells the variant of an
/// error, and `NAMES`, all there are. A variant that is missing here does not compile; one that no row
/// has fails the test.
macro_rules! variants {
    ($name:ident, $names:ident, $type:ty: $($pattern:pat => $variant:literal,)+) => {
        const $names: &[&str] = &[$($variant),+];
        fn $name(error: &$type) -> &'static str {
            match error { $($pattern => $variant),+ }
        }
    };
}

variants!(of_error, ERRORS, Error:
    Error::Request(_) => "Request",
    Error::Size(_) => "Size",
    Error::ClusterIdTooLong(_) => "ClusterIdTooLong",
    Error::Credentials(_) => "Credentials",
    Error::OwnCredentials(_) => "OwnCredentials",
    Error::Token => "Token",
    Error::Listing { .. } => "Listing",
    Error::Config(_) => "Config",
    Error::NotReady(_) => "NotReady",
    Error::ConfigOf { .. } => "ConfigOf",
    Error::UnknownFilesystem(_) => "UnknownFilesystem",
    Error::NoGroup { .. } => "NoGroup",
    Error::OtherGroup(_) => "OtherGroup",
    Error::NotDynamic(_) => "NotDynamic",
    Error::NoVolume { .. } => "NoVolume",
    Error::NoSnapshot { .. } => "NoSnapshot",
    Error::NoGroupSnapshot { .. } => "NoGroupSnapshot",
    Error::OtherMembers { .. } => "OtherMembers",
    Error::GroupIncomplete { .. } => "GroupIncomplete",
    Error::GroupInUse { .. } => "GroupInUse",
    Error::NoQuiesce(_) => "NoQuiesce",
    Error::Incompatible { .. } => "Incompatible",
    Error::OtherSource { .. } => "OtherSource",
    Error::SnapshotLimit { .. } => "SnapshotLimit",
    Error::PendingClones { .. } => "PendingClones",
    Error::BeyondLimit { .. } => "BeyondLimit",
    Error::Unfinished { .. } => "Unfinished",
    Error::Begun { .. } => "Begun",
    Error::CopyFailed { .. } => "CopyFailed",
    Error::SmallerThanSource { .. } => "SmallerThanSource",
    Error::Unserved { .. } => "Unserved",
    Error::Caps { .. } => "Caps",
    Error::Ceph(_) => "Ceph",
    Error::Journal(_) => "Journal",
    Error::References(_) => "References",
    Error::Path(_) => "Path",
    Error::Mount(_) => "Mount",
    Error::Busy(_) => "Busy",
    Error::Expired(_) => "Expired",
    Error::Panicked(_) => "Panicked",
);
variants!(of_config_error, CONFIG, config::Error:
    config::Error::Absent { .. } => "Config: Absent",
    config::Error::Unreadable { .. } => "Config: Unreadable",
    config::Error::Malformed { .. } => "Config: Malformed",
    config::Error::UnknownCluster { .. } => "Config: UnknownCluster",
    config::Error::NoClusters { .. } => "Config: NoClusters",
    config::Error::NoMonitors { .. } => "Config: NoMonitors",
);
variants!(of_kind, KINDS, ErrorKind:
    ErrorKind::NotFound => "Ceph: NotFound",
    ErrorKind::GroupNotFound => "Ceph: GroupNotFound",
    ErrorKind::FilesystemNotFound => "Ceph: FilesystemNotFound",
    ErrorKind::AlreadyExists => "Ceph: AlreadyExists",
    ErrorKind::CompareFailed => "Ceph: CompareFailed",
    ErrorKind::VersionChanged => "Ceph: VersionChanged",
    ErrorKind::Locked => "Ceph: Locked",
    ErrorKind::PermissionDenied => "Ceph: PermissionDenied",
    ErrorKind::TimedOut => "Ceph: TimedOut",
    ErrorKind::Unreachable => "Ceph: Unreachable",
    ErrorKind::NotLoaded => "Ceph: NotLoaded",
    ErrorKind::NotEmpty => "Ceph: NotEmpty",
    ErrorKind::Busy => "Ceph: Busy",
    ErrorKind::SnapshotNotFound => "Ceph: SnapshotNotFound",
    ErrorKind::ClonersBusy => "Ceph: ClonersBusy",
    ErrorKind::NotReady => "Ceph: NotReady",
    ErrorKind::NotQuiet => "Ceph: NotQuiet",
    ErrorKind::PendingClones => "Ceph: PendingClones",
    ErrorKind::CloneFinished => "Ceph: CloneFinished",
    ErrorKind::NotAClone => "Ceph: NotAClone",
    ErrorKind::TooManySnapshots => "Ceph: TooManySnapshots",
    ErrorKind::Unsupported => "Ceph: Unsupported",
    ErrorKind::Invalid => "Ceph: Invalid",
    ErrorKind::NoSpace => "Ceph: NoSpace",
    ErrorKind::BadAnswer => "Ceph: BadAnswer",
    ErrorKind::Other => "Ceph: Other",
);
variants!(of_journal_error, JOURNAL, journal::Error:
    journal::Error::Ceph(_) => "Journal: Ceph",
    journal::Error::Malformed { .. } => "Journal: Malformed",
    journal::Error::Incomplete { .. } => "Journal: Incomplete",
    journal::Error::NameConflict { .. } => "Journal: NameConflict",
    journal::Error::Contended(_) => "Journal: Contended",
);
variants!(of_reference_error, REFERENCES, reftracker::Error:
    reftracker::Error::Ceph(_) => "References: Ceph",
    reftracker::Error::Malformed { .. } => "References: Malformed",
    reftracker::Error::Contended(_) => "References: Contended",
);
variants!(of_path_error, PATH, PathError:
    PathError::Foreign { .. } => "Path: Foreign",
    PathError::Incompatible { .. } => "Path: Incompatible",
    PathError::NotStaged { .. } => "Path: NotStaged",
    PathError::NoStagingPath => "Path: NoStagingPath",
    PathError::StagedDead { .. } => "Path: StagedDead",
    PathError::PublishedElsewhere { .. } => "Path: PublishedElsewhere",
    PathError::NotMounted { .. } => "Path: NotMounted",
    PathError::Unknown { .. } => "Path: Unknown",
);
variants!(of_mount_error, MOUNT, mount::Error:
    mount::Error::CephConf(_) => "Mount: CephConf",
    mount::Error::Call { .. } => "Mount: Call",
    mount::Error::Hangs { .. } => "Mount: Hangs",
    mount::Error::Dead { .. } => "Mount: Dead",
    mount::Error::InUse { .. } => "Mount: InUse",
    mount::Error::NoDirectory { .. } => "Mount: NoDirectory",
    mount::Error::NoSnapshot { .. } => "Mount: NoSnapshot",
    mount::Error::AmbiguousSnapshot { .. } => "Mount: AmbiguousSnapshot",
    mount::Error::NotEmpty { .. } => "Mount: NotEmpty",
    mount::Error::Table(_) => "Mount: Table",
    mount::Error::NoMounter { .. } => "Mount: NoMounter",
    mount::Error::Option { .. } => "Mount: Option",
    mount::Error::NetNamespace(_) => "Mount: NetNamespace",
    mount::Error::LentKey { .. } => "Mount: LentKey",
    mount::Error::Command(CommandError::Start { .. }) => "Mount: Command: Start",
    mount::Error::Command(CommandError::TimedOut { .. }) => "Mount: Command: TimedOut",
    mount::Error::Command(CommandError::Wait { .. }) => "Mount: Command: Wait",
    mount::Error::Failure(_) => "Mount: Failure",
    mount::Error::Vanished { .. } => "Mount: Vanished",
    mount::Error::Replace { .. } => "Mount: Replace",
);
variants!(of_cause, CAUSES, Cause:
    Cause::BadKey => "Failure: BadKey",
    Cause::Rejected => "Failure: Rejected",
    Cause::Unreachable => "Failure: Unreachable",
    Cause::BadMonitors => "Failure: BadMonitors",
    Cause::NotAllowed => "Failure: NotAllowed",
    Cause::NoDirectory => "Failure: NoDirectory",
    Cause::NoFileSystem => "Failure: NoFileSystem",
    Cause::NoMds => "Failure: NoMds",
    Cause::BadOption => "Failure: BadOption",
    Cause::NetNamespace => "Failure: NetNamespace",
    Cause::NoFuse => "Failure: NoFuse",
    Cause::NoModule => "Failure: NoModule",
    Cause::OldKernel => "Failure: OldKernel",
    Cause::OtherProtocol => "Failure: OtherProtocol",
    Cause::NoSession => "Failure: NoSession",
    Cause::Other => "Failure: Other",
);

/// The variants that a row stands for: that of the error, and that of what it wraps.
fn names(error: &Error) -> Vec<&'static str> {
    let mut names = vec![of_error(error)];
    match error {
        Error::Config(error) => names.push(of_config_error(error)),
        Error::Ceph(error) => names.push(of_kind(&error.kind)),
        Error::Journal(error) => names.push(of_journal_error(error)),
        Error::References(error) => names.push(of_reference_error(error)),
        Error::Path(error) => names.push(of_path_error(error)),
        Error::Mount(error) => {
            names.push(of_mount_error(error));
            if let mount::Error::Failure(failure) = error {
                names.push(of_cause(&failure.cause));
            }
        }
        _ => {}
    }
    names
}

type Row = (Error, Code, &'static str);

#[test]
fn every_error_has_its_code_and_message() {
    let all = [
        ERRORS, CONFIG, KINDS, JOURNAL, REFERENCES, PATH, MOUNT, CAUSES,
    ]
    .concat();
    // Those two are made by running requests, and have the next test.
    let mut seen = BTreeSet::from(["Busy", "Expired"]);
    let tables = [
        rows::requests,
        rows::configs,
        rows::listings,
        rows::volumes,
        rows::cephs,
        rows::journals,
        rows::references,
        rows::paths,
        rows::mounts,
        rows::snapshots,
        rows::failures,
    ];
    for (error, code, message) in tables
        .into_iter()
        .flat_map(|table: fn() -> Vec<Row>| table())
    {
        seen.extend(names(&error));
        let status = of(&error);
        assert_eq!((status.code(), status.message()), (code, message));
    }
    let missing: Vec<_> = all.iter().filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "no row has {missing:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_in_the_way_and_what_took_too_long() {
    let operations = Operations::default();
    let call = |fingerprint| Call {
        rpc: "CreateVolume",
        subject: "pvc-1".to_owned(),
        key: Some(Key::VolumeName("pvc-1".to_owned())),
        fingerprint: [fingerprint, 0],
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    let cx = Context::new(deadline.into_std(), Progress::default());
    cx.step("fs subvolume create", "mgr command `fs subvolume create`");
    let first = operations.run(call(1), &cx, |_| {
        std::future::pending::<Result<(), Error>>()
    });
    let second = async {
        tokio::task::yield_now().await;
        operations.run(call(2), &cx, |_| async { Ok(()) }).await
    };
    let (first, second) = tokio::join!(first, second);
    let expired = of(&first.unwrap_err());
    assert_eq!(expired.code(), Code::DeadlineExceeded);
    let text = expired.message();
    assert!(
        text.starts_with("CreateVolume pvc-1 has not ended after "),
        "{text}"
    );
    assert!(
        text.ends_with(" at this step: mgr command `fs subvolume create`"),
        "{text}"
    );
    let busy = of(&second.unwrap_err());
    assert_eq!(busy.code(), Code::Aborted);
    let text = busy.message();
    let start = "an operation with the given volume name pvc-1 already exists: CreateVolume pvc-1 has \
                 been running for ";
    assert!(text.starts_with(start), "{text}");
    let end = " at this step: mgr command `fs subvolume create`; try again when it has ended";
    assert!(text.ends_with(end), "{text}");
}
