//! Objects: reading and writing them atomically, as an OSD does.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::client::{Errno, Refusal};
use super::lock::Holder;
use super::{Pool, State};
use crate::{Object, ReadAnswer, ReadOp, WriteOp};

/// An object as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectState {
    /// Changes with every write.
    pub version: u64,
    /// The omap.
    pub omap: BTreeMap<String, Vec<u8>>,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// The data.
    pub data: Vec<u8>,
    /// Holders by lock name.
    pub(super) locks: BTreeMap<String, Holder>,
}

impl State {
    pub(super) fn read(&mut self, object: &Object, op: &ReadOp) -> Result<ReadAnswer, Refusal> {
        let found = self.pool(object)?.objects.get(&key(object));
        let found = found.ok_or(Errno::NoEntry)?;
        found.read(op)
    }

    pub(super) fn write(&mut self, object: &Object, op: WriteOp) -> Result<(), Refusal> {
        self.update(object, |state| {
            let stored = state.clone();
            let mut steps = op.steps.into_iter();
            steps.try_for_each(|step| super::op::apply(stored.as_ref(), state, step))
        })
    }

    /// Runs `change` on the object, `None` being an absent one, and keeps the outcome if it succeeds.
    pub(super) fn update(
        &mut self,
        object: &Object,
        change: impl FnOnce(&mut Option<ObjectState>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let key = key(object);
        let mut state = self.pool(object)?.objects.get(&key).cloned();
        change(&mut state)?;
        self.version += 1;
        let version = self.version;
        let objects = &mut self.pool(object)?.objects;
        match state {
            Some(state) => objects.insert(key, ObjectState { version, ..state }),
            None => objects.remove(&key),
        };
        Ok(())
    }

    fn pool(&mut self, object: &Object) -> Result<&mut Pool, Refusal> {
        let pool = self.pools.get_mut(&object.pool);
        pool.ok_or_else(|| Refusal::new(Errno::NoEntry, format!("no pool {}", object.pool)))
    }
}

fn key(object: &Object) -> (String, String) {
    (object.namespace.clone(), object.name.clone())
}

/// An OSD returns no more omap entries at once (`osd_max_omap_entries_per_request`).
const MAX_OMAP_ENTRIES: usize = 1024;

impl ObjectState {
    /// Refuses unless `version` is the version of this object.
    pub(super) fn assert_version(&self, version: u64) -> Result<(), Refusal> {
        match version.cmp(&self.version) {
            _ if version == 0 => Err(Errno::Invalid.into()),
            Ordering::Less => Err(Errno::Range.into()),
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(Errno::Overflow.into()),
        }
    }

    fn read(&self, op: &ReadOp) -> Result<ReadAnswer, Refusal> {
        if let Some(version) = op.assert_version {
            self.assert_version(version)?;
        }
        let mut answer = ReadAnswer {
            version: self.version,
            omap: pick(&self.omap, &op.omap_keys),
            xattrs: pick(&self.xattrs, &op.xattrs),
            ..ReadAnswer::default()
        };
        if let Some(page) = &op.omap_page {
            let asked = usize::try_from(page.max).unwrap_or(usize::MAX);
            let mut matching = self
                .omap
                .iter()
                .filter(|(key, _)| **key > page.after && key.starts_with(&page.prefix))
                .map(|(key, value)| (key.clone(), value.clone()));
            let entries = matching.by_ref().take(asked.min(MAX_OMAP_ENTRIES));
            answer.omap.extend(entries);
            answer.more = matching.next().is_some();
        }
        if let Some(max) = op.data {
            answer.data = self.data.iter().take(max).copied().collect();
        }
        Ok(answer)
    }
}

fn pick(from: &BTreeMap<String, Vec<u8>>, wanted: &[String]) -> BTreeMap<String, Vec<u8>> {
    let found = wanted.iter().filter_map(|key| from.get_key_value(key));
    found
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
