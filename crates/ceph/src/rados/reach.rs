//! Connecting, and finding out why it failed.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use librados::{Cluster, Config};

use crate::{Error, ErrorKind};

/// A monitor that runs accepts connections at once, if the network lets them through.
const ACCEPT_TIME: Duration = Duration::from_secs(1);
/// A monitor that takes longer is left to librados.
const PROBE_TIME: Duration = Duration::from_millis(200);
/// A monitor that accepts a connection answers a login within milliseconds.
const LOGIN_TIME: Duration = Duration::from_secs(2);
/// What is said of a monitor that does not, though it accepts connections.
const SILENT: &str = "no answer to the login";
/// Clusters have up to seven monitors, mostly three.
const MAX_TRIED: usize = 10;

/// A connection that was not made.
#[derive(Debug)]
pub(super) struct Unconnected {
    /// `None` if librados was not asked, as no monitor listens.
    error: Option<librados::Error>,
    /// What became of each monitor.
    monitors: Vec<String>,
}

/// Connects; blocks until about `deadline`.
///
/// librados waits for all monitors, so one that is down hides that the others refuse the user. If
/// there was no answer in time, the monitors are therefore asked one by one. It also waits for
/// monitors that refuse every connection, so those are asked before.
pub(super) fn connect(config: &Config, deadline: Instant) -> Result<Cluster, Unconnected> {
    if let Some(monitors) = all_refuse(config) {
        return Err(Unconnected {
            error: None,
            monitors,
        });
    }
    match Cluster::connect(config) {
        Err(error) if error.errno() == Some(110) => ask_each(config, deadline, error),
        result => result.map_err(|error| Unconnected {
            error: Some(error),
            monitors: Vec::new(),
        }),
    }
}

/// What becomes of each monitor, if that is a refusal of every one: then nobody listens there, and
/// waiting would only hide it.
fn all_refuse(config: &Config) -> Option<Vec<String>> {
    let hosts = config.monitors.resolve().ok()?;
    let refusals = hosts.addresses().map(|(socket, name)| {
        let error = TcpStream::connect_timeout(&socket, PROBE_TIME).err();
        let refusal = error.filter(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        refusal.map(|error| format!("{name}: {error}"))
    });
    refusals.collect()
}

fn ask_each(
    config: &Config,
    deadline: Instant,
    timed_out: librados::Error,
) -> Result<Cluster, Unconnected> {
    let mut unconnected = Unconnected {
        error: Some(timed_out),
        monitors: Vec::new(),
    };
    let Ok(hosts) = config.monitors.resolve() else {
        return Err(unconnected);
    };
    for (socket, monitors) in hosts.addresses().take(MAX_TRIED) {
        let left = deadline.saturating_duration_since(Instant::now());
        let name = monitors.to_string();
        let outcome = if left < Duration::from_secs(1) {
            "not asked for want of time".to_owned()
        } else if let Err(error) = accepts(socket, left) {
            error.to_string()
        } else {
            let alone = Config {
                monitors,
                connect_timeout: LOGIN_TIME.min(left),
                ..config.clone()
            };
            match Cluster::connect(&alone) {
                Ok(cluster) => return Ok(cluster),
                Err(error) if error.errno() == Some(110) => SILENT.to_owned(),
                Err(error) => {
                    unconnected.error = Some(error);
                    return Err(unconnected);
                }
            }
        };
        unconnected.monitors.push(format!("{name}: {outcome}"));
    }
    Err(unconnected)
}

fn accepts(socket: SocketAddr, left: Duration) -> std::io::Result<()> {
    TcpStream::connect_timeout(&socket, ACCEPT_TIME.min(left)).map(drop)
}

impl Unconnected {
    /// The error of a `call` to connect as `user`.
    pub(super) fn of_user(self, call: String, user: &str) -> Error {
        let unreachable = |detail| Error::new(ErrorKind::Unreachable, &*call, detail);
        let refused = |kind, errno, detail| Error {
            kind,
            call: call.clone(),
            errno: Some(errno),
            detail,
        };
        let Some(error) = self.error else {
            let monitors = self.monitors.join("; ");
            return unreachable(format!("no monitor listens ({monitors})"));
        };
        match (&error, error.errno()) {
            (librados::Error::Monitors(error), _) => unreachable(error.to_string()),
            (librados::Error::ConfFile { .. }, _) => {
                unreachable(format!("{error}; mend the file, or remove it"))
            }
            (_, Some(110)) if self.monitors.is_empty() => {
                unreachable("no monitor answers".to_owned())
            }
            (_, Some(110)) => {
                let monitors = self.monitors.join("; ");
                let mut detail = format!("no monitor answers ({monitors})");
                if monitors.contains(SILENT) {
                    // Seen on 20.2.4: it closes the session before its refusal is sent.
                    let hint = format!(
                        "; monitors without a quorum are silent, and those of Ceph 20 may be to a wrong \
                         user or key on a port of messenger v1: compare with `ceph auth get \
                         client.{user}`, or list their v2 port, mostly 3300"
                    );
                    detail.push_str(&hint);
                }
                unreachable(detail)
            }
            (_, Some(errno @ (1 | 2 | 13))) => refused(
                ErrorKind::PermissionDenied,
                errno,
                format!(
                    "the monitors refuse `client.{user}`: there is no such user or its key is another"
                ),
            ),
            (_, Some(errno @ (5 | 22))) => refused(
                ErrorKind::Invalid,
                errno,
                format!(
                    "the key of `client.{user}` is not one that librados can read; it must be what \
                     `ceph auth get-key client.{user}` prints, and librados not older than the cluster"
                ),
            ),
            _ => super::failure::of_call(call, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_file_is_not_taken_for_a_key() {
        let path = "/etc/ceph/ceph.conf".into();
        let unconnected = Unconnected {
            error: Some(librados::Error::ConfFile { path, errno: 22 }),
            monitors: Vec::new(),
        };
        let error = unconnected.of_user("connect".to_owned(), "k8s");
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert_eq!(
            error.to_string(),
            "connect: cluster not reachable: librados cannot use the configuration file \
             `/etc/ceph/ceph.conf`: errno 22; mend the file, or remove it"
        );
    }
}
