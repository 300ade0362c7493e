//! From [`Monitors`] to what librados gets.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use super::{Address, Error, Host, Monitor, Monitors, Protocol, join};

/// The ports that IANA has given to the monitors of Ceph.
const V1_PORT: u16 = 6789;
const V2_PORT: u16 = 3300;

/// A value for the setting `mon_host`: address vectors of numeric addresses with protocol and port, in
/// which no address comes twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonHost(pub(super) Vec<Vector>);

/// The addresses of one monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vector(pub(super) Vec<Numeric>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Numeric(Protocol, SocketAddr);

impl Monitors {
    /// Looks names up (which blocks) and writes every address out. Names that are not found are left
    /// out, as long as there is any address.
    ///
    /// # Errors
    /// [`Error::Unresolved`] if no monitor has an address.
    pub fn resolve(&self) -> Result<MonHost, Error> {
        self.resolve_with(|name| {
            let addresses = (name, 0).to_socket_addrs()?;
            Ok(addresses.map(|address| address.ip()).collect())
        })
    }

    pub(super) fn resolve_with(
        &self,
        look_up: impl Fn(&str) -> io::Result<Vec<IpAddr>>,
    ) -> Result<MonHost, Error> {
        let mut seen = HashSet::new();
        let mut vectors = Vec::new();
        let mut failures = Vec::new();
        for monitor in &self.0 {
            let found = monitor.numeric(&look_up, &mut failures);
            for mut vector in found {
                vector.0.retain(|address| seen.insert(*address));
                if !vector.0.is_empty() {
                    vectors.push(vector);
                }
            }
        }
        if vectors.is_empty() {
            failures.dedup();
            return Err(Error::Unresolved(failures.join(", ")));
        }
        Ok(MonHost(vectors))
    }
}

impl Monitor {
    /// One vector for each IP address: a name may stand for several monitors, and does not say which
    /// of their addresses belong together.
    fn numeric(
        &self,
        look_up: impl Fn(&str) -> io::Result<Vec<IpAddr>>,
        failures: &mut Vec<String>,
    ) -> Vec<Vector> {
        let mut vectors: Vec<(IpAddr, Vector)> = Vec::new();
        for address in &self.0 {
            let ips = match &address.host {
                Host::Ip(ip) => vec![*ip],
                Host::Name(name) => look_up(name).unwrap_or_else(|error| {
                    failures.push(format!("{name} ({error})"));
                    Vec::new()
                }),
            };
            for ip in ips {
                let ip = ip.to_canonical();
                for vector in address.vectors(ip) {
                    match vectors.iter_mut().find(|(known, _)| *known == ip) {
                        Some((_, known)) if address.protocol.is_some() => known.0.extend(vector.0),
                        _ => vectors.push((ip, vector)),
                    }
                }
            }
        }
        vectors.into_iter().map(|(_, vector)| vector).collect()
    }
}

impl Address {
    /// Where to look for the monitor at `ip`. Without a protocol the known ports tell it, and at any
    /// other port both are tried, as two monitors: of one vector librados tries one address only.
    fn vectors(&self, ip: IpAddr) -> Vec<Vector> {
        let v1 = |port| Numeric(Protocol::V1, SocketAddr::new(ip, port));
        let v2 = |port| Numeric(Protocol::V2, SocketAddr::new(ip, port));
        match (self.protocol, self.port) {
            (Some(Protocol::V1), port) => vec![Vector(vec![v1(port.unwrap_or(V1_PORT))])],
            (Some(Protocol::V2), port) => vec![Vector(vec![v2(port.unwrap_or(V2_PORT))])],
            (None, None) => vec![Vector(vec![v2(V2_PORT)]), Vector(vec![v1(V1_PORT)])],
            (None, Some(port @ V1_PORT)) => vec![Vector(vec![v1(port)])],
            (None, Some(port @ V2_PORT)) => vec![Vector(vec![v2(port)])],
            (None, Some(port)) => vec![Vector(vec![v2(port)]), Vector(vec![v1(port)])],
        }
    }
}

impl MonHost {
    /// Each address, with the protocol to speak there.
    pub fn sockets(&self) -> impl Iterator<Item = (Protocol, SocketAddr)> {
        let addresses = self.0.iter().flat_map(|vector| &vector.0);
        addresses.map(|Numeric(protocol, socket)| (*protocol, *socket))
    }

    /// Each address, also as the only one of a monitor: to find out which of them answer.
    pub fn addresses(&self) -> impl Iterator<Item = (SocketAddr, Monitors)> {
        let addresses = self.0.iter().flat_map(|vector| &vector.0);
        addresses.map(|Numeric(protocol, socket)| {
            let address = Address {
                protocol: Some(*protocol),
                host: Host::Ip(socket.ip()),
                port: Some(socket.port()),
            };
            (*socket, Monitors(vec![Monitor(vec![address])]))
        })
    }
}

impl fmt::Display for MonHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.0, ",")
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        join(f, &self.0, ",")?;
        f.write_str("]")
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}
