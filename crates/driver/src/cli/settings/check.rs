//! What the values of flags must be beyond their type, and what to say where they are not.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::super::{Endpoint, Environment, Error};
use super::PidLimit;
use crate::kubernetes::{Access, Address, SERVICE_ACCOUNT};
use crate::node::topology;

pub(super) fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// The error for a `--type` that is none of ours.
pub(super) fn not_served(driver_type: &str) -> Error {
    Error::Settings(match driver_type {
        "" => "driver type not specified; give --type=cephfs, liveness or registrar".to_owned(),
        "rbd" | "nfs" | "nvmeof" => format!(
            "--type={driver_type} is not served: this driver is for CephFS only, keep ceph-csi for \
             `{driver_type}`"
        ),
        "controller" => "--type=controller is not needed: it repairs journals of rbd volumes, and \
                         those of CephFS need no such repair; remove that container"
            .to_owned(),
        other => format!(
            "--type={} is unknown; give --type=cephfs, liveness or registrar",
            other.escape_debug()
        ),
    })
}

/// A driver name by the rule of CSI: a DNS subdomain of at most 63 characters, in any case.
pub(super) fn driver_name(name: &str) -> Result<String, Error> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let reason = if name.len() > 63 {
        "it is longer than 63 characters"
    } else if !name.split('.').all(label) {
        "it must be a DNS name: letters, digits, `-` and `.`, each part starting and ending with a \
         letter or digit"
    } else {
        return Ok(name.to_owned());
    };
    Err(Error::Settings(cannot_be("drivername", name, reason)))
}

pub(super) fn endpoint(text: &str) -> Result<Endpoint, Error> {
    Endpoint::parse(text).map_err(|reason| Error::Settings(cannot_be("endpoint", text, &reason)))
}

/// Where to answer HTTP: on all addresses if none is named. What `$(POD_IP):8682` becomes with IPv6, which
/// lacks the brackets, is taken too, as the port has to be there.
pub(super) fn http_address(flag: &str, address: &str) -> Result<String, Error> {
    match address.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => Ok(match host {
            "" => format!("[::]:{port}"),
            _ if host.parse::<Ipv6Addr>().is_ok() => format!("[{host}]:{port}"),
            _ => address.to_owned(),
        }),
        _ => Err(bad(
            flag,
            address,
            "it must be `<host>:<port>` or `:<port>`",
        )),
    }
}

pub(super) fn longer_than_zero(flag: &str, time: Duration) -> Result<Duration, Error> {
    if time.is_zero() {
        return Err(bad(flag, "0", "it must be longer than 0"));
    }
    Ok(time)
}

pub(super) fn pid_limit(limit: i64) -> Result<Option<PidLimit>, Error> {
    match limit {
        0 => Ok(None),
        -1 => Ok(Some(PidLimit::Max)),
        _ => match u64::try_from(limit) {
            Ok(limit) => Ok(Some(PidLimit::At(limit))),
            Err(_) => Err(bad("pidlimit", &limit.to_string(), "only -1 is below 0")),
        },
    }
}

/// A list of labels, as far as there are any.
pub(super) fn labels(list: &str) -> Vec<String> {
    let labels = list.split(',').map(str::trim);
    labels
        .filter(|label| !label.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Labels of which each is to be a domain of its own.
pub(super) fn domain_labels(list: &str) -> Result<Vec<String>, Error> {
    let labels = labels(list);
    let mut seen = HashMap::new();
    for label in &labels {
        if let Some(other) = seen.insert(topology::domain(label), label) {
            let reason = if other == label {
                format!("it has `{label}` twice")
            } else {
                format!("`{other}` and `{label}` are the same domain")
            };
            return Err(Error::Settings(cannot_be("domainlabels", list, &reason)));
        }
    }
    Ok(labels)
}

/// Bytes for a flag in MiB, `None` for no limit.
pub(super) fn mebibytes(flag: &str, number: i64) -> Result<Option<u64>, Error> {
    let number = u64::try_from(number)
        .map_err(|_| bad(flag, &number.to_string(), "it cannot be negative"))?;
    Ok(number.checked_mul(1 << 20).filter(|bytes| *bytes > 0))
}

/// A cgroup from the root of its hierarchy, `None` for none.
pub(super) fn cgroup(path: &str) -> Result<Option<PathBuf>, Error> {
    let relative = Path::new(path.trim_start_matches('/'));
    let plain = |part| matches!(part, Component::Normal(_));
    if !relative.components().all(plain) {
        return Err(bad("fuse-cgroup", path, "it must be a path without `..`"));
    }
    Ok(Some(relative.to_owned()).filter(|path| !path.as_os_str().is_empty()))
}

pub(super) fn metrics_path(path: &str) -> Result<String, Error> {
    if path.contains(|c: char| !c.is_ascii_graphic() || "?#%".contains(c)) {
        let reason = "it must be the plain path of a URL, such as /metrics";
        return Err(bad("metricspath", path, reason));
    }
    Ok(format!("/{}", path.trim_start_matches('/')))
}

pub(super) fn pod_ip(environment: &Environment) -> Result<IpAddr, Error> {
    match &environment.pod_ip {
        None => Ok(Ipv6Addr::UNSPECIFIED.into()),
        Some(text) => text.parse().map_err(|_| {
            let shown = text.escape_debug();
            Error::Settings(format!(
                "environment variable POD_IP is `{shown}`, not an IP address"
            ))
        }),
    }
}

/// How to ask the Kubernetes API; a kubeconfig has precedence, as in the original.
pub(super) fn kubernetes(environment: &Environment) -> Result<Option<Access>, Error> {
    if let Some(path) = &environment.kubernetes_config {
        return Ok(Some(Access::Kubeconfig(path.into())));
    }
    let Some(host) = environment.kubernetes_host.clone() else {
        return Ok(None);
    };
    let port = environment.kubernetes_port.as_deref().unwrap_or("443");
    let Ok(port) = port.parse() else {
        let shown = port.escape_debug();
        return Err(Error::Settings(format!(
            "environment variable KUBERNETES_SERVICE_PORT is `{shown}`, not a port"
        )));
    };
    Ok(Some(Access::Pod {
        address: Address { host, port },
        service_account: SERVICE_ACCOUNT.into(),
    }))
}

pub(super) fn bad(flag: &str, value: &str, reason: &str) -> Error {
    Error::Usage(cannot_be(flag, value, reason))
}

fn cannot_be(flag: &str, value: &str, reason: &str) -> String {
    let shown = value.escape_debug();
    format!("flag --{flag} cannot have the value `{shown}`: {reason}")
}
