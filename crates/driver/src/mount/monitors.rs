//! Whether monitors can be reached, tried with a bare TCP connection.
//!
//! ceph-fuse says the same for "nobody listens there" and "your key is wrong", which need different
//! cures. A monitor that introduces itself tells them apart: one that hangs accepts connections, as the kernel
//! does that for it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ceph::Context;
use ceph::monitors::Monitors;
use futures::future::select_ok;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::helper;

/// A monitor that takes longer to be looked up and to introduce itself counts as not reachable.
const LIMIT: Duration = Duration::from_secs(2);

/// What both of Ceph's messengers begin with, on both sides and without being asked.
const BANNER: &[u8] = b"ceph v";

/// Whether one of the monitors answers.
pub(super) async fn any_reachable(cx: &Context, monitors: &str) -> bool {
    let cx = cx.at_most(LIMIT);
    let Ok(parsed) = Monitors::parse(monitors) else {
        return false;
    };
    let look_up = helper::run(&cx, "look up monitors", Path::new(monitors), move || {
        parsed.resolve()
    });
    let Ok(Ok(addresses)) = look_up.await else {
        return false;
    };
    let connections = addresses.sockets().map(|(_, socket)| socket);
    let connections: Vec<_> = connections
        .map(|socket| Box::pin(greeted(socket)))
        .collect();
    let connected = timeout_at(cx.deadline().into(), select_ok(connections)).await;
    matches!(connected, Ok(Ok(_)))
}

/// Waits for a Ceph daemon's first words.
async fn greeted(socket: SocketAddr) -> io::Result<()> {
    let mut connection = TcpStream::connect(socket).await?;
    let mut words = [0; BANNER.len()];
    connection.read_exact(&mut words).await?;
    if words == BANNER {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// A listener that greets each connection so; silent if with nothing.
    async fn listener(greeting: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut connections = Vec::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                connection.write_all(greeting).await.unwrap();
                connections.push(connection);
            }
        });
        address
    }

    #[tokio::test]
    async fn a_monitor_that_answers_is_reachable_and_others_are_not() {
        let open = listener(b"ceph v2\n").await;
        let cx = Context::with_timeout(Duration::from_secs(30));
        for list in [
            format!("127.0.0.1:1,{open}"),
            format!("[v2:127.0.0.1:1/0,v1:{open}/0]"),
            format!("127.0.0.1:1 localhost:{}", open.rsplit(':').next().unwrap()),
        ] {
            assert!(any_reachable(&cx, &list).await, "{list}");
        }
        let (silent, other) = (listener(b"").await, listener(b"SSH-2.0-x\n").await);
        for list in [
            "127.0.0.1:1",
            &silent,
            &other,
            "",
            "host.invalid",
            "not:a:list",
        ] {
            assert!(!any_reachable(&cx, list).await, "{list}");
        }
    }
}
