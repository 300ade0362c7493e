//! The loaded library: a table of its functions.
#![expect(unsafe_code, reason = "loads symbols")]

use std::sync::OnceLock;
use std::thread;

use libloading::Library;

use crate::sys::Api;
use crate::{Error, exit};

/// The name under which every release since 2010 installs it.
const SONAME: &str = "librados.so.2";

/// The initialisers of librados overflow half a megabyte.
const STACK_BYTES: usize = 8 << 20;

/// Turns prototypes into `Api`, the struct that has a pointer to each of the functions.
macro_rules! api {
    ($(fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $answer:ty)?;)*) => {
        /// The functions of the loaded library.
        pub(crate) struct Api {
            $(pub(crate) $name: unsafe extern "C" fn($($argument: $type),*) $(-> $answer)?,)*
        }

        impl Api {
            /// Looks all functions up.
            ///
            /// # Safety
            /// `library` must be librados, and stay loaded as long as the answer is used.
            pub(crate) unsafe fn find(
                library: &libloading::Library,
            ) -> Result<Self, libloading::Error> {
                Ok(Self {
                    $($name: {
                        // SAFETY: the prototype is the one of the header, as `tests/header.rs` shows.
                        let symbol = unsafe { library.get(stringify!($name)) }?;
                        *symbol
                    },)*
                })
            }
        }
    };
}
pub(crate) use api;

/// The functions of librados; loads it on the first call.
///
/// # Errors
/// [`Error::Library`] if it is not installed or too old to have a function of ours.
pub(crate) fn get() -> Result<&'static Api, Error> {
    static API: OnceLock<Api> = OnceLock::new();
    if let Some(api) = API.get() {
        return Ok(api);
    }
    exit::loading();
    // On a thread of its own: the megabyte of stack that this takes goes with it.
    let thread = thread::Builder::new()
        .name("rados-load".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(load)
        .map_err(Error::library)?;
    let died = |_| Error::library("its initialisation panicked");
    let api = thread.join().map_err(died)??;
    Ok(API.get_or_init(|| api))
}

fn load() -> Result<Api, Error> {
    // SAFETY: librados's initialisers have no preconditions; C programs link it and run them the same way.
    let library = unsafe { Library::new(SONAME) }.map_err(Error::library)?;
    // SAFETY: it is librados by its name, and it is never unloaded (next line).
    let api = unsafe { Api::find(&library) }.map_err(Error::library)?;
    // Not unloaded: it has threads and destructors of its own.
    std::mem::forget(library);
    Ok(api)
}
