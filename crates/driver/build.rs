//! Tells the program by which compiler it was built, for `--version`.

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
}
