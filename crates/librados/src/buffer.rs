//! Memory that librados allocates and we free.
#![expect(unsafe_code, reason = "reads and frees buffers of C")]

use core::ffi::c_char;

use crate::sys::Api;

/// A buffer that a call fills in: owned from before the call, so that no way out of it leaks.
pub(crate) struct Buffer {
    api: &'static Api,
    start: *mut c_char,
    length: usize,
}

impl Buffer {
    pub(crate) fn new(api: &'static Api) -> Self {
        Self {
            api,
            start: std::ptr::null_mut(),
            length: 0,
        }
    }

    /// The places where the call stores the start and the length.
    pub(crate) fn out(&mut self) -> (*mut *mut c_char, *mut usize) {
        (&raw mut self.start, &raw mut self.length)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.start.is_null() {
            return &[];
        }
        // SAFETY: a call of librados has stored a buffer of this length, and it is ours until the drop.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !self.start.is_null() {
            // SAFETY: librados has allocated it, and nobody else knows it.
            unsafe { (self.api.rados_buffer_free)(self.start) }
        }
    }
}
