//! `fs clone status`, whose report differs between releases.

use serde::Deserialize;
use serde_json::Value;

use super::bad_answer;
use crate::{CloneState, CloneStatus, Result, Snapshot, Subvolume};

/// The answer to `fs clone status`.
#[derive(Deserialize)]
pub(in crate::mgr) struct CloneAnswer {
    status: StatusAnswer,
}

#[derive(Deserialize)]
struct StatusAnswer {
    state: String,
    source: Option<SourceAnswer>,
    failure: Option<FailureAnswer>,
    progress_report: Option<ProgressAnswer>,
}

#[derive(Deserialize)]
struct SourceAnswer {
    volume: String,
    #[serde(default)]
    group: String,
    subvolume: String,
    snapshot: String,
}

#[derive(Deserialize)]
struct FailureAnswer {
    errno: Option<Value>,
    #[serde(alias = "errstr", default)]
    error_msg: String,
}

#[derive(Deserialize)]
struct ProgressAnswer {
    #[serde(rename = "percentage cloned")]
    percentage: Option<String>,
    #[serde(rename = "amount cloned")]
    amount: Option<String>,
    #[serde(rename = "files cloned")]
    files: Option<String>,
}

impl CloneAnswer {
    pub(in crate::mgr) fn status(self, prefix: &str) -> Result<CloneStatus> {
        let answer = self.status;
        let state = match answer.state.as_str() {
            "pending" => CloneState::Pending,
            "in-progress" => CloneState::InProgress,
            "complete" => CloneState::Complete,
            "failed" => answer.failure.map_or_else(
                || CloneState::Failed {
                    errno: None,
                    text: String::new(),
                },
                FailureAnswer::state,
            ),
            "canceled" => CloneState::Canceled,
            other => {
                let detail = format!("`{other}` is no state of a clone");
                return Err(bad_answer(prefix, &detail));
            }
        };
        Ok(CloneStatus {
            state,
            source: answer.source.map(SourceAnswer::snapshot),
            progress: answer.progress_report.and_then(ProgressAnswer::text),
        })
    }
}

impl SourceAnswer {
    fn snapshot(self) -> Snapshot {
        let of = Subvolume {
            fs: self.volume,
            group: self.group,
            name: self.subvolume,
        };
        let name = self.snapshot;
        Snapshot { of, name }
    }
}

impl FailureAnswer {
    /// The errno is a number in words.
    fn state(self) -> CloneState {
        let errno = self.errno.and_then(|errno| match errno {
            Value::String(text) => text.trim().parse::<i32>().ok(),
            number => number.as_i64().and_then(|number| number.try_into().ok()),
        });
        CloneState::Failed {
            errno: errno.map(i32::abs),
            text: self.error_msg,
        }
    }
}

impl ProgressAnswer {
    fn text(self) -> Option<String> {
        let (amount, files) = (self.amount, self.files);
        let parts = [
            self.percentage,
            amount.map(|amount| format!("{amount} bytes")),
            files.map(|files| format!("{files} files")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
