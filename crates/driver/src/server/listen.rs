//! The socket: a unix one that is private and never stolen from a living driver, or TCP.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;

use crate::cli::Endpoint;

/// Time for the last answers to reach clients that keep their connections for ever.
const LINGER: Duration = Duration::from_millis(300);

/// The socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process answers there.
    #[error("{} is in use: another driver is listening there; stop it, or choose another path", .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is in the way.
    #[error("{} is in the way and no socket; remove it, or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The operating system refuses.
    #[error("cannot listen on {endpoint}")]
    Io {
        /// Where.
        endpoint: String,
        /// Why.
        source: io::Error,
    },
}

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

/// Starts to listen. A socket file that nobody listens on any more is replaced.
pub(super) async fn listen(endpoint: &Endpoint) -> Result<Listener, Error> {
    let io = |source| Error::Io {
        endpoint: endpoint.to_string(),
        source,
    };
    match endpoint {
        Endpoint::Unix(path) => {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(io)?;
            }
            Ok(Listener::Unix(listen_unix(path).await?, path.clone()))
        }
        Endpoint::Tcp(address) => Ok(Listener::Tcp(TcpListener::bind(address).await.map_err(io)?)),
    }
}

/// The same for a unix socket in a directory that is there.
pub(crate) async fn listen_unix(path: &Path) -> Result<UnixListener, Error> {
    let io = |source| Error::Io {
        endpoint: format!("unix://{}", path.display()),
        source,
    };
    remove_stale(path).await?;
    let listener = UnixListener::bind(path).map_err(io)?;
    // Requests carry cephx keys: only root may speak or listen here.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    Ok(listener)
}

impl Listener {
    /// Serves until `shutdown`, then answers what has been asked until all connections are closed, or
    /// until `ended` tells that nothing runs any more, and removes the socket.
    pub(super) async fn serve(
        self,
        router: Router,
        shutdown: CancellationToken,
        ended: impl Future<Output = ()>,
    ) -> Result<(), tonic::transport::Error> {
        let stop = shutdown.cancelled_owned();
        let ended = async {
            ended.await;
            tokio::time::sleep(LINGER).await;
        };
        match self {
            Self::Unix(listener, path) => {
                let incoming = UnixListenerStream::new(listener);
                tokio::select! {
                    served = router.serve_with_incoming_shutdown(incoming, stop) => served?,
                    () = ended => {}
                }
                // Else the next start does it.
                let _ = std::fs::remove_file(path);
            }
            Self::Tcp(listener) => {
                let incoming = TcpListenerStream::new(listener);
                tokio::select! {
                    served = router.serve_with_incoming_shutdown(incoming, stop) => served?,
                    () = ended => {}
                }
            }
        }
        Ok(())
    }
}

async fn remove_stale(path: &Path) -> Result<(), Error> {
    let io = |source| Error::Io {
        endpoint: path.display().to_string(),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(Error::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(Error::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(io)
        }
        Err(error) => Err(io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &Path) -> Endpoint {
        Endpoint::Unix(path.to_owned())
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/csi.sock");
        let first = listen(&unix(&path)).await.unwrap();
        assert!(matches!(listen(&unix(&path)).await, Err(Error::InUse(_))));
        drop(first);
        let _second = listen(&unix(&path)).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("csi.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(
            listen(&unix(&path)).await,
            Err(Error::NotASocket(_))
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
