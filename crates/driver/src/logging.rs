//! Logging: `tracing` in, the original's lines out.
//!
//! | in the code | `--v` | for |
//! |---|---|---|
//! | `error!`, `warn!` | always | what somebody should look at |
//! | `info!` | 1 | what was done |
//! | `useful!` | 2 | how it was done |
//! | `extended!` | 3 | each call |
//! | `debug!` | 4 | steps inside of a call |
//! | `trace!` | 5 | requests and responses, without secrets |
//!
//! A line inside a span named `rpc` begins with that span's `id` and `req_id`. Other crates are heard from
//! `warn!` up only: what HTTP/2 libraries trace has whole requests in it, secrets included.
//!
//! Lines are handed to a thread of their own. When nobody reads them, as when a container runtime is
//! stuck, they are dropped and counted, and the calls being served go on.

mod file;
mod format;
mod layer;
mod queue;
mod record;
#[cfg(test)]
pub(crate) mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use file::LogFile;
use format::Formatter;
use layer::Lines;
use queue::{Queue, Routes};

/// How long the end of the program waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Where and how to log.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `--v`, 0 to 5.
    pub verbosity: u8,
    /// `--log-format`.
    pub format: Format,
    /// Where lines go.
    pub target: Target,
    /// `--add_dir_header`: the source is `directory/file.rs:1` and not `file.rs:1`.
    pub directory_in_source: bool,
    /// `--skip_headers`: lines are the message alone. For [`Format::Klog`].
    pub skip_headers: bool,
}

/// Form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `I1123 07:27:00.123456       1 create.rs:81] ID: 7 Req-ID: pvc-1 message`, in UTC.
    Klog,
    /// One JSON object per line.
    Json,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To standard error.
    Stderr,
    /// To a file, and the severe ones to standard error as well.
    File {
        /// Appended to; created with mode 0600.
        path: PathBuf,
        /// Size after which the file becomes `<path>.1` and a new one begins.
        max_bytes: Option<u64>,
        /// The severity from which on lines also go to standard error.
        stderr_from: Severity,
    },
}

/// klog's severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// `I`
    Info,
    /// `W`
    Warning,
    /// `E`
    Error,
    /// `F`; above every line of this driver, which ends with an error and an exit code.
    Fatal,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be written.
    #[error("log file `{}`: cannot be opened", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] std::io::Error),
    /// The process has a log already.
    #[error("logging was started before")]
    Twice,
}

/// Keeps the log open; dropping it writes the last lines.
#[derive(Debug)]
#[must_use = "the last lines are lost if this is not kept until the end"]
pub struct Guard(Arc<Queue>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.flush(LAST_LINES);
    }
}

/// Starts logging for the whole process, panics included.
pub fn init(settings: &Settings) -> Result<Guard, Error> {
    let (routes, file) = match &settings.target {
        Target::Stderr => (Routes::stderr(), None),
        Target::File {
            path,
            max_bytes,
            stderr_from,
        } => {
            let file = LogFile::open(path, *max_bytes).map_err(|source| Error::File {
                path: path.clone(),
                source,
            })?;
            (Routes::file(*stderr_from), Some(file))
        }
    };
    let formatter = Formatter::new(settings);
    let queue = Queue::start(routes, file, formatter.clone()).map_err(Error::Thread)?;
    let lines = {
        let queue = Arc::clone(&queue);
        Lines::new(
            settings.verbosity,
            formatter,
            move |severity, line: &str| {
                queue.push(severity, line);
            },
        )
    };
    let registry = tracing_subscriber::registry().with(lines);
    registry.try_init().map_err(|_| Error::Twice)?;
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(Guard(queue))
}

/// Target of `useful!`, by which the layer knows its level.
pub(crate) const USEFUL: &str = "spirula::useful";
/// Target of `extended!`.
pub(crate) const EXTENDED: &str = "spirula::extended";

/// Logs at `--v=2`, with the arguments of `tracing::debug!`.
macro_rules! useful {
    ($($arguments:tt)*) => { tracing::debug!(target: $crate::logging::USEFUL, $($arguments)*) };
}

/// Logs at `--v=3`, with the arguments of `tracing::debug!`.
macro_rules! extended {
    ($($arguments:tt)*) => { tracing::debug!(target: $crate::logging::EXTENDED, $($arguments)*) };
}

pub(crate) use {extended, useful};
