//! Collecting a page.

use super::position::Position;

/// Entries of a page where the caller sets no limit.
const MOST_ENTRIES: usize = 1000;
/// A page looks at no more volumes, however few of them belong into it.
const MOST_EXAMINED: usize = 5000;
/// Volumes to look at in one go.
const BATCH: usize = 500;

/// A page that is being filled.
pub(in crate::controller) struct Page<T> {
    max: usize,
    found: Vec<(Position, T)>,
    examined: usize,
    last: Option<Position>,
}

impl<T> Page<T> {
    /// A page of at most `max_entries`, 0 for no limit of the caller's.
    pub(in crate::controller) fn new(max_entries: usize) -> Self {
        let max = match max_entries {
            0 => MOST_ENTRIES,
            limit => limit.min(MOST_ENTRIES),
        };
        Self {
            max,
            found: Vec::new(),
            examined: 0,
            last: None,
        }
    }

    /// How many volumes to look at next, where each of them has an entry; 0 when the page is complete.
    /// One entry more than fits tells whether there is another page.
    pub(in crate::controller) fn wanted(&self) -> usize {
        self.wanted_of_few().min(self.max + 1 - self.found.len())
    }

    /// The same where few of them have an entry.
    pub(in crate::controller) fn wanted_of_few(&self) -> usize {
        if self.found.len() > self.max || self.examined >= MOST_EXAMINED {
            return 0;
        }
        BATCH
    }

    /// Adds what was at `position`, `None` if nothing of it belongs into the page.
    pub(in crate::controller) fn push(&mut self, position: Position, entry: Option<T>) {
        self.examined += 1;
        self.last = Some(position.clone());
        if let Some(entry) = entry {
            self.found.push((position, entry));
        }
    }

    /// The entries, and the token of the next page: empty if there is none.
    pub(in crate::controller) fn finish(mut self) -> (Vec<T>, String) {
        let next = if self.found.len() > self.max {
            self.found.truncate(self.max);
            self.found.last().map(|(position, _)| position.token())
        } else if self.examined >= MOST_EXAMINED {
            self.last.map(|position| position.token())
        } else {
            None
        };
        let entries = self.found.into_iter().map(|(_, entry)| entry);
        (entries.collect(), next.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(name: usize) -> Position {
        Position {
            cluster: "c".to_owned(),
            fs: 1,
            name: name.to_string(),
        }
    }

    /// Fills a page from so many volumes, of which those have an entry that `keep` wants.
    fn page(max: usize, volumes: usize, keep: fn(usize) -> bool) -> (Vec<usize>, String) {
        let mut page = Page::new(max);
        let mut volumes = 0..volumes;
        loop {
            let batch: Vec<_> = volumes.by_ref().take(page.wanted_of_few()).collect();
            if batch.is_empty() {
                return page.finish();
            }
            for volume in batch {
                page.push(position(volume), keep(volume).then_some(volume));
            }
        }
    }

    #[test]
    fn a_token_is_given_exactly_if_there_is_more() {
        assert_eq!(page(3, 3, |_| true), (vec![0, 1, 2], String::new()));
        assert_eq!(page(3, 4, |_| true), (vec![0, 1, 2], position(2).token()));
        let all = page(0, MOST_ENTRIES, |_| true);
        assert_eq!((all.0.len(), &*all.1), (MOST_ENTRIES, ""));
        let first = page(0, MOST_ENTRIES + 1, |_| true);
        assert_eq!(first.0.len(), MOST_ENTRIES);
        assert_eq!(first.1, position(MOST_ENTRIES - 1).token());
    }

    #[test]
    fn a_page_of_rare_entries_ends_some_time() {
        let (entries, token) = page(3, 2 * MOST_EXAMINED, |volume| volume == 7);
        assert_eq!(entries, [7]);
        assert_eq!(token, position(MOST_EXAMINED - 1).token());
    }

    #[test]
    fn no_more_is_asked_for_than_tells_whether_there_is_more() {
        let mut page = Page::new(2);
        assert_eq!(page.wanted(), 3);
        (0..3).for_each(|volume| page.push(position(volume), Some(volume)));
        assert_eq!((page.wanted(), page.wanted_of_few()), (0, 0));
    }
}
