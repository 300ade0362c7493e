//! Objects, data and attributes.

use anyhow::ensure;

use super::{Subject, entries, fails, omap_equals, omap_set};
use crate::ErrorKind::{AlreadyExists, CompareFailed, NotFound};
use crate::{Object, ReadOp, WriteStep};

/// `CreateExclusive` makes an object once; `Create` does not mind.
pub async fn exclusive_create_refuses_an_existing_object(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("exclusive");
    on.write(&object, [WriteStep::CreateExclusive]).await?;
    fails(
        on.write(&object, [WriteStep::CreateExclusive]).await,
        AlreadyExists,
    )?;
    on.write(&object, [WriteStep::Create]).await?;
    on.write(&object, [WriteStep::Remove]).await?;
    on.write(&object, [WriteStep::CreateExclusive]).await?;
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// What needs an object says `NotFound` and does not make it.
pub async fn absent_objects_are_not_found(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("absent");
    fails(on.read(&object, ReadOp::default()).await, NotFound)?;
    fails(on.omap(&object).await, NotFound)?;
    let steps = [
        WriteStep::Remove,
        WriteStep::AssertExists,
        WriteStep::OmapRemove(vec!["k".to_owned()]),
        omap_equals("k", ""),
    ];
    for step in steps {
        let said = format!("{step:?}");
        fails(on.write(&object, [step.clone()]).await, NotFound)
            .map_err(|error| error.context(said.clone()))?;
        let then_set = [step, omap_set(&[("k", "v")])];
        fails(on.write(&object, then_set).await, NotFound).map_err(|error| error.context(said))?;
    }
    fails(on.read(&object, ReadOp::default()).await, NotFound)
}

/// A pool id that is not there is `NotFound` for reads and writes.
pub async fn unknown_pool_is_not_found(on: &Subject) -> anyhow::Result<()> {
    let object = Object {
        pool: 1 << 40,
        ..on.object("nowhere")
    };
    fails(on.read(&object, ReadOp::default()).await, NotFound)?;
    fails(on.write(&object, [WriteStep::Create]).await, NotFound)
}

/// The same name in two namespaces is two objects.
pub async fn namespaces_are_apart(on: &Subject) -> anyhow::Result<()> {
    let here = on.object("same");
    let there = Object {
        namespace: format!("{}-there", here.namespace),
        ..here.clone()
    };
    on.write(&here, [omap_set(&[("k", "here")])]).await?;
    fails(on.omap(&there).await, NotFound)?;
    on.write(&there, [omap_set(&[("k", "there")])]).await?;
    ensure!(on.omap(&here).await? == entries(&[("k", "here")]));
    ensure!(on.omap(&there).await? == entries(&[("k", "there")]));
    on.write(&here, [WriteStep::Remove]).await?;
    on.write(&there, [WriteStep::Remove]).await?;
    Ok(())
}

/// A step that fails takes back those before it.
pub async fn a_write_is_all_or_nothing(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("atomic");
    let first = [
        omap_set(&[("k", "1")]),
        WriteStep::WriteFull(b"one".to_vec()),
    ];
    on.write(&object, first).await?;
    let before = on.read(&object, ReadOp::default()).await?.version;

    let failing = [
        omap_set(&[("k", "2"), ("new", "x")]),
        WriteStep::WriteFull(b"two".to_vec()),
        omap_equals("k", "somebody else's"),
    ];
    fails(on.write(&object, failing).await, CompareFailed)?;
    let op = ReadOp {
        omap_keys: vec!["k".to_owned(), "new".to_owned()],
        data: Some(100),
        ..ReadOp::default()
    };
    let after = on.read(&object, op).await?;
    ensure!(after.omap == entries(&[("k", "1")]));
    ensure!(after.data == b"one");
    ensure!(after.version == before);

    let absent = on.object("atomic-absent");
    let failing = [WriteStep::CreateExclusive, omap_equals("k", "x")];
    fails(on.write(&absent, failing).await, CompareFailed)?;
    fails(on.read(&absent, ReadOp::default()).await, NotFound)?;
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// Later steps see the object that an earlier one made, but a comparison sees the stored omap only.
pub async fn steps_run_in_order(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("order");
    let reserve = [
        WriteStep::Create,
        omap_equals("k", ""),
        omap_set(&[("k", "mine")]),
    ];
    on.write(&object, reserve.clone()).await?;
    fails(on.write(&object, reserve).await, CompareFailed)?;
    let replace = [omap_equals("k", "mine"), omap_set(&[("k", "yours")])];
    on.write(&object, replace).await?;
    ensure!(on.omap(&object).await? == entries(&[("k", "yours")]));
    let compare_late = [omap_set(&[("k", "theirs")]), omap_equals("k", "yours")];
    on.write(&object, compare_late.clone()).await?;
    fails(on.write(&object, compare_late).await, CompareFailed)?;
    ensure!(on.omap(&object).await? == entries(&[("k", "theirs")]));
    on.write(&object, [WriteStep::AssertExists, WriteStep::Remove])
        .await?;
    fails(on.read(&object, ReadOp::default()).await, NotFound)
}

/// `WriteFull` replaces all of the data, and a read takes as much as it asked for.
pub async fn data_is_replaced_whole(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("data");
    let read = |max| ReadOp {
        data: Some(max),
        ..ReadOp::default()
    };
    on.write(&object, [WriteStep::WriteFull(vec![7; 5000])])
        .await?;
    ensure!(on.read(&object, read(10_000)).await?.data == vec![7; 5000]);
    on.write(&object, [WriteStep::WriteFull(b"\0short".to_vec())])
        .await?;
    ensure!(on.read(&object, read(100)).await?.data == b"\0short");
    ensure!(on.read(&object, read(3)).await?.data == b"\0sh");
    ensure!(on.read(&object, ReadOp::default()).await?.data.is_empty());
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}

/// Attributes are kept by name; absent ones are left out.
pub async fn xattrs(on: &Subject) -> anyhow::Result<()> {
    let object = on.object("xattrs");
    let set = |name: &str, value: &[u8]| WriteStep::SetXattr {
        name: name.to_owned(),
        value: value.to_vec(),
    };
    let read = ReadOp {
        xattrs: ["a/b.c", "empty", "none"].map(str::to_owned).to_vec(),
        ..ReadOp::default()
    };
    on.write(&object, [set("a/b.c", &[0, 0, 0, 1]), set("empty", b"")])
        .await?;
    let found = on.read(&object, read.clone()).await?.xattrs;
    ensure!(found == entries(&[("a/b.c", "\0\0\0\u{1}"), ("empty", "")]));
    on.write(&object, [set("a/b.c", b"other")]).await?;
    let found = on.read(&object, read).await?.xattrs;
    ensure!(found == entries(&[("a/b.c", "other"), ("empty", "")]));
    on.write(&object, [WriteStep::Remove]).await?;
    Ok(())
}
