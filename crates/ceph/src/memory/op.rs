//! The steps of a write operation.

use super::client::{Errno, Refusal};
use super::object::ObjectState;
use crate::WriteStep;

/// Applies one step to `object`, which was `stored` before the first step; `None` is an absent one.
pub(super) fn apply(
    stored: Option<&ObjectState>,
    object: &mut Option<ObjectState>,
    step: WriteStep,
) -> Result<(), Refusal> {
    match step {
        WriteStep::CreateExclusive => {
            if object.is_some() {
                return Err(Errno::Exists.into());
            }
            *object = Some(ObjectState::default());
        }
        WriteStep::Create => {
            object.get_or_insert_default();
        }
        WriteStep::AssertExists => {
            present(object)?;
        }
        WriteStep::AssertVersion(version) => {
            object.clone().unwrap_or_default().assert_version(version)?;
        }
        WriteStep::OmapEquals { key, value } => {
            present(object)?;
            // An OSD looks into its store, where the steps before this one are not yet.
            let found = stored.and_then(|stored| stored.omap.get(&key));
            if found.map_or(&[][..], Vec::as_slice) != value {
                return Err(Errno::Canceled.into());
            }
        }
        WriteStep::OmapSet(entries) => object.get_or_insert_default().omap.extend(entries),
        WriteStep::OmapRemove(keys) => {
            let omap = &mut present(object)?.omap;
            omap.retain(|key, _| !keys.contains(key));
        }
        WriteStep::SetXattr { name, value } => {
            object.get_or_insert_default().xattrs.insert(name, value);
        }
        WriteStep::WriteFull(data) => object.get_or_insert_default().data = data,
        WriteStep::Remove => {
            present(object)?;
            *object = None;
        }
    }
    Ok(())
}

fn present(object: &mut Option<ObjectState>) -> Result<&mut ObjectState, Refusal> {
    object.as_mut().ok_or_else(|| Errno::NoEntry.into())
}
