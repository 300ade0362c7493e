//! Whether monitors can be reached, tried with a bare TCP connection.
//!
//! ceph-fuse says the same for "nobody listens there" and "your key is wrong", which need different
//! cures. A connection that is accepted tells them apart.

use std::path::Path;
use std::time::Duration;

use ceph::Context;
use ceph::monitors::Monitors;
use futures::future::select_ok;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::helper;

/// A monitor that takes longer to be looked up and to accept a connection counts as not reachable.
const LIMIT: Duration = Duration::from_secs(2);

/// Whether one of the monitors accepts a connection.
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
        .map(|socket| Box::pin(TcpStream::connect(socket)))
        .collect();
    let connected = timeout_at(cx.deadline().into(), select_ok(connections)).await;
    matches!(connected, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_is_reachable_and_a_closed_port_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap().to_string();
        let cx = Context::with_timeout(Duration::from_secs(5));
        for list in [
            format!("127.0.0.1:1,{open}"),
            format!("[v2:127.0.0.1:1/0,v1:{open}/0]"),
            format!("127.0.0.1:1 localhost:{}", open.rsplit(':').next().unwrap()),
        ] {
            assert!(any_reachable(&cx, &list).await, "{list}");
        }
        drop(listener);
        for list in [open.as_str(), "", "host.invalid", "not:a:list"] {
            assert!(!any_reachable(&cx, list).await, "{list}");
        }
    }
}
