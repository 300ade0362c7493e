//! A connection to a cluster.
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::c_char;
use std::{fmt, thread};

use crate::error::{c_string, check};
use crate::sys::{Api, rados_t};
use crate::{Config, Error, exit, library};

/// A connection (`rados_t`): several threads and sockets, so share it.
///
/// Dropping it disconnects. That can take some hundred milliseconds, so a thread of its own does it.
pub struct Cluster(Handle);

/// A handle, not owned.
#[derive(Clone, Copy)]
struct Handle {
    raw: rados_t,
    api: &'static Api,
}

// SAFETY: librados ties no handle to a thread.
unsafe impl Send for Handle {}
// SAFETY: librados locks what calls on one handle share; what is not allowed beside other calls,
// setting up and shutting down, happens before a `Cluster` is handed out and after its drop.
unsafe impl Sync for Handle {}

impl Cluster {
    /// Connects. Blocks while names of monitors are looked up, and then at most
    /// [`Config::connect_timeout`].
    ///
    /// # Errors
    /// Errno 110 if no monitor answers; 1, 2, 13 or 22 if they do not accept the user or its key.
    pub fn connect(config: &Config) -> Result<Self, Error> {
        let cluster = Self::create(config)?;
        // SAFETY: the handle is set up, and nobody else has it yet.
        let code = unsafe { (cluster.api().rados_connect)(cluster.raw()) };
        check("rados_connect", code)?;
        exit::connected();
        Ok(cluster)
    }

    /// A handle that is set up but not connected.
    fn create(config: &Config) -> Result<Self, Error> {
        let api = library::get()?;
        let name = c_string("user", &format!("client.{}", config.user))?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: `raw` is a place for the answer; librados copies the strings.
        let code = unsafe { (api.rados_create2)(&raw mut raw, c"ceph".as_ptr(), name.as_ptr(), 0) };
        check("rados_create2", code)?;
        exit::handle_created();
        let cluster = Self(Handle { raw, api });
        config.apply(api, raw)?;
        Ok(cluster)
    }

    /// The unique id of the cluster (`rados_cluster_fsid`).
    ///
    /// # Errors
    /// [`Error::Answered`].
    pub fn fsid(&self) -> Result<String, Error> {
        // A uuid and a zero byte.
        let mut fsid = [0_u8; 37];
        let (start, length) = (fsid.as_mut_ptr().cast::<c_char>(), fsid.len());
        // SAFETY: the connection is up, and the buffer is that long.
        let code = unsafe { (self.api().rados_cluster_fsid)(self.raw(), start, length) };
        check("rados_cluster_fsid", code)?;
        let fsid = fsid.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(fsid).into_owned())
    }

    pub(crate) fn api(&self) -> &'static Api {
        self.0.api
    }

    pub(crate) fn raw(&self) -> rados_t {
        self.0.raw
    }
}

impl Handle {
    /// To be called once, when nothing uses the handle any more.
    fn shut_down(self) {
        // SAFETY: the only caller is the drop of the owner. Calls and I/O contexts borrow the owner, so
        // none is left then.
        unsafe { (self.api.rados_shutdown)(self.raw) }
        exit::handle_gone();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let handle = self.0;
        let thread = thread::Builder::new().name("rados-shutdown".to_owned());
        if thread.spawn(move || handle.shut_down()).is_err() {
            handle.shut_down();
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}
