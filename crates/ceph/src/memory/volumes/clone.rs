//! `fs subvolume snapshot clone` and `fs clone ...`
//!
//! Time is counted in manager commands: each lets every running clone make one step.

use serde_json::json;

use super::super::State;
use super::super::client::{Errno, Refusal};
use super::Answer;
use super::arguments::Arguments;
use super::subvolume::{Stage, SubvolumeState, Use};
use crate::Subvolume;

/// How clones are made, see [`Memory::set_cloner`](crate::memory::Memory::set_cloner).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloner {
    /// Steps that a clone takes.
    pub steps: u32,
    /// Further steps for each MiB that its source holds.
    pub steps_per_mib: u32,
    /// Clones that are made at once.
    pub threads: usize,
    /// Whether one more than that is refused, as Ceph 18 does, or waits, as Ceph 16 does.
    pub refuses: bool,
    /// How many of the next clones fail at their last step.
    pub failures: u32,
}

impl Default for Cloner {
    fn default() -> Self {
        Self {
            steps: 2,
            steps_per_mib: 0,
            threads: 4,
            refuses: false,
            failures: 0,
        }
    }
}

/// What a clone is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The subvolume.
    pub of: Subvolume,
    /// Its snapshot.
    pub snapshot: String,
    quota: Option<u64>,
    used: u64,
}

/// A clone that keeps its snapshot from being removed.
#[derive(Clone, Debug)]
pub(in crate::memory) struct Job {
    pub(in crate::memory) at: Subvolume,
    origin: Origin,
    /// Steps until it is complete, and then two more until its snapshot knows.
    left: u32,
}

/// As with the manager, a snapshot is free only a moment after its clone is complete.
const DETACHING: u32 = 2;

impl State {
    pub(super) fn start_clone(&mut self, arguments: &Arguments) -> Answer {
        let fs = arguments.text("vol_name")?.to_owned();
        let snapshot = self.snapshot(arguments, Use::Clone, "clone-source")?;
        let (quota, used) = (snapshot.quota, snapshot.used);
        let pool = snapshot.data_pool.clone();
        let group = arguments.optional_text("target_group_name");
        let at = Subvolume {
            fs: fs.clone(),
            group: group.unwrap_or_default().to_owned(),
            name: arguments.text("target_sub_name")?.to_owned(),
        };
        let target = self.volume(arguments)?.group(&at.group)?.get(&at.name);
        if target.is_some_and(|target| target.stage != Stage::Retained) {
            let text = format!("subvolume '{}' exists", at.name);
            return Err(Refusal::new(Errno::Exists, text));
        }
        let running = self.clones.len();
        if self.cloner.refuses && running >= self.cloner.threads {
            let text = "all cloner threads are busy, please try again later";
            return Err(Refusal::new(Errno::Again, text));
        }
        let data_pool = self.data_pool(arguments, pool)?;
        let path = self.new_path(&at.group, &at.name);
        let of = Subvolume {
            fs,
            group: arguments.group().to_owned(),
            name: arguments.text("sub_name")?.to_owned(),
        };
        let origin = Origin {
            of,
            snapshot: arguments.text("snap_name")?.to_owned(),
            quota,
            used,
        };
        let group = self.volume(arguments)?.group(&at.group)?;
        let clone = group.entry(at.name.clone());
        let clone = clone.or_insert_with(SubvolumeState::nothing);
        clone.path = path;
        clone.data_pool = data_pool;
        clone.stage = Stage::Pending;
        clone.origin = Some(origin.clone());
        let mib = u32::try_from(used >> 20).unwrap_or(u32::MAX);
        let steps = self.cloner.steps_per_mib.saturating_mul(mib);
        let left = steps.saturating_add(self.cloner.steps) + DETACHING;
        self.clones.push(Job { at, origin, left });
        Ok(String::new())
    }

    /// Lets the clones that have a thread make a step.
    pub(super) fn clone_on(&mut self) {
        let mut jobs = std::mem::take(&mut self.clones);
        for job in jobs.iter_mut().take(self.cloner.threads) {
            job.left = job.left.saturating_sub(1);
            let fails = job.left == DETACHING && self.cloner.failures > 0;
            let volume = self.volume_mut(&job.at.fs);
            let Some(clone) = volume.and_then(|volume| volume.find(&job.at)) else {
                job.left = 0;
                continue;
            };
            if job.left > DETACHING {
                clone.stage = Stage::InProgress;
            } else if fails {
                let text = "error in write".to_owned();
                clone.stage = Stage::Failed { errno: 5, text };
                job.left = 0;
                self.cloner.failures -= 1;
            } else if job.left == DETACHING {
                clone.stage = Stage::Complete;
                (clone.quota, clone.used) = (job.origin.quota, job.origin.used);
            }
        }
        jobs.retain(|job| job.left > 0);
        self.clones = jobs;
    }

    pub(super) fn clone_status(&mut self, arguments: &Arguments) -> Answer {
        let clone = self.clone(arguments, "clone-status")?;
        let mut status = json!({ "state": clone.stage.name() });
        let failure = match &clone.stage {
            Stage::Failed { errno, text } => Some((*errno, text.as_str())),
            Stage::Canceled => Some((4, "user interrupted clone operation")),
            _ => None,
        };
        if let (Some(status), Some(origin)) = (status.as_object_mut(), &clone.origin)
            && clone.stage != Stage::Complete
        {
            let source = json!({
                "volume": origin.of.fs,
                "group": origin.of.group,
                "subvolume": origin.of.name,
                "snapshot": origin.snapshot,
            });
            status.insert("source".to_owned(), source);
            if let Some((errno, text)) = failure {
                let failure = json!({ "errno": errno.to_string(), "error_msg": text });
                status.insert("failure".to_owned(), failure);
            }
        }
        Ok(json!({ "status": status }).to_string())
    }

    pub(super) fn cancel_clone(&mut self, arguments: &Arguments) -> Answer {
        let clone = self.clone(arguments, "clone-cancel")?;
        if !matches!(clone.stage, Stage::Pending | Stage::InProgress) {
            let text = "cannot cancel -- clone finished (check clone status)";
            return Err(Refusal::new(Errno::Invalid, text));
        }
        clone.stage = Stage::Canceled;
        let (fs, group) = (arguments.text("vol_name")?, arguments.group());
        let name = arguments.text("clone_name")?;
        self.clones
            .retain(|job| (&*job.at.fs, &*job.at.group, &*job.at.name) != (fs, group, name));
        Ok(String::new())
    }

    fn clone(
        &mut self,
        arguments: &Arguments,
        operation: &str,
    ) -> Result<&mut SubvolumeState, Refusal> {
        let clone = self.opened(arguments, "clone_name", Use::Clone, operation)?;
        if clone.origin.is_none() {
            let name = arguments.text("clone_name")?;
            let text = format!(
                "operation '{operation}' is not allowed on subvolume '{name}' of type subvolume"
            );
            return Err(Refusal::new(Errno::NotSupported, text));
        }
        Ok(clone)
    }

    /// The unfinished clones of the snapshot `name` of the subvolume that a command names.
    pub(super) fn clones_of(
        &self,
        arguments: &Arguments,
        name: &str,
    ) -> Result<Vec<Subvolume>, Refusal> {
        let of = Subvolume {
            fs: arguments.text("vol_name")?.to_owned(),
            group: arguments.group().to_owned(),
            name: arguments.text("sub_name")?.to_owned(),
        };
        let jobs = self.clones.iter();
        let of_it = jobs.filter(|job| job.origin.of == of && job.origin.snapshot == name);
        Ok(of_it.map(|job| job.at.clone()).collect())
    }
}
