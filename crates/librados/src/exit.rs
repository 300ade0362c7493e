//! Ending the process while connections are open.
//!
//! `exit` runs the destructors of C++ statics while the threads of librados still use them: two of
//! three processes that ended connected died of it, with an exception or by SIGSEGV. And a process
//! cannot always disconnect first, as a manager that is away holds its connection. So while there are
//! connections, `exit` ends the process at once instead; what Rust flushes at the end it has flushed
//! by then.
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

unsafe extern "C" {
    /// As `atexit`, but the function is told the status. Only the GNU C library has it.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    /// Ends the process without running any function or destructor.
    fn _exit(status: c_int) -> !;
}

/// Handles of librados that are not shut down yet.
static HANDLES: AtomicUsize = AtomicUsize::new(0);

/// Notes a new handle.
pub(crate) fn handle_created() {
    static REGISTERED: Once = Once::new();
    HANDLES.fetch_add(1, Ordering::SeqCst);
    REGISTERED.call_once(register);
}

/// Notes that a connection is up. Functions run in the reverse order of their registration, and
/// connecting has registered more destructors.
pub(crate) fn connected() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
}

/// Notes that a handle was shut down.
pub(crate) fn handle_gone() {
    HANDLES.fetch_sub(1, Ordering::SeqCst);
}

fn register() {
    // SAFETY: the function is always there and does not unwind. If there is no memory to register it,
    // the process ends as it would without.
    let _ = unsafe { on_exit(end_at_once, ptr::null_mut()) };
}

extern "C" fn end_at_once(status: c_int, _: *mut c_void) {
    if HANDLES.load(Ordering::SeqCst) > 0 {
        // SAFETY: has no preconditions.
        unsafe { _exit(status) }
    }
}
