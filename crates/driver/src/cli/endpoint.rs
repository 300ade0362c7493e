//! `--endpoint`: where the CSI socket is.

use std::fmt;
use std::path::PathBuf;

/// Where a gRPC server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket, always an absolute path.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl Endpoint {
    /// Parses `unix://<path>` or `tcp://<host>:<port>`. As in the original the scheme may be in any case,
    /// and `unix://csi/csi.sock` is the same as `unix:///csi/csi.sock`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, address) = text.split_once("://").unwrap_or_default();
        if scheme.eq_ignore_ascii_case("unix") {
            match address.trim_start_matches('/') {
                "" => Err("a path must follow `unix://`".to_owned()),
                path => Ok(Self::Unix(format!("/{path}").into())),
            }
        } else if scheme.eq_ignore_ascii_case("tcp") {
            match address.rsplit_once(':') {
                Some((host, port)) if port.parse::<u16>().is_ok() => {
                    let host = if host.is_empty() { "0.0.0.0" } else { host };
                    Ok(Self::Tcp(format!("{host}:{port}")))
                }
                _ => Err("`<host>:<port>` must follow `tcp://`".to_owned()),
            }
        } else {
            Err("it must start with `unix://` or `tcp://`".to_owned())
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}
