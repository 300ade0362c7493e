//! Write operations: steps that one object takes together or not at all.
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::c_char;
use std::fmt;

use crate::Error;
use crate::error::c_string;
use crate::sys::{self, Api, rados_write_op_t};

/// The steps of an atomic change of one object (`rados_write_op_t`); made by
/// [`IoCtx::write_op`](crate::IoCtx::write_op). librados copies all arguments.
pub struct WriteOp {
    raw: rados_write_op_t,
    api: &'static Api,
}

// SAFETY: the operation is plain memory, which librados ties to no thread.
unsafe impl Send for WriteOp {}

impl WriteOp {
    pub(crate) fn new(api: &'static Api) -> Result<Self, Error> {
        // SAFETY: has no preconditions.
        let raw = unsafe { (api.rados_create_write_op)() };
        if raw.is_null() {
            return Err(Error::OutOfMemory("rados_create_write_op"));
        }
        Ok(Self { raw, api })
    }

    pub(crate) fn raw(&self) -> rados_write_op_t {
        self.raw
    }

    /// Fail with errno 17 if the object exists, else create it.
    pub fn create_exclusive(&mut self) {
        self.create_with(sys::LIBRADOS_CREATE_EXCLUSIVE);
    }

    /// Create the object if it does not exist.
    pub fn create(&mut self) {
        self.create_with(sys::LIBRADOS_CREATE_IDEMPOTENT);
    }

    fn create_with(&mut self, exclusive: core::ffi::c_int) {
        // SAFETY: the operation is live; the category is a leftover that librados ignores.
        unsafe { (self.api.rados_write_op_create)(self.raw, exclusive, std::ptr::null()) }
    }

    /// Fail with errno 2 if the object does not exist.
    pub fn assert_exists(&mut self) {
        // SAFETY: the operation is live.
        unsafe { (self.api.rados_write_op_assert_exists)(self.raw) }
    }

    /// Fail with errno 34 or 75 unless the object has this version.
    pub fn assert_version(&mut self, version: u64) {
        // SAFETY: the operation is live.
        unsafe { (self.api.rados_write_op_assert_version)(self.raw, version) }
    }

    /// Fail with errno 125 unless the value of `key` is `value`; no value counts as the empty one.
    pub fn omap_equals(&mut self, key: &str, value: &[u8]) {
        // SAFETY: the operation is live, both strings go with their lengths, and the place for this
        // step's own result may be null.
        unsafe {
            (self.api.rados_write_op_omap_cmp2)(
                self.raw,
                key.as_ptr().cast(),
                sys::LIBRADOS_CMPXATTR_OP_EQ,
                value.as_ptr().cast(),
                key.len(),
                value.len(),
                std::ptr::null_mut(),
            );
        }
    }

    /// Set omap keys.
    pub fn omap_set<'a>(&mut self, entries: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
        let mut keys = Strings::default();
        let mut values = Strings::default();
        for (key, value) in entries {
            keys.push(key.as_bytes());
            values.push(value);
        }
        // SAFETY: the operation is live and the four arrays are as long as each other.
        unsafe {
            (self.api.rados_write_op_omap_set2)(
                self.raw,
                keys.starts.as_ptr(),
                values.starts.as_ptr(),
                keys.lengths.as_ptr(),
                values.lengths.as_ptr(),
                keys.lengths.len(),
            );
        }
    }

    /// Remove omap keys; those that are not there are no error.
    pub fn omap_remove<'a>(&mut self, keys: impl IntoIterator<Item = &'a str>) {
        let keys: Strings<'_> = keys.into_iter().collect();
        // SAFETY: the operation is live and the two arrays are as long as each other.
        unsafe {
            (self.api.rados_write_op_omap_rm_keys2)(
                self.raw,
                keys.starts.as_ptr(),
                keys.lengths.as_ptr(),
                keys.lengths.len(),
            );
        }
    }

    /// Set an extended attribute.
    ///
    /// # Errors
    /// [`Error::ZeroByte`] if the name has one.
    pub fn set_xattr(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let name = c_string("attribute name", name)?;
        let (start, length) = (value.as_ptr().cast(), value.len());
        // SAFETY: the operation is live, and the value goes with its length.
        unsafe { (self.api.rados_write_op_setxattr)(self.raw, name.as_ptr(), start, length) }
        Ok(())
    }

    /// Replace the whole data of the object.
    pub fn write_full(&mut self, data: &[u8]) {
        // SAFETY: the operation is live, and the data goes with its length.
        unsafe { (self.api.rados_write_op_write_full)(self.raw, data.as_ptr().cast(), data.len()) }
    }

    /// Remove the object; errno 2 if it does not exist.
    pub fn remove(&mut self) {
        // SAFETY: the operation is live.
        unsafe { (self.api.rados_write_op_remove)(self.raw) }
    }
}

impl Drop for WriteOp {
    fn drop(&mut self) {
        // SAFETY: the operation is live and not used again.
        unsafe { (self.api.rados_release_write_op)(self.raw) }
    }
}

impl fmt::Debug for WriteOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteOp").finish_non_exhaustive()
    }
}

/// Byte strings as two arrays, the way the length-counted functions want them.
#[derive(Default)]
pub(crate) struct Strings<'a> {
    pub(crate) starts: Vec<*const c_char>,
    pub(crate) lengths: Vec<usize>,
    borrowed: std::marker::PhantomData<&'a [u8]>,
}

impl<'a> Strings<'a> {
    fn push(&mut self, bytes: &'a [u8]) {
        self.starts.push(bytes.as_ptr().cast());
        self.lengths.push(bytes.len());
    }
}

impl<'a> FromIterator<&'a str> for Strings<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut strings = Self::default();
        for text in texts {
            strings.push(text.as_bytes());
        }
        strings
    }
}
