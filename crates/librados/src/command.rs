//! Monitor and manager commands.
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::{c_char, c_int};

use crate::buffer::Buffer;
use crate::error::c_string;
use crate::sys::{Api, rados_t};
use crate::{Cluster, Error};

/// `rados_mon_command` and `rados_mgr_command` look the same.
type Function = unsafe extern "C" fn(
    rados_t,
    *mut *const c_char,
    usize,
    *const c_char,
    usize,
    *mut *mut c_char,
    *mut usize,
    *mut *mut c_char,
    *mut usize,
) -> c_int;

impl Cluster {
    /// Runs a monitor command, a JSON object with a `prefix`, and returns its output
    /// (`rados_mon_command`). Blocks until a monitor answers.
    ///
    /// # Errors
    /// [`Error::Answered`] with the status text of the monitor.
    pub fn mon_command(&self, json: &str) -> Result<Vec<u8>, Error> {
        self.command("rados_mon_command", |api| api.rados_mon_command, json)
    }

    /// Runs a manager command, a JSON object with a `prefix`, and returns its output
    /// (`rados_mgr_command`). Blocks until a manager answers, if need be the next one: librados sends
    /// the command again when the active manager changes.
    ///
    /// # Errors
    /// [`Error::Answered`] with the status text of the manager.
    pub fn mgr_command(&self, json: &str) -> Result<Vec<u8>, Error> {
        self.command("rados_mgr_command", |api| api.rados_mgr_command, json)
    }

    fn command(
        &self,
        name: &'static str,
        function: impl FnOnce(&Api) -> Function,
        json: &str,
    ) -> Result<Vec<u8>, Error> {
        let json = c_string("command", json)?;
        let mut commands = [json.as_ptr()];
        let (mut output, mut status) = (Buffer::new(self.api()), Buffer::new(self.api()));
        let (output_start, output_length) = output.out();
        let (status_start, status_length) = status.out();
        let call = function(self.api());
        // SAFETY: the connection is up and every pointer is valid until the call returns, which it does
        // only once librados has forgotten them: it never times out a command (see `config.rs`).
        let code = unsafe {
            call(
                self.raw(),
                commands.as_mut_ptr(),
                commands.len(),
                std::ptr::null(),
                0,
                output_start,
                output_length,
                status_start,
                status_length,
            )
        };
        if code == 0 {
            Ok(output.bytes().to_vec())
        } else {
            Err(Error::answered(name, code, status.bytes()))
        }
    }
}
