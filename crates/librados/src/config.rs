//! How a connection is set up.
#![expect(unsafe_code, reason = "calls C")]

use core::ffi::c_char;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::error::{c_string, check};
use crate::sys::{Api, rados_t};
use crate::{Error, Monitors};

/// What [`Cluster::connect`](crate::Cluster::connect) needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The monitors.
    pub monitors: Monitors,
    /// The cephx user, without `client.`.
    pub user: String,
    /// Its key.
    pub key: SecretString,
    /// A `ceph.conf` whose settings apply where this crate has none of its own. No other file is read.
    pub conf_file: Option<PathBuf>,
    /// Connecting fails with errno 110 after this time (`client_mount_timeout`), in whole seconds, at least one.
    pub connect_timeout: Duration,
    /// Calls to OSDs fail with errno 110 after this time (`rados_osd_op_timeout`), in whole seconds, at least one.
    pub osd_timeout: Duration,
}

/// Settings of every connection; they win over a conf file and over the monitors' configuration.
const SETTINGS: &[(&str, &str)] = &[
    // The key comes from memory: keyrings in the default places are not even read.
    ("keyring", ""),
    ("keyfile", ""),
    // Nothing is written anywhere: the caller gets errors as values, and logs in its own form.
    ("log_to_stderr", "false"),
    ("err_to_stderr", "false"),
    ("log_to_syslog", "false"),
    ("err_to_syslog", "false"),
    ("log_to_graylog", "false"),
    ("err_to_graylog", "false"),
    ("log_to_journald", "false"),
    ("err_to_journald", "false"),
    ("log_to_file", "false"),
    ("log_file", ""),
    ("admin_socket", ""),
    // Memory: the ring of recent log entries, kept for a crash dump that has nowhere to go.
    ("log_max_recent", "1"),
    ("log_max_new", "10"),
    // Memory: each thread has a heap of its own, and one of each kind does some 10,000 operations per second.
    ("ms_async_op_threads", "1"),
    ("librados_thread_count", "1"),
];

/// The setting that must be "never", or a timed-out manager command corrupts memory (see the crate's
/// documentation).
const COMMAND_TIMEOUT: &str = "rados_mon_op_timeout";

impl Config {
    /// Gives all settings to a new handle that is not connected yet.
    pub(crate) fn apply(&self, api: &Api, cluster: rados_t) -> Result<(), Error> {
        let handle = Settings { api, cluster };
        if let Some(path) = &self.conf_file {
            handle.read_file(path)?;
        }
        for (option, value) in SETTINGS {
            handle.set_if_known(option, value)?;
        }
        let seconds = |timeout: Duration| timeout.as_secs().max(1).to_string();
        handle.set("client_mount_timeout", &seconds(self.connect_timeout))?;
        handle.set("rados_osd_op_timeout", &seconds(self.osd_timeout))?;
        handle.set(COMMAND_TIMEOUT, "0")?;
        if !handle.is_zero(COMMAND_TIMEOUT)? {
            return Err(Error::Setting(format!("{COMMAND_TIMEOUT} = 0")));
        }
        handle.set("mon_host", &self.monitors.resolve()?.to_string())?;
        handle.set_key(&self.key)
    }
}

/// The settings of a handle.
struct Settings<'a> {
    api: &'a Api,
    cluster: rados_t,
}

impl Settings<'_> {
    fn read_file(&self, path: &Path) -> Result<(), Error> {
        let file = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| Error::ZeroByte("path of the conf file"))?;
        // SAFETY: the handle is live and not connected.
        let code = unsafe { (self.api.rados_conf_read_file)(self.cluster, file.as_ptr()) };
        if code < 0 {
            return Err(Error::ConfFile {
                path: path.to_owned(),
                errno: code.saturating_abs(),
            });
        }
        Ok(())
    }

    fn set(&self, option: &str, value: &str) -> Result<(), Error> {
        self.set_raw(option, &c_string("setting", value)?)
    }

    fn set_raw(&self, option: &str, value: &CStr) -> Result<(), Error> {
        let name = c_string("name of a setting", option)?;
        // SAFETY: the handle is live and not connected; librados copies the strings.
        let code =
            unsafe { (self.api.rados_conf_set)(self.cluster, name.as_ptr(), value.as_ptr()) };
        check(&format!("rados_conf_set {option}"), code)?;
        Ok(())
    }

    /// Options come and go with the releases of Ceph.
    fn set_if_known(&self, option: &str, value: &str) -> Result<(), Error> {
        match self.set(option, value) {
            Err(error) if error.errno() == Some(2) => Ok(()),
            result => result,
        }
    }

    fn set_key(&self, key: &SecretString) -> Result<(), Error> {
        // All allocated at once, as growing would leave copies behind.
        let key = key.expose_secret();
        let mut bytes = Zeroizing::new(Vec::with_capacity(key.len() + 1));
        bytes.extend_from_slice(key.as_bytes());
        bytes.push(0);
        let key = CStr::from_bytes_with_nul(&bytes).map_err(|_| Error::ZeroByte("key"))?;
        self.set_raw("key", key)
    }

    fn is_zero(&self, option: &str) -> Result<bool, Error> {
        let name = c_string("name of a setting", option)?;
        let mut value = [0_u8; 64];
        let (start, length) = (value.as_mut_ptr().cast::<c_char>(), value.len());
        // SAFETY: the handle is live and the buffer is that long.
        let code = unsafe { (self.api.rados_conf_get)(self.cluster, name.as_ptr(), start, length) };
        check(&format!("rados_conf_get {option}"), code)?;
        let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
        let value = String::from_utf8_lossy(value).parse::<f64>();
        Ok(value.is_ok_and(|seconds| seconds == 0.0))
    }
}
