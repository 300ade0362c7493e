//! Iterators over what a read operation found.
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::{c_char, c_int};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::ptr;

use crate::Error;
use crate::error::check;
use crate::sys::{Api, rados_omap_iter_t, rados_xattrs_iter_t};

/// Names or keys with their values.
type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// An owned `rados_omap_iter_t`, null until a read operation gets it as a place for results.
pub(crate) struct OmapIter {
    pub(crate) raw: Cell<rados_omap_iter_t>,
    /// The result of the step.
    pub(crate) code: Cell<c_int>,
    api: &'static Api,
}

impl OmapIter {
    pub(crate) fn new(api: &'static Api) -> Self {
        let raw = Cell::new(ptr::null_mut());
        let code = Cell::new(0);
        Self { raw, code, api }
    }

    /// All entries. Only after a successful read: before, the iterator points nowhere.
    pub(crate) fn collect(&self) -> Result<Entries, Error> {
        let mut entries = Entries::new();
        if self.raw.get().is_null() {
            return Ok(entries);
        }
        check("omap of rados_read_op_operate", self.code.get())?;
        loop {
            let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
            let (mut key_length, mut value_length) = (0, 0);
            // SAFETY: the iterator is live, and the places for the answer are ours.
            let code = unsafe {
                (self.api.rados_omap_get_next2)(
                    self.raw.get(),
                    &raw mut key,
                    &raw mut value,
                    &raw mut key_length,
                    &raw mut value_length,
                )
            };
            check("rados_omap_get_next2", code)?;
            if key.is_null() {
                return Ok(entries);
            }
            // SAFETY: librados keeps the key as long as the iterator.
            let key = unsafe { copy(key, key_length) };
            // SAFETY: librados keeps the value as long as the iterator.
            let value = unsafe { copy(value, value_length) };
            entries.insert(key, value);
        }
    }
}

impl Drop for OmapIter {
    fn drop(&mut self) {
        if !self.raw.get().is_null() {
            // SAFETY: the iterator is live and not used again.
            unsafe { (self.api.rados_omap_get_end)(self.raw.get()) }
        }
    }
}

/// An owned `rados_xattrs_iter_t`, null until a read operation gets it as a place for results.
pub(crate) struct XattrsIter {
    pub(crate) raw: Cell<rados_xattrs_iter_t>,
    /// The result of the step.
    pub(crate) code: Cell<c_int>,
    api: &'static Api,
}

impl XattrsIter {
    pub(crate) fn new(api: &'static Api) -> Self {
        let raw = Cell::new(ptr::null_mut());
        let code = Cell::new(0);
        Self { raw, code, api }
    }

    /// All attributes. Only after a successful read: before, the iterator points nowhere.
    pub(crate) fn collect(&self) -> Result<Entries, Error> {
        let mut entries = Entries::new();
        if self.raw.get().is_null() {
            return Ok(entries);
        }
        check("attributes of rados_read_op_operate", self.code.get())?;
        loop {
            let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the iterator is live, and the places for the answer are ours.
            let code = unsafe {
                (self.api.rados_getxattrs_next)(
                    self.raw.get(),
                    &raw mut name,
                    &raw mut value,
                    &raw mut length,
                )
            };
            check("rados_getxattrs_next", code)?;
            if name.is_null() {
                return Ok(entries);
            }
            // SAFETY: names of attributes end with a zero byte, and live as long as the iterator.
            let name = unsafe { CStr::from_ptr(name) };
            // SAFETY: librados keeps the value until the iterator moves on.
            let value = unsafe { copy(value, length) };
            entries.insert(name.to_bytes().to_vec(), value);
        }
    }
}

impl Drop for XattrsIter {
    fn drop(&mut self) {
        if !self.raw.get().is_null() {
            // SAFETY: the iterator is live and not used again.
            unsafe { (self.api.rados_getxattrs_end)(self.raw.get()) }
        }
    }
}

/// Copies what C owns.
///
/// # Safety
/// `start` must point to `length` bytes, unless `length` is zero.
unsafe fn copy(start: *const c_char, length: usize) -> Vec<u8> {
    if length == 0 {
        return Vec::new();
    }
    // SAFETY: the caller promises it.
    unsafe { std::slice::from_raw_parts(start.cast(), length) }.to_vec()
}
