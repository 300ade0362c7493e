//! Makes the driver known to the kubelet: as `--type=registrar` for a driver in the next container, with the
//! flags of node-driver-registrar, or from inside of the driver's process.
//!
//! The kubelet watches a directory for sockets. On each it calls GetInfo, then NodeGetInfo on the socket
//! that the answer names, then tells the outcome by NotifyRegistrationStatus. When the socket goes, it
//! forgets the driver; so the socket goes when the process ends, and comes back if somebody removes it.

mod ask;
mod authority;
mod health;
mod service;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use csi_proto::registration::PluginInfo;
use csi_proto::registration::registration_server::RegistrationServer;
use futures::TryStreamExt as _;
use tokio::sync::watch;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::cli::{RegistrarSettings, RegistrationSettings};
use crate::server::{ListenError, listen_unix};
use service::{Service, State};

/// How often to look whether the socket is still there.
const LOOK: Duration = Duration::from_secs(10);

/// The driver cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory is not there, so that no kubelet can be watching it.
    #[error(
        "{} is no directory; mount the kubelet's plugins_registry there, or set --plugin-registration-path",
        .0.display()
    )]
    NoDirectory(PathBuf),
    /// The socket cannot be had.
    #[error("cannot listen for the kubelet")]
    Listen(#[from] ListenError),
    /// The transport failed.
    #[error("serving on {} failed", .path.display())]
    Transport {
        /// Where.
        path: PathBuf,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The kubelet has looked at the driver and does not take it.
    #[error("the kubelet refuses the driver: {0}")]
    Refused(String),
    /// The health endpoint cannot be served.
    #[error("cannot answer health checks on {address} (--http-endpoint)")]
    Health {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// `--mode=kubelet-registration-probe`: not registered.
    #[error("not registered with the kubelet: {} does not exist", .0.display())]
    NotRegistered(PathBuf),
}

/// `--type=registrar`: asks the driver for its name, and registers it until `shutdown`.
///
/// # Errors
/// [`Error`]; a refusal too, so that the restarted container shows it.
pub async fn run(settings: RegistrarSettings, shutdown: CancellationToken) -> Result<(), Error> {
    let name = tokio::select! {
        name = ask::until_answered(&settings.driver, settings.timeout) => name,
        () = shutdown.cancelled() => return Ok(()),
    };
    let registrar = Registrar::new(&name, &settings.registration);
    let marker = marker(&settings.registration);
    let ended = tokio::select! {
        served = registrar.serve(shutdown) => served,
        why = mark(registrar.state.subscribe(), &marker) => Err(Error::Refused(why)),
        error = health::serve(settings.health, &registrar.socket) => Err(error),
    };
    remove_if_there(&marker);
    ended
}

/// `--mode=kubelet-registration-probe`: whether a registrar in the same container has succeeded.
///
/// # Errors
/// [`Error::NotRegistered`].
pub fn probe(settings: &RegistrationSettings) -> Result<(), Error> {
    let marker = marker(settings);
    match marker.symlink_metadata() {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::NotRegistered(marker)),
    }
}

/// Serves the registration of one driver.
#[derive(Debug)]
pub struct Registrar {
    socket: PathBuf,
    info: PluginInfo,
    state: watch::Sender<State>,
    look: Duration,
}

impl Registrar {
    /// For the driver of this name.
    pub fn new(driver_name: &str, settings: &RegistrationSettings) -> Self {
        Self {
            socket: settings.directory.join(format!("{driver_name}-reg.sock")),
            info: PluginInfo {
                r#type: "CSIPlugin".to_owned(),
                name: driver_name.to_owned(),
                endpoint: settings.kubelet_path.clone(),
                supported_versions: vec!["1.0.0".to_owned()],
            },
            state: watch::Sender::new(State::Waiting),
            look: LOOK,
        }
    }

    /// Answers the kubelet until `shutdown`, and then removes the socket.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn serve(&self, shutdown: CancellationToken) -> Result<(), Error> {
        loop {
            let directory = self.socket.parent().unwrap_or(Path::new("/"));
            if !directory.is_dir() {
                return Err(Error::NoDirectory(directory.to_owned()));
            }
            let listener = listen_unix(&self.socket).await?;
            let socket = Socket::at(&self.socket);
            tracing::info!(
                "registering {} with the kubelet through {}",
                self.info.name,
                self.socket.display()
            );
            let service = Service::new(self.info.clone(), self.state.clone());
            let served = Server::builder()
                .add_service(RegistrationServer::new(service))
                .serve_with_incoming(
                    UnixListenerStream::new(listener).map_ok(authority::Stream::new),
                );
            tokio::select! {
                served = served => served.map_err(|source| Error::Transport {
                    path: self.socket.clone(),
                    source,
                })?,
                () = socket.gone(self.look) => {
                    tracing::warn!("{} is gone: making it again", self.socket.display());
                }
                () = shutdown.cancelled() => return Ok(()),
            }
        }
    }
}

/// The file of a socket that this process has made; removed at the end, unless another is in its place.
struct Socket<'a> {
    path: &'a Path,
    made: Option<(u64, u64)>,
}

impl<'a> Socket<'a> {
    fn at(path: &'a Path) -> Self {
        let made = identity(path);
        Self { path, made }
    }

    fn is_there(&self) -> bool {
        self.made.is_some() && identity(self.path) == self.made
    }

    async fn gone(&self, look: Duration) {
        while self.is_there() {
            tokio::time::sleep(look).await;
        }
    }
}

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        if self.is_there() {
            remove_if_there(self.path);
        }
    }
}

/// Device and inode.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = path.symlink_metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The file by which [`probe`] knows that a registrar has succeeded, where node-driver-registrar has it:
/// beside the socket's path on the host, but in the container's own file system.
fn marker(settings: &RegistrationSettings) -> PathBuf {
    Path::new(&settings.kubelet_path).with_file_name("registration")
}

/// Keeps the marker true to the state. Returns when the kubelet has refused the driver, with the reason.
async fn mark(mut state: watch::Receiver<State>, marker: &Path) -> String {
    loop {
        let now = state.borrow_and_update().clone();
        match now {
            State::Waiting => remove_if_there(marker),
            State::Registered => {
                let directory = marker.parent().unwrap_or(Path::new("/"));
                let made =
                    std::fs::create_dir_all(directory).and_then(|()| std::fs::write(marker, ""));
                if let Err(error) = made {
                    tracing::warn!(
                        "--mode=kubelet-registration-probe will fail: cannot write {}: {error}",
                        marker.display()
                    );
                }
            }
            State::Refused(why) => return why,
        }
        if state.changed().await.is_err() {
            // Nobody is left to say anything.
            return std::future::pending().await;
        }
    }
}

fn remove_if_there(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
        _ => {}
    }
}
