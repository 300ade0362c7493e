//! Ending the process while connections are open.
//!
//! `exit` runs the destructors of C++ statics while the threads of librados still use them: two of
//! three processes that ended connected died of it, with an exception or by SIGSEGV. And a process
//! cannot always disconnect first, as a manager that is away holds its connection. So while there are
//! connections, `exit` ends the process at once instead; what Rust flushes at the end it has flushed
//! by then.
//!
//! While the library is being loaded, or a connection made, such destructors are registered after ours and run before
//! it. Whoever ends the process itself does so with [`end_process`].
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::{c_int, c_void};
use std::io::{self, Write as _};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

unsafe extern "C" {
    /// As `atexit`, but the function is told the status. Only the GNU C library has it.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    /// Ends the process without running any function or destructor.
    fn _exit(status: c_int) -> !;
}

/// Handles of librados that are not shut down yet.
static HANDLES: AtomicUsize = AtomicUsize::new(0);

/// Whether the library is loaded, or is about to be.
static LOADED: AtomicBool = AtomicBool::new(false);

/// Ends the process, also while connections are made or open.
pub fn end_process(status: i32) -> ! {
    if LOADED.load(Ordering::SeqCst) {
        // Nobody is left to tell if that fails.
        let _ = io::stdout().flush();
        // SAFETY: has no preconditions.
        unsafe { _exit(status) }
    }
    std::process::exit(status)
}

/// Notes that the library is about to be loaded.
pub(crate) fn loading() {
    LOADED.store(true, Ordering::SeqCst);
}

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
