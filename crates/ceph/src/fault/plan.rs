//! The plan of a [`Faults`](super::Faults), and the log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Call, Fault};

#[derive(Default)]
pub(super) struct Plan(Mutex<State>);

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    log: Vec<Call>,
}

struct Rule {
    chosen: Box<dyn Fn(&Call) -> bool + Send + Sync>,
    fault: Fault,
    times: Times,
}

#[derive(PartialEq, Eq)]
pub(super) enum Times {
    Once,
    Always,
}

impl Plan {
    pub(super) fn add(
        &self,
        chosen: impl Fn(&Call) -> bool + Send + Sync + 'static,
        fault: Fault,
        times: Times,
    ) {
        let chosen = Box::new(chosen);
        self.lock().rules.push(Rule {
            chosen,
            fault,
            times,
        });
    }

    pub(super) fn clear(&self) {
        self.lock().rules.clear();
    }

    pub(super) fn log(&self) -> Vec<Call> {
        self.lock().log.clone()
    }

    /// Logs the next call and tells how it shall go wrong: by the oldest rule that chooses it.
    pub(super) fn next(&self, what: &str) -> Option<Fault> {
        let mut state = self.lock();
        let call = Call {
            number: state.log.len() as u64 + 1,
            what: what.to_owned(),
        };
        let rule = state.rules.iter().position(|rule| (rule.chosen)(&call));
        state.log.push(call);
        let rule = rule?;
        if state.rules.get(rule)?.times == Times::Once {
            return Some(state.rules.remove(rule).fault);
        }
        Some(state.rules.get(rule)?.fault.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
