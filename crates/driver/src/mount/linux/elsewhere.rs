//! Mounts of a volume in the mount namespaces of running containers.

use std::path::Path;
use std::time::Duration;

use ceph::Context;

use super::super::command::{self, Program};
use super::super::role::{self, OwnProgram, Replace};
use super::super::{Error, Mount, namespaces};
use super::questions::Questions;
use super::{LOOK_UP, PROBE, call, is_bindable};

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
        match asked {
            Ok(()) => continue,
            Err(Error::Dead { .. } | Error::Hangs { .. }) => {}
            Err(error) => {
                failed = Err(error);
                continue;
            }
        }
        let stays_dead = |why: &str| {
            tracing::warn!(
                "`{}` of process {} {why}, and stays dead until its container is started again",
                place.mount.mount_point.display(),
                place.process
            );
        };
        // What is mounted below cannot be reached through what is dead, to be mounted on the new one as well.
        if place.nested {
            stays_dead("has another mount on it, or is on another dead one");
            continue;
        }
        if !call(cx, LOOK_UP, &source, is_bindable).await? {
            stays_dead("shows a directory that the volume does not have any more");
            continue;
        }
        let replace = Replace {
            process: place.process,
            namespace: place.namespace,
            source,
            mount: place.mount.id,
            device: place.mount.device,
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
