//! Quiescing.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::MgrVolumes;
use super::answer::{bad_answer, parse};
use super::arguments::Target;
use crate::quiesce::{Quiesce, QuiesceLimits, QuiesceSet, Quiet};
use crate::{Context, Error, ErrorKind, Result, Subvolume};

const PREFIX: &str = "fs quiesce";

#[derive(Default, Serialize)]
struct Arguments<'a> {
    vol_name: &'a str,
    set_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<String>,
    /// Seconds, as the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_version: Option<u64>,
    #[serde(rename = "await", skip_serializing_if = "Option::is_none")]
    wait: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel: Option<bool>,
}

impl<'a> Arguments<'a> {
    fn new(set: &'a QuiesceSet) -> Self {
        Self {
            vol_name: &set.fs,
            set_id: &set.name,
            ..Self::default()
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    sets: BTreeMap<String, SetAnswer>,
}

#[derive(Deserialize)]
struct SetAnswer {
    version: u64,
    state: StateAnswer,
}

#[derive(Deserialize)]
struct StateAnswer {
    name: String,
}

impl MgrVolumes {
    /// Runs the command, and demands that the set is in the state `wanted` then; answers its version.
    async fn bring(&self, cx: &Context, arguments: &Arguments<'_>, wanted: &str) -> Result<u64> {
        let answer = self.run(cx, PREFIX, arguments).await?;
        let answer: Answer = parse(PREFIX, &answer)?;
        let set = answer.sets.get(arguments.set_id);
        let set = set.ok_or_else(|| bad_answer(PREFIX, "the set is not in it"))?;
        if set.state.name == wanted {
            return Ok(set.version);
        }
        let call = format!("mgr command `{PREFIX}`");
        let detail = format!("the set is {}, not {wanted}", set.state.name);
        Err(Error::new(ErrorKind::NotQuiet, call, detail))
    }
}

#[async_trait]
impl Quiesce for MgrVolumes {
    async fn quiesce(
        &self,
        cx: &Context,
        set: &QuiesceSet,
        members: &[Subvolume],
        limits: QuiesceLimits,
    ) -> Result<Quiet> {
        let arguments = Arguments {
            members: members.iter().map(member).collect::<Result<_>>()?,
            timeout: Some(limits.patience.as_secs_f64()),
            expiration: Some(limits.expiration.as_secs_f64()),
            wait: Some(true),
            reset: Some(true),
            ..Arguments::new(set)
        };
        let version = self.bring(cx, &arguments, "QUIESCED").await;
        version.map(|version| Quiet { version }).map_err(not_quiet)
    }

    async fn release(&self, cx: &Context, set: &QuiesceSet, quiet: Quiet) -> Result<()> {
        let arguments = Arguments {
            if_version: Some(quiet.version),
            wait: Some(true),
            release: Some(true),
            ..Arguments::new(set)
        };
        let released = self.bring(cx, &arguments, "RELEASED").await;
        released.map(drop).map_err(not_quiet)
    }

    async fn cancel(&self, cx: &Context, set: &QuiesceSet) -> Result<()> {
        let arguments = Arguments {
            cancel: Some(true),
            ..Arguments::new(set)
        };
        match self.run(cx, PREFIX, &arguments).await {
            // There is none, or it has ended.
            Err(error) if matches!(error.errno, Some(1 | 2)) && error.detail.is_empty() => Ok(()),
            other => other.map(drop),
        }
    }
}

/// The manager takes `GROUP/NAME`.
fn member(at: &Subvolume) -> Result<String> {
    let at = Target::new(at)?;
    let group = at.group.map(|group| format!("{group}/"));
    Ok(group.unwrap_or_default() + at.name)
}

/// The mds refuses with an errno and no words: EPERM if the set has ended, ESTALE if its version is
/// another, ENOENT if there is none, EINTR, ECANCELED and ETIMEDOUT if it ends while being waited for.
fn not_quiet(mut error: Error) -> Error {
    const ENDED: [i32; 6] = [1, 2, 4, 110, 116, 125];
    let of_mds = error.errno.is_some_and(|errno| ENDED.contains(&errno));
    if of_mds && error.detail.trim().is_empty() {
        error.kind = ErrorKind::NotQuiet;
    }
    error
}
