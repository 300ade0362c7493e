//! How full volumes were when NodeGetVolumeStats was last answered: the kubelet asks every minute, so nobody
//! else has to.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::mount::Usage;

/// What is older says nothing any more: no pod uses the volume, or it does not answer.
const KEPT: Duration = Duration::from_mins(5);

/// As many volumes are remembered; a node has mostly fewer pods.
const MOST: usize = 500;

/// By volume id.
#[derive(Debug, Default)]
pub(super) struct Usages(Mutex<HashMap<String, (Usage, Instant)>>);

impl Usages {
    pub(super) fn learn(&self, volume: &str, usage: &Usage) {
        let mut known = self.lock();
        if known.len() >= MOST && !known.contains_key(volume) {
            known.retain(|_, (_, since)| since.elapsed() < KEPT);
        }
        if known.len() < MOST || known.contains_key(volume) {
            known.insert(volume.to_owned(), (*usage, Instant::now()));
        }
    }

    pub(super) fn forget(&self, volume: &str) {
        self.lock().remove(volume);
    }

    /// Those that are not old.
    pub(super) fn recent(&self) -> Vec<(String, Usage)> {
        let mut known = self.lock();
        known.retain(|_, (_, since)| since.elapsed() < KEPT);
        let recent = known.iter();
        let recent = recent.map(|(volume, (usage, _))| (volume.clone(), *usage));
        recent.collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Usage, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(used_bytes: u64) -> Usage {
        Usage {
            total_bytes: 1 << 30,
            used_bytes,
            available_bytes: (1 << 30) - used_bytes,
            used_inodes: 1,
            total_inodes: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn old_ones_are_left_out_and_there_are_never_too_many() {
        let usages = Usages::default();
        for number in 0..MOST + 10 {
            usages.learn(&number.to_string(), &usage(1));
        }
        usages.learn("0", &usage(2));
        assert_eq!(usages.recent().len(), MOST);
        assert!(usages.recent().contains(&("0".to_owned(), usage(2))));
        usages.forget("0");
        assert_eq!(usages.recent().len(), MOST - 1);
        tokio::time::advance(KEPT).await;
        usages.learn("new", &usage(3));
        assert_eq!(usages.recent(), [("new".to_owned(), usage(3))]);
    }
}
