//! A pool and namespace on a connection.
#![expect(unsafe_code, reason = "calls C")]

use std::fmt;

use crate::error::{c_string, check};
use crate::sys::{self, Api, rados_ioctx_t};
use crate::{Cluster, Error, WriteOp};

/// Access to the objects of one pool and namespace (`rados_ioctx_t`).
///
/// Cheap, so make one per use: its methods take `&mut self` because it remembers the version of the
/// last object that it read.
pub struct IoCtx<'cluster> {
    raw: rados_ioctx_t,
    cluster: &'cluster Cluster,
}

// SAFETY: librados ties no I/O context to a thread, and `&mut self` keeps two threads from sharing one.
unsafe impl Send for IoCtx<'_> {}

impl Cluster {
    /// Access to the objects of the pool with id `pool` in `namespace` (`""` is the default one).
    ///
    /// # Errors
    /// Errno 2 if the pool does not exist.
    pub fn io_ctx(&self, pool: i64, namespace: &str) -> Result<IoCtx<'_>, Error> {
        let namespace = c_string("namespace", namespace)?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the connection is up, and `raw` is a place for the answer.
        let code = unsafe { (self.api().rados_ioctx_create2)(self.raw(), pool, &raw mut raw) };
        check("rados_ioctx_create2", code)?;
        let io = IoCtx { raw, cluster: self };
        // SAFETY: the context was just made; librados copies the string.
        unsafe { (self.api().rados_ioctx_set_namespace)(io.raw, namespace.as_ptr()) }
        Ok(io)
    }
}

impl IoCtx<'_> {
    pub(crate) fn api(&self) -> &'static Api {
        self.cluster.api()
    }

    pub(crate) fn raw(&self) -> rados_ioctx_t {
        self.raw
    }

    /// An empty write operation, to be given to [`IoCtx::write`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn write_op(&self) -> Result<WriteOp, Error> {
        WriteOp::new(self.api())
    }

    /// Performs a write operation on an object: all of its steps take effect, or none
    /// (`rados_write_op_operate`).
    ///
    /// # Errors
    /// The errno of the first step that failed; 110 after [`Config::osd_timeout`](crate::Config).
    pub fn write(&mut self, object: &str, op: WriteOp) -> Result<(), Error> {
        let object = c_string("object name", object)?;
        // A full cluster answers ENOSPC at once and still lets objects be removed, instead of holding
        // every write back until there is room.
        let flags = sys::LIBRADOS_OPERATION_FULL_TRY;
        let now = std::ptr::null_mut();
        // SAFETY: both handles are live, and the operation is given up after this call.
        let code = unsafe {
            (self.api().rados_write_op_operate)(op.raw(), self.raw, object.as_ptr(), now, flags)
        };
        drop(op);
        check("rados_write_op_operate", code)?;
        Ok(())
    }

    /// The version of the object that the last successful read or write of this context was about.
    pub(crate) fn last_version(&mut self) -> u64 {
        // SAFETY: the context is live.
        unsafe { (self.api().rados_get_last_version)(self.raw) }
    }
}

impl Drop for IoCtx<'_> {
    fn drop(&mut self) {
        // SAFETY: the context is live, is not used again, and its connection outlives it.
        unsafe { (self.api().rados_ioctx_destroy)(self.raw) }
    }
}

impl fmt::Debug for IoCtx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoCtx").finish_non_exhaustive()
    }
}
