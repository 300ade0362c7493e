//! The `spirula` binary, which also answers to `cephcsi`: reads the command line, starts the log and the
//! runtime, and runs what was asked for.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use spirula::cli::{self, Command, DriverSettings, Environment, Role, Settings};
use spirula::mount::role;
use spirula::{liveness, logging, pid_limit, registrar, server, shutdown};

/// Enough for requests that mostly wait; blocking calls have threads of their own.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    if let Some(code) = role::play(std::env::args_os()) {
        return code;
    }
    let environment = Environment::read(|name| std::env::var_os(name));
    match cli::parse(std::env::args_os(), &environment) {
        Ok(Command::Print(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Ok(Command::Run(settings)) => start(*settings),
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn start(settings: Settings) -> ExitCode {
    // Kept to the end, so that the last lines are written.
    let log = match logging::init(&settings.logging) {
        Ok(guard) => guard,
        Err(error) => {
            complain(&format!("{:#}", anyhow::Error::new(error)));
            return ExitCode::FAILURE;
        }
    };
    let ended = run(settings);
    if let Err(error) = &ended {
        tracing::error!("{error:#}");
    }
    drop(log);
    // Connections may still be open, or be made.
    ceph::end_process(ended.is_err().into())
}

fn run(settings: Settings) -> anyhow::Result<()> {
    tracing::info!("spirula {}", env!("CARGO_PKG_VERSION"));
    for notice in &settings.notices {
        tracing::warn!("{notice}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let shutdown = shutdown::on_signal().context("cannot listen for signals")?;
        match settings.role {
            Role::CephFs(settings) => {
                set_pid_limit(&settings);
                Ok(server::serve(*settings, shutdown).await?)
            }
            Role::Liveness(settings) => Ok(liveness::run(settings, shutdown).await?),
            Role::Registrar(settings) => Ok(registrar::run(settings, shutdown).await?),
            Role::RegistrationProbe(settings) => Ok(registrar::probe(&settings)?),
        }
    })
}

/// A limit that cannot be set is no reason not to serve, as in the original.
fn set_pid_limit(settings: &DriverSettings) {
    let Some(limit) = settings.node.as_ref().and_then(|node| node.pid_limit) else {
        return;
    };
    match pid_limit::apply(limit) {
        Ok(path) => tracing::info!("set the limit of processes in {}", path.display()),
        Err(error) => tracing::error!("--pidlimit: {:#}", anyhow::Error::new(error)),
    }
}

/// For what is wrong before there is a log.
fn complain(message: &impl std::fmt::Display) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(io::stderr(), "spirula: {message}");
}
