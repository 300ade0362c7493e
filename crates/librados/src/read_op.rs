//! Read operations: one consistent view of an object.
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::c_uchar;
use std::cell::Cell;
use std::collections::BTreeMap;

use crate::error::{c_string, check};
use crate::iterator::{OmapIter, XattrsIter};
use crate::sys::{self, Api, rados_read_op_t};
use crate::write_op::Strings;
use crate::{Error, IoCtx};

/// What to read from one object (`rados_read_op_t`).
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOp<'a> {
    /// Fail with errno 34 or 75 unless the object has this version.
    pub assert_version: Option<u64>,
    /// Omap keys whose values are wanted.
    pub omap_keys: &'a [String],
    /// A page of the omap.
    pub omap_page: Option<OmapPage<'a>>,
    /// Whether to read the extended attributes.
    pub xattrs: bool,
    /// How much of the data to read, from the start.
    pub data: Option<usize>,
}

/// A page of an omap listing.
#[derive(Clone, Copy, Debug)]
pub struct OmapPage<'a> {
    /// Start after this key.
    pub after: &'a str,
    /// Only keys that start so.
    pub prefix: &'a str,
    /// At most this many entries; the OSD may return fewer.
    pub max: u64,
}

/// What [`IoCtx::read`] found.
#[derive(Clone, Debug, Default)]
pub struct ReadAnswer {
    /// The version of the object.
    pub version: u64,
    /// The values of those [`ReadOp::omap_keys`] that there are.
    pub omap_values: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The entries of [`ReadOp::omap_page`].
    pub omap_page: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether the page has a successor.
    pub more: bool,
    /// All extended attributes, if they were wanted.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The data.
    pub data: Vec<u8>,
}

impl IoCtx<'_> {
    /// Performs a read operation on an object (`rados_read_op_operate`).
    ///
    /// # Errors
    /// Errno 2 if the object is not there; 110 after [`Config::osd_timeout`](crate::Config).
    pub fn read(&mut self, object: &str, op: &ReadOp<'_>) -> Result<ReadAnswer, Error> {
        let object = c_string("object name", object)?;
        let api = self.api();
        // In this order, so that the handle goes before what librados writes to.
        let results = Results::new(api, op);
        let handle = Handle::new(api)?;
        handle.add_steps(op, &results)?;
        // SAFETY: both handles are live, and what the steps write to outlives the call. A read that
        // times out is forgotten by librados before the call returns.
        let code = unsafe {
            (api.rados_read_op_operate)(
                handle.raw,
                self.raw(),
                object.as_ptr(),
                sys::LIBRADOS_OPERATION_NOFLAG,
            )
        };
        drop(handle);
        check("rados_read_op_operate", code)?;
        results.collect(self.last_version())
    }
}

/// What librados writes to; in cells, because it does so behind the back of the borrow checker.
struct Results {
    keys: OmapIter,
    page: OmapIter,
    more: Cell<c_uchar>,
    xattrs: XattrsIter,
    data: Box<[Cell<u8>]>,
    data_length: Cell<usize>,
}

impl Results {
    fn new(api: &'static Api, op: &ReadOp<'_>) -> Self {
        Self {
            keys: OmapIter::new(api),
            page: OmapIter::new(api),
            more: Cell::new(0),
            xattrs: XattrsIter::new(api),
            data: vec![Cell::new(0); op.data.unwrap_or_default()].into(),
            data_length: Cell::new(0),
        }
    }

    /// To be called after a successful read only: before, the iterators point nowhere.
    fn collect(self, version: u64) -> Result<ReadAnswer, Error> {
        Ok(ReadAnswer {
            version,
            omap_values: self.keys.collect()?,
            omap_page: self.page.collect()?,
            more: self.more.get() != 0,
            xattrs: self.xattrs.collect()?,
            data: (self.data.iter().take(self.data_length.get()))
                .map(Cell::get)
                .collect(),
        })
    }
}

/// An owned `rados_read_op_t`.
struct Handle {
    raw: rados_read_op_t,
    api: &'static Api,
}

impl Handle {
    fn new(api: &'static Api) -> Result<Self, Error> {
        // SAFETY: has no preconditions.
        let raw = unsafe { (api.rados_create_read_op)() };
        if raw.is_null() {
            return Err(Error::OutOfMemory("rados_create_read_op"));
        }
        Ok(Self { raw, api })
    }

    fn add_steps(&self, op: &ReadOp<'_>, results: &Results) -> Result<(), Error> {
        if let Some(version) = op.assert_version {
            // SAFETY: the operation is live.
            unsafe { (self.api.rados_read_op_assert_version)(self.raw, version) }
        }
        if !op.omap_keys.is_empty() {
            self.omap_values(op.omap_keys, &results.keys);
        }
        if let Some(page) = &op.omap_page {
            self.omap_page(page, results)?;
        }
        if op.xattrs {
            self.xattrs(&results.xattrs);
        }
        if op.data.is_some() {
            self.data(results);
        }
        // librados answers an operation without steps itself, whether the object exists or not.
        // SAFETY: the operation is live.
        unsafe { (self.api.rados_read_op_assert_exists)(self.raw) }
        Ok(())
    }

    fn omap_values(&self, keys: &[String], into: &OmapIter) {
        let keys: Strings<'_> = keys.iter().map(String::as_str).collect();
        // SAFETY: the operation is live, the arrays are as long as each other and copied, and `into`
        // outlives the operation.
        unsafe {
            (self.api.rados_read_op_omap_get_vals_by_keys2)(
                self.raw,
                keys.starts.as_ptr(),
                keys.lengths.len(),
                keys.lengths.as_ptr(),
                into.raw.as_ptr(),
                into.code.as_ptr(),
            );
        }
    }

    fn omap_page(&self, page: &OmapPage<'_>, results: &Results) -> Result<(), Error> {
        let after = c_string("omap key", page.after)?;
        let prefix = c_string("omap key prefix", page.prefix)?;
        // SAFETY: the operation is live, librados copies the strings, and `results` outlives the operation.
        unsafe {
            (self.api.rados_read_op_omap_get_vals2)(
                self.raw,
                after.as_ptr(),
                prefix.as_ptr(),
                page.max,
                results.page.raw.as_ptr(),
                results.more.as_ptr(),
                results.page.code.as_ptr(),
            );
        }
        Ok(())
    }

    fn xattrs(&self, into: &XattrsIter) {
        let (iter, code) = (into.raw.as_ptr(), into.code.as_ptr());
        // SAFETY: the operation is live, and `into` outlives it.
        unsafe { (self.api.rados_read_op_getxattrs)(self.raw, iter, code) }
    }

    fn data(&self, results: &Results) {
        // SAFETY: the operation is live, and the buffer of that length outlives it.
        unsafe {
            (self.api.rados_read_op_read)(
                self.raw,
                0,
                results.data.len(),
                results.data.as_ptr().cast_mut().cast(),
                results.data_length.as_ptr(),
                std::ptr::null_mut(),
            );
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the operation is live and not used again.
        unsafe { (self.api.rados_release_read_op)(self.raw) }
    }
}
