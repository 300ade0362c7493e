//! Identity: nothing fails, and only Probe says when the driver lacks what it needs.

use csi_proto::v1::identity_server::Identity as _;
use csi_proto::v1::{GetPluginCapabilitiesRequest, GetPluginInfoRequest, ProbeRequest};
use tonic::Code::Ok as Served;
use tonic::Request;

use crate::lab::Lab;
use crate::table::Report;

pub(crate) fn run(report: &mut Report) {
    // A config.json that is broken from the start; one that breaks later leaves the last good copy.
    let probe = |report: &mut Report, name: &str, lab: &Lab| {
        report.one(
            &format!("Probe: {name}"),
            lab,
            Served,
            "ready: Some(false)",
            || {
                let answer = lab.run(lab.identity.probe(Request::new(ProbeRequest {})));
                answer.map(|answer| format!("ready: {:?}", answer.ready))
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
    probe(report, "no config.json", &Lab::without_config());
    probe(report, "broken config.json", &Lab::with_config("[{"));
}
