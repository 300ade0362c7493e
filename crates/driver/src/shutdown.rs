//! SIGTERM and SIGINT.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT. The second ends the process at once: the
/// pod is being killed anyway, or somebody at a terminal has lost patience.
///
/// Must be called inside of a tokio runtime.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let token = CancellationToken::new();
    let ours = token.clone();
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::info!("{name}: shutting down");
        ours.cancel();
        let name = signals.next().await;
        tracing::warn!("{name} again: leaving at once");
        ceph::end_process(1);
    });
    Ok(token)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
