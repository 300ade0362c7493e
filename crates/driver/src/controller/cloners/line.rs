//! Who waits for the clones of one file system.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, watch};

/// The line, in the order in which its members came.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Whose turn it is to begin a clone; tokio's mutex is given to those who wait in their order.
    turn: Mutex<()>,
    members: watch::Sender<Members>,
}

#[derive(Debug, Default)]
struct Members {
    numbers: VecDeque<u64>,
    next: u64,
    /// How many were members once.
    departures: u64,
}

/// A place in the line, which is left when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    number: u64,
    members: watch::Receiver<Members>,
}

impl Line {
    /// The last place.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let mut number = 0;
        self.members.send_modify(|members| {
            number = members.next;
            members.next += 1;
            members.numbers.push_back(number);
        });
        Place {
            line: Arc::clone(self),
            number,
            members: self.members.subscribe(),
        }
    }

    /// Waits for the turn to begin a clone.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

impl Place {
    pub(super) fn is_first(&self) -> bool {
        self.members.borrow().numbers.front() == Some(&self.number)
    }

    /// How many others there are.
    pub(super) fn others(&self) -> u32 {
        let members = self.members.borrow().numbers.len();
        u32::try_from(members).unwrap_or(u32::MAX).saturating_sub(1)
    }

    /// How many have left the line so far.
    pub(super) fn departures(&self) -> u64 {
        self.members.borrow().departures
    }

    /// Returns once more than these have left.
    pub(super) async fn departure_after(&mut self, departures: u64) {
        let is_later = |members: &Members| members.departures > departures;
        // The sender lives in the line, so this does not end otherwise.
        let _ = self.members.wait_for(is_later).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.members.send_modify(|members| {
            members.numbers.retain(|number| *number != self.number);
            members.departures += 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_is_first_when_the_first_leaves_and_all_are_told() {
        let line = Arc::new(Line::default());
        let first = line.enter();
        let (second, mut third) = (line.enter(), line.enter());
        assert!(first.is_first() && !second.is_first());
        assert_eq!(third.others(), 2);
        let departures = third.departures();
        drop(second);
        third.departure_after(departures).await;
        assert!(first.is_first() && !third.is_first());
        let departures = third.departures();
        // One that comes meanwhile hides nothing.
        let fourth = line.enter();
        drop(first);
        third.departure_after(departures).await;
        assert!(third.is_first() && !fourth.is_first());
        assert_eq!(fourth.others(), 1);
    }
}
