//! Small HTTP servers, for metrics and health.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, lookup_host};
use tokio_util::sync::CancellationToken;

/// How long open connections may hold up the end.
const CLOSING: Duration = Duration::from_secs(1);

/// Listens on `<host>:<port>`. All addresses, `[::]`, are those of IPv4 too, and those alone where the kernel has
/// no IPv6.
///
/// # Errors
/// Those of the name's resolution and of the socket.
pub(crate) async fn listen(address: &str) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in lookup_host(address).await? {
        let bound = match TcpListener::bind(address).await {
            Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED => {
                TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()))).await
            }
            bound => bound,
        };
        match bound {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Serves `router` until `shutdown`.
///
/// # Errors
/// Those of the listener.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let stop = shutdown.clone().cancelled_owned();
    let server = axum::serve(listener, router).with_graceful_shutdown(stop);
    tokio::select! {
        ended = server => ended,
        () = async { shutdown.cancelled().await; tokio::time::sleep(CLOSING).await } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::listen;

    #[tokio::test]
    async fn all_addresses_are_those_of_both_families() {
        let all = listen("[::]:0").await.unwrap();
        let port = all.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // Machines without IPv6 show but half of it.
        if listen("[::1]:0").await.is_ok() {
            TcpStream::connect(("::1", port)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error() {
        let first = listen("127.0.0.1:0").await.unwrap();
        let address = first.local_addr().unwrap().to_string();
        listen(&address).await.unwrap_err();
        let all = listen("[::]:0").await.unwrap();
        let port = all.local_addr().unwrap().port();
        listen(&format!("[::]:{port}")).await.unwrap_err();
    }
}
