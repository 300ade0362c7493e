//! Exclusive advisory locks on objects.
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::c_long;
use std::time::Duration;

use crate::error::{c_string, check};
use crate::sys::timeval;
use crate::{Error, IoCtx};

impl IoCtx<'_> {
    /// Takes the exclusive lock `name` of an object, which is created if it is not there
    /// (`rados_lock_exclusive`). `cookie` tells holders of one client apart, `description` is for
    /// people, and after `duration` the lock is free again (zero: never).
    ///
    /// # Errors
    /// Errno 16 if somebody else holds it, 17 if this connection holds it with this cookie.
    pub fn lock_exclusive(
        &mut self,
        object: &str,
        name: &str,
        cookie: &str,
        description: &str,
        duration: Duration,
    ) -> Result<(), Error> {
        let object = c_string("object name", object)?;
        let name = c_string("lock name", name)?;
        let cookie = c_string("lock cookie", cookie)?;
        let description = c_string("lock description", description)?;
        let mut duration = timeval {
            tv_sec: c_long::try_from(duration.as_secs()).unwrap_or(c_long::MAX),
            tv_usec: c_long::from(duration.subsec_micros().cast_signed()),
        };
        // SAFETY: the context is live and all pointers are valid during the call, which copies them.
        let code = unsafe {
            (self.api().rados_lock_exclusive)(
                self.raw(),
                object.as_ptr(),
                name.as_ptr(),
                cookie.as_ptr(),
                description.as_ptr(),
                &raw mut duration,
                0,
            )
        };
        check("rados_lock_exclusive", code)?;
        Ok(())
    }

    /// Releases a lock (`rados_unlock`).
    ///
    /// # Errors
    /// Errno 2 if this connection does not hold it with this cookie.
    pub fn unlock(&mut self, object: &str, name: &str, cookie: &str) -> Result<(), Error> {
        let object = c_string("object name", object)?;
        let name = c_string("lock name", name)?;
        let cookie = c_string("lock cookie", cookie)?;
        // SAFETY: the context is live and all pointers are valid during the call.
        let code = unsafe {
            (self.api().rados_unlock)(self.raw(), object.as_ptr(), name.as_ptr(), cookie.as_ptr())
        };
        check("rados_unlock", code)?;
        Ok(())
    }
}
