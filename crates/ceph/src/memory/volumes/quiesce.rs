//! `fs quiesce`: sets of subvolumes whose clients hold their writes back. There are no clients here, so
//! every set is quiet at once.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::State;
use super::super::client::{Errno, Refusal};
use super::Answer;
use super::arguments::Arguments;
use crate::Subvolume;

/// A quiesce set as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct QuiesceState {
    /// `QUIESCED`, `RELEASED`, `CANCELED`, `TIMEDOUT` or `EXPIRED`.
    pub state: &'static str,
    /// Counts the changes of all sets.
    pub version: u64,
    /// Paths.
    pub members: Vec<String>,
    timeout: f64,
    expiration: f64,
    since: Instant,
}

impl State {
    pub(super) fn quiesce(&mut self, arguments: &Arguments) -> Answer {
        let fs = self.volume(arguments)?.facts.name.clone();
        let name = arguments.text("set_id")?.to_owned();
        let members = self.members(arguments, &fs)?;
        self.expire();
        let key = (fs, name);
        let found = self.quiesced.get(&key).cloned();
        let version = found.as_ref().map_or(0, |set| set.version);
        if arguments
            .integer("if_version")?
            .is_some_and(|only| only != i64::try_from(version).unwrap_or(-1))
        {
            return Err(Errno::Stale.into());
        }
        let set = if arguments.flag("reset") {
            self.begin(arguments, members)?
        } else {
            let Some(mut set) = found else {
                return Err(Errno::NoEntry.into());
            };
            let wanted = if arguments.flag("release") {
                "RELEASED"
            } else {
                "CANCELED"
            };
            if set.state == "QUIESCED" {
                set.state = wanted;
                set.version = self.next_set_version();
            } else if set.state != wanted || wanted == "CANCELED" {
                return Err(Errno::NotPermitted.into());
            }
            set
        };
        let answer = json!({ "sets": { &key.1: set.answer() } }).to_string();
        let timed_out = set.state == "TIMEDOUT";
        self.quiesced.insert(key, set);
        if timed_out && arguments.flag("await") {
            return Err(Errno::TimedOut.into());
        }
        Ok(answer)
    }

    fn begin(
        &mut self,
        arguments: &Arguments,
        members: Vec<String>,
    ) -> Result<QuiesceState, Refusal> {
        if members.is_empty() {
            let text = "Operation `reset` expects at least one root";
            return Err(Refusal::new(Errno::Invalid, text));
        }
        let seconds = |name| arguments.number(name).unwrap_or(0.0);
        let timeout = seconds("timeout");
        Ok(QuiesceState {
            state: if timeout > 0.0 {
                "QUIESCED"
            } else {
                "TIMEDOUT"
            },
            version: self.next_set_version(),
            members,
            timeout,
            expiration: seconds("expiration"),
            since: Instant::now(),
        })
    }

    /// The paths of the members, each once.
    fn members(&mut self, arguments: &Arguments, fs: &str) -> Result<Vec<String>, Refusal> {
        let mut paths = Vec::new();
        for member in arguments.texts("members") {
            let (group, name) = member.split_once('/').unwrap_or(("", member));
            let at = Subvolume {
                fs: fs.to_owned(),
                group: group.to_owned(),
                name: name.to_owned(),
            };
            let volume = self.volume(arguments)?;
            volume.group(group)?;
            let found = volume.find(&at).ok_or_else(|| {
                let text = format!("subvolume '{name}' does not exist");
                Refusal::new(Errno::NoEntry, text)
            })?;
            if !paths.contains(&found.path) {
                paths.push(found.path.clone());
            }
        }
        Ok(paths)
    }

    fn next_set_version(&mut self) -> u64 {
        self.set_version += 1;
        self.set_version
    }

    /// Ends what was quiet for too long.
    pub(in crate::memory) fn expire(&mut self) {
        let mut version = self.set_version;
        for set in self.quiesced.values_mut() {
            let limit = Duration::from_secs_f64(set.expiration.max(0.0));
            if set.state == "QUIESCED" && set.since.elapsed() >= limit {
                version += 1;
                set.state = "EXPIRED";
                set.version = version;
            }
        }
        self.set_version = version;
    }
}

impl QuiesceState {
    fn answer(&self) -> Value {
        let member = |path: &String| {
            let state = json!({ "name": self.state, "age": 0.0 });
            let entry = json!({ "excluded": false, "state": state });
            (format!("file:{path}"), entry)
        };
        json!({
            "version": self.version,
            "age_ref": 0.0,
            "state": { "name": self.state, "age": 0.0 },
            "timeout": self.timeout,
            "expiration": self.expiration,
            "members": self.members.iter().map(member).collect::<Map<_, _>>(),
        })
    }
}
