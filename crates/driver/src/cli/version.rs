//! The text of `--version`, line by line what the original prints.

/// The version of this driver.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit it was built from, which the build of an image passes in.
const COMMIT: Option<&str> = option_env!("GIT_COMMIT");

/// The version text.
pub(super) fn text() -> String {
    let kernel = rustix::system::uname();
    format!(
        "Spirula Version: {VERSION}\n\
         Git Commit: {}\n\
         Rust Version: {}\n\
         Compiler: rustc\n\
         Platform: {}/{}\n\
         Kernel: {}\n",
        COMMIT.unwrap_or("unknown"),
        env!("SPIRULA_RUSTC"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        kernel.release().to_string_lossy(),
    )
}
