//! Identity: only Probe can fail, and only for what the driver itself needs.

use csi_proto::v1::identity_server::Identity as _;
use csi_proto::v1::{GetPluginCapabilitiesRequest, GetPluginInfoRequest, ProbeRequest};
use tonic::Code::{FailedPrecondition, Ok as Served};
use tonic::Request;

use crate::lab::Lab;
use crate::table::Report;

pub(crate) fn run(report: &mut Report) {
    // A config.json that is broken from the start; one that breaks later leaves the last good copy.
    let probe = |report: &mut Report, name: &str, lab: &Lab, message: &str| {
        report.one(
            &format!("Probe: {name}"),
            lab,
            FailedPrecondition,
            message,
            || {
                let answer = lab.run(lab.identity.probe(Request::new(ProbeRequest {})));
                answer.map(|_| String::new())
            },
        );
        report.one(
            &format!("GetPluginInfo: {name}"),
            lab,
            Served,
            "cephfs.csi.ceph.com",
            || {
                let request = Request::new(GetPluginInfoRequest {});
                lab.run(lab.identity.get_plugin_info(request))
                    .map(|info| info.name)
            },
        );
        report.one(
            &format!("GetPluginCapabilities: {name}"),
            lab,
            Served,
            "3",
            || {
                let request = Request::new(GetPluginCapabilitiesRequest {});
                let answer = lab.run(lab.identity.get_plugin_capabilities(request));
                answer.map(|answer| answer.capabilities.len().to_string())
            },
        );
    };
    probe(
        report,
        "no config.json",
        &Lab::without_config(),
        "not ready: config file `<dir>/config.json`: not found; mount the ConfigMap with key \
         `config.json` there, or name another file with --config-file",
    );
    probe(
        report,
        "broken config.json",
        &Lab::with_config("[{"),
        "not ready: config file `<dir>/config.json`: cannot be used: not valid JSON at line 1, column \
         2: EOF while parsing an object",
    );
}
