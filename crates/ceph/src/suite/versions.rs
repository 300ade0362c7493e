//! Object versions.

use anyhow::ensure;

use super::{Subject, fails, omap_set};
use crate::ErrorKind::{Invalid, VersionChanged};
use crate::{ReadOp, WriteStep};

/// Every write changes the version, reads do not, and an assertion holds for the present one only.
pub async fn versions_are_asserted(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("versions");
    on.write(&object, [WriteStep::CreateExclusive]).await?;
    let old = on.read(&object, ReadOp::default()).await?.version;
    ensure!(on.read(&object, ReadOp::default()).await?.version == old);
    on.write(&object, [omap_set(&[("k", "1")])]).await?;
    let new = on.read(&object, ReadOp::default()).await?.version;
    ensure!(new > old);

    let assert_and_set = |version| [WriteStep::AssertVersion(version), omap_set(&[("k", "2")])];
    fails(on.write(&object, assert_and_set(old)).await, VersionChanged)?;
    let future = assert_and_set(new + 1000);
    fails(on.write(&object, future).await, VersionChanged)?;
    fails(on.write(&object, assert_and_set(0)).await, Invalid)?;
    let read = |version| ReadOp {
        assert_version: Some(version),
        ..ReadOp::default()
    };
    fails(on.read(&object, read(old)).await, VersionChanged)?;
    ensure!(on.read(&object, read(new)).await?.version == new);
    on.write(&object, assert_and_set(new)).await?;
    fails(on.read(&object, read(new)).await, VersionChanged)?;
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// An object made anew does not pass for the old one.
pub async fn versions_are_not_used_again(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("again");
    on.write(&object, [WriteStep::CreateExclusive]).await?;
    let old = on.read(&object, ReadOp::default()).await?.version;
    on.write(&object, [WriteStep::Remove]).await?;
    let on_absent = [WriteStep::AssertVersion(old), WriteStep::Create];
    fails(on.write(&object, on_absent).await, VersionChanged)?;
    on.write(&object, [WriteStep::CreateExclusive]).await?;
    let stale = [WriteStep::AssertVersion(old), WriteStep::Remove];
    fails(on.write(&object, stale).await, VersionChanged)?;
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}
