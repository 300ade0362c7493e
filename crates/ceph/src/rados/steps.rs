//! Operations on objects, from data to calls of librados.

use std::collections::BTreeMap;

use librados::IoCtx;

use super::failure::of_osd_call;
use crate::{Error, ErrorKind, Object, ReadAnswer, ReadOp, Result, WriteOp, WriteStep};

/// Reads; blocks.
pub(super) fn read(
    cluster: &librados::Cluster,
    call: &str,
    object: &Object,
    op: &ReadOp,
) -> Result<ReadAnswer> {
    let page = op.omap_page.as_ref().map(|page| librados::OmapPage {
        after: &page.after,
        prefix: &page.prefix,
        max: page.max,
    });
    let wanted = librados::ReadOp {
        assert_version: op.assert_version,
        omap_keys: &op.omap_keys,
        omap_page: page,
        xattrs: !op.xattrs.is_empty(),
        data: op.data,
    };
    let mut found = io_ctx(cluster, object)
        .and_then(|mut io| io.read(&object.name, &wanted))
        .map_err(|error| of_osd_call(call, error))?;
    found.omap_page.append(&mut found.omap_values);
    let mut xattrs = texts(call, found.xattrs)?;
    xattrs.retain(|name, _| op.xattrs.contains(name));
    Ok(ReadAnswer {
        version: found.version,
        omap: texts(call, found.omap_page)?,
        more: found.more,
        xattrs,
        data: found.data,
    })
}

/// Writes; blocks.
pub(super) fn write(
    cluster: &librados::Cluster,
    call: &str,
    object: &Object,
    op: &WriteOp,
) -> Result<()> {
    let write = || {
        let mut io = io_ctx(cluster, object)?;
        let mut wanted = io.write_op()?;
        for step in &op.steps {
            add(&mut wanted, step)?;
        }
        io.write(&object.name, wanted)
    };
    write().map_err(|error| of_osd_call(call, error))
}

/// A context of its own for each call: pool and namespace are its state, and so is the version of what
/// was read last.
pub(super) fn io_ctx<'cluster>(
    cluster: &'cluster librados::Cluster,
    object: &Object,
) -> Result<IoCtx<'cluster>, librados::Error> {
    cluster.io_ctx(object.pool, &object.namespace)
}

fn add(op: &mut librados::WriteOp, step: &WriteStep) -> Result<(), librados::Error> {
    match step {
        WriteStep::CreateExclusive => op.create_exclusive(),
        WriteStep::Create => op.create(),
        WriteStep::AssertExists => op.assert_exists(),
        WriteStep::AssertVersion(version) => op.assert_version(*version),
        WriteStep::OmapEquals { key, value } => op.omap_equals(key, value),
        WriteStep::OmapSet(entries) => {
            op.omap_set(entries.iter().map(|(key, value)| (&**key, &**value)));
        }
        WriteStep::OmapRemove(keys) => op.omap_remove(keys.iter().map(String::as_str)),
        WriteStep::SetXattr { name, value } => op.set_xattr(name, value)?,
        WriteStep::WriteFull(data) => op.write_full(data),
        WriteStep::Remove => op.remove(),
    }
    Ok(())
}

/// Keys and names are UTF-8 here; RADOS takes any bytes.
fn texts(call: &str, entries: BTreeMap<Vec<u8>, Vec<u8>>) -> Result<BTreeMap<String, Vec<u8>>> {
    let text = |(key, value)| match String::from_utf8(key) {
        Ok(key) => Ok((key, value)),
        Err(error) => Err(Error::new(
            ErrorKind::BadAnswer,
            call,
            format!("a key is not UTF-8: {}", error.as_bytes().escape_ascii()),
        )),
    };
    entries.into_iter().map(text).collect()
}

/// What a read is called in steps and errors.
pub(super) fn describe_read(object: &Object, op: &ReadOp) -> String {
    format!("{} of {}", op.kind(), object.name)
}

/// What a write is called in steps and errors.
pub(super) fn describe_write(object: &Object, op: &WriteOp) -> String {
    match op.kind() {
        kind @ "removal" => format!("{kind} of {}", object.name),
        kind => format!("{kind} to {}", object.name),
    }
}
