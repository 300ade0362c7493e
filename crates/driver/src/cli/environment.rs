//! The environment variables that the driver reads, all of them here and once.

use std::ffi::OsString;

/// The environment as far as it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `POD_IP`: the address on which `--type=liveness` answers.
    pub pod_ip: Option<String>,
    /// `KUBERNETES_SERVICE_HOST`: where the Kubernetes API is; unset outside of Kubernetes.
    pub kubernetes_host: Option<String>,
    /// `KUBERNETES_SERVICE_PORT`: its port.
    pub kubernetes_port: Option<String>,
    /// `KUBERNETES_CONFIG_PATH`: a kubeconfig, to ask the API by it instead.
    pub kubernetes_config: Option<String>,
}

impl Environment {
    /// Reads it through `get`, which is [`std::env::var_os`] outside of tests. Empty is the same as unset.
    pub fn read(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name| {
            let value = get(name)?.to_string_lossy().into_owned();
            Some(value).filter(|value| !value.is_empty())
        };
        Self {
            pod_ip: text("POD_IP"),
            kubernetes_host: text("KUBERNETES_SERVICE_HOST"),
            kubernetes_port: text("KUBERNETES_SERVICE_PORT"),
            kubernetes_config: text("KUBERNETES_CONFIG_PATH"),
        }
    }
}
