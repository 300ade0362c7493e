//! Monitor addresses: as people write them, and as librados takes them safely.
//!
//! People write lists of hosts and of addresses with and without ports, protocols and brackets.
//! librados takes most of that, but looks names up only where they stand without a protocol, refuses
//! the whole list for one unknown name, prints its complaints to stderr, and **ends the process** when
//! two monitors share an address. So it never sees what people wrote: a list is parsed into [`Monitors`],
//! names are looked up here, and what librados gets ([`MonHost`]) are numeric addresses with a protocol
//! and a port, each of them once.

mod parse;
mod resolve;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

pub use resolve::MonHost;

/// The monitors of a cluster, at least one.
///
/// Parsed from a list separated by commas, semicolons or white space, of: `host`, `host:port`, `[v6]`,
/// `[v6]:port`, bare `v6`, each of them with `v1:` or `v2:` before and a nonce (`/0`) behind if you
/// like, and address vectors of one monitor, `[v2:1.2.3.4:3300/0,v1:1.2.3.4:6789/0]`. A host is an IP
/// address or a DNS name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitors(Vec<Monitor>);

/// One entry of the list: an address, or the address vector of one monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Monitor(Vec<Address>);

/// Where a monitor listens.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    /// `None` if not said: then the port decides, as Ceph has it.
    protocol: Option<Protocol>,
    host: Host,
    port: Option<u16>,
}

/// The messenger protocol that a monitor speaks on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Messenger 1, at port 6789.
    V1,
    /// Messenger 2, at port 3300.
    V2,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

/// Why a list of monitors is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The list has no entry.
    #[error("the list of monitors is empty")]
    Empty,
    /// An entry is malformed.
    #[error("monitor `{entry}`: {reason}")]
    Malformed {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// None of the monitors has an address.
    #[error("no address found for the monitors: {0}")]
    Unresolved(String),
}

impl Monitors {
    /// Parses a list of monitors.
    ///
    /// # Errors
    /// [`Error::Empty`], or [`Error::Malformed`] naming the first bad entry.
    pub fn parse(list: &str) -> Result<Self, Error> {
        parse::monitors(list).map(Self)
    }
}

impl FromStr for Monitors {
    type Err = Error;

    fn from_str(list: &str) -> Result<Self, Error> {
        Self::parse(list)
    }
}

impl fmt::Display for Monitors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.0, ",")
    }
}

impl fmt::Display for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [address] => address.fmt(f),
            addresses => {
                f.write_str("[")?;
                join(f, addresses, ",")?;
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(protocol) = self.protocol {
            write!(f, "{protocol}:")?;
        }
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            Host::Ip(IpAddr::V4(ip)) => ip.fmt(f)?,
            Host::Name(name) => f.write_str(name)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

fn join(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display], separator: &str) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}
