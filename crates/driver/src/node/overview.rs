//! All volumes of the node at a glance, from memory.

use super::Node;
use super::condition::{MOUNT_DEAD, MOUNT_FAILING, MOUNT_NOT_RESPONDING};
use crate::mount::Usage;

/// How many volumes are how.
#[derive(Clone, Debug)]
pub(crate) struct Overview {
    /// In which state: each volume is in one.
    pub(crate) states: [(&'static str, usize); 4],
    /// How many another client mounts than the one that they ask for.
    pub(crate) fallbacks: usize,
    /// Mounts that did not work when the kubelet last asked, by the reason of their condition.
    pub(crate) abnormal: [(&'static str, usize); 3],
}

impl Node {
    /// What this process knows of its volumes.
    pub(crate) fn overview(&self) -> Overview {
        let staged = self.recovery.states();
        let (fallbacks, not_staged) = self.known.counts();
        let reasons = [MOUNT_DEAD, MOUNT_NOT_RESPONDING, MOUNT_FAILING];
        Overview {
            states: [
                ("mounted", staged.mounted),
                ("recovering", staged.recovering),
                ("recovery_failed", staged.failed),
                ("stage_failed", not_staged),
            ],
            fallbacks,
            abnormal: reasons.map(|reason| (reason, self.sick.count(reason))),
        }
    }

    /// How full volumes were when the kubelet last asked, as far as that is not long ago.
    pub(crate) fn usages(&self) -> Vec<(String, Usage)> {
        self.usages.recent()
    }
}
