//! Kubernetes Events on claims and snapshots: what their users have to know and no answer to a request tells them.
//!
//! Errors are not among them: sidecars and kubelet make Events of the answers that they get. Telling never
//! waits and never fails: a task of its own asks the API, and what it cannot tell it leaves.

mod recorder;

use tokio::sync::mpsc;

use self::recorder::Recorder;
use crate::kubernetes::Api;

/// As many wait to be told; more are left out. All volumes of a node may die at once, and each has a few.
const WAITING: usize = 512;

/// Where what happens is told; by default nowhere.
#[derive(Clone, Debug, Default)]
pub struct Events(Option<mpsc::Sender<Event>>);

/// Something that happened to a volume or snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose.
    pub about: About,
    /// What happened.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
}

/// By what the object is found that the user looks at: a claim, or a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// The claim itself.
    Claim {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The name of the PersistentVolume that it is bound to.
    Volume(String),
    /// The name of a VolumeSnapshotContent: of the snapshot that is bound to it.
    SnapshotContent(String),
}

/// Part of the driver's interface: these do not change between releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Another client mounts the volume than the one it asks for.
    MounterFallback,
    /// The volume's client had died, and it was mounted anew.
    VolumeRecovered,
    /// The volume's client has died, and it could not be mounted anew.
    RecoveryFailed,
    /// The volume is a copy, and making it takes long.
    SlowClone,
    /// The snapshot is not deleted as long as something else needs it.
    DeletionBlocked,
}

/// How an Event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// For information.
    Normal,
    /// Somebody should look at it.
    Warning,
}

impl About {
    /// The snapshot that was asked for by this name; `None` if csi-snapshotter did not make it.
    pub fn snapshot(request_name: &str) -> Option<Self> {
        let uid = request_name.strip_prefix("snapshot-")?;
        Some(Self::SnapshotContent(format!("snapcontent-{uid}")))
    }
}

impl Reason {
    fn severity(self) -> Severity {
        match self {
            Self::SlowClone => Severity::Normal,
            Self::MounterFallback
            | Self::VolumeRecovered
            | Self::RecoveryFailed
            | Self::DeletionBlocked => Severity::Warning,
        }
    }
}

impl Events {
    /// Events in the name of the driver `driver` on `node`, told through `api`.
    ///
    /// Must be called inside of a tokio runtime.
    pub fn start(api: Api, driver: &str, node: &str) -> Self {
        let (events, waiting) = Self::channel();
        tokio::spawn(Recorder::new(api, driver, node).run(waiting));
        events
    }

    /// Events, and where they come out.
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Event>) {
        let (sender, waiting) = mpsc::channel(WAITING);
        (Self(Some(sender)), waiting)
    }

    /// Tells the user, once somebody has the time.
    pub fn tell(&self, about: About, reason: Reason, message: impl Into<String>) {
        let event = Event {
            about,
            reason,
            message: message.into(),
        };
        if let Some(sender) = &self.0
            && let Err(error) = sender.try_send(event)
        {
            let why = error.to_string();
            let Event { about, reason, .. } = error.into_inner();
            tracing::warn!("no Event {reason:?} for {about:?}: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::{Format, tests as log};

    #[test]
    fn all_volumes_of_a_node_can_be_told_of_at_once_and_what_is_left_out_is_logged() {
        let (events, mut waiting) = Events::channel();
        let lines = log::lines(&log::settings(0, Format::Klog), || {
            for number in 0..WAITING {
                let volume = About::Volume(format!("pvc-{number}"));
                events.tell(volume, Reason::VolumeRecovered, "mounted anew");
            }
            let more = About::Volume("pvc-more".to_owned());
            events.tell(more, Reason::RecoveryFailed, "not mounted");
        });
        let mut told = 0;
        while waiting.try_recv().is_ok() {
            told += 1;
        }
        assert!(told >= 400, "{told}");
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        for part in ["RecoveryFailed", "pvc-more"] {
            assert!(line.contains(part), "{line}");
        }
    }
}
