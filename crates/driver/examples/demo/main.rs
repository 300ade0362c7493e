//! The life of a volume, told to a person: `dev/demo` prepares everything and then runs this.
//!
//! The demo plays Kubernetes. It makes the calls that Kubernetes would make, over the driver's socket, and
//! after each of them asks Ceph's own commands, the mount table and the pods' view what has changed. What
//! it says is checked, and the first thing that is not as told ends it with exit status 1.

mod driver;
mod machine;
mod screen;
mod story;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match story::tell().await {
        Ok(()) => {
            screen::success();
            ExitCode::SUCCESS
        }
        Err(error) => {
            screen::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
