//! Mounts of a volume in the mount namespaces of running containers.

use std::path::Path;
use std::time::Duration;

use ceph::Context;
use secrecy::SecretString;

use super::super::command::{self, Program};
use super::super::role::{self, OwnProgram, Replace};
use super::super::{Error, Mount, There, helper, namespaces};
use super::questions::Questions;
use super::{LOOK_UP, PROBE, call, look_up};

/// How long replacing one mount in another namespace may take.
const REPLACE: Duration = Duration::from_secs(5);

/// Puts `fresh` in the place of the mounts of the superblocks `dead`, by the driver's program `own`. What answers the
/// question whether it serves is another's, which was given the number of a dead one.
pub(super) async fn replace(
    cx: &Context,
    own: &OwnProgram,
    questions: &Questions,
    dead: &[String],
    fresh: &Mount,
) -> Result<(), Error> {
    let (at, devices) = (&fresh.mount_point, dead.to_vec());
    let find = move |_: &Path| namespaces::find(&devices);
    let found = call(cx, "look for dead mounts in the place of", at, find).await?;
    let mut failed = Ok(());
    for place in found {
        let Some(source) = fresh.counterpart(&place.mount) else {
            continue;
        };
        let asked = questions
            .probe(&cx.at_most(PROBE), &place.seen_from_here())
            .await;
        if !matches!(asked, Err(Error::Dead { .. } | Error::Hangs { .. })) {
            continue;
        }
        let path = source.clone();
        let shown = helper::run(cx, LOOK_UP, &source, move || look_up(&path)).await??;
        if shown.is_none_or(|place| place.there == There::Nothing) {
            tracing::warn!(
                "`{}` of process {} shows a directory that the volume does not have any more, and stays dead",
                place.mount.mount_point.display(),
                place.process
            );
            continue;
        }
        let replace = Replace {
            process: place.process,
            source,
            at: place.mount.mount_point,
            options: place.mount.flags.text(),
        };
        match replace_one(cx, own, &replace).await {
            Ok(()) => tracing::info!(
                "processes that share the mounts of {} can use `{}` again",
                replace.process,
                replace.at.display()
            ),
            Err(error) => failed = Err(error),
        }
    }
    failed
}

async fn replace_one(cx: &Context, own: &OwnProgram, replace: &Replace) -> Result<(), Error> {
    let program = Program {
        name: own.path(),
        arguments: role::replace(replace),
        stdin: None,
        secret: SecretString::default(),
        leads_session: false,
    };
    let output = command::run(&cx.at_most(REPLACE), program).await?;
    // That the processes have ended meanwhile is as good.
    let process = format!("/proc/{}/ns/mnt", replace.process);
    if output.status.success() || std::fs::read_link(process).is_err() {
        return Ok(());
    }
    Err(Error::Replace {
        process: replace.process,
        path: replace.at.clone(),
        why: output.stderr.trim().to_owned(),
    })
}
