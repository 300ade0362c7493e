//! Tells the program by which compiler it was built, for `--version`, and the linker how to store relocations.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script asks its environment and runs rustc"
)]

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = match Command::new(rustc).arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(_) => "unknown".to_owned(),
    };
    println!("cargo:rustc-env=SPIRULA_RUSTC={version}");
    // Every page of the table of relocations is read when the program starts. Packed, it has a fiftieth of the
    // size; glibc understands it from 2.36 on. Linkers for other processors do not all know it.
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
