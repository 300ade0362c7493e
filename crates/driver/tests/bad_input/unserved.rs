//! RPCs that this driver does not serve.

use csi_proto::v1 as csi;
use csi_proto::v1::controller_server::Controller as _;
use tonic::Code::Unimplemented;
use tonic::Request;

use crate::lab::Lab;
use crate::table::Report;

/// `unserved!(report, rpc: Request, ...)`: each RPC of the controller is refused.
macro_rules! unserved {
    ($report:ident, $($rpc:ident: $request:ident,)*) => {$(
        let lab = Lab::with_volume();
        let request = Request::new(csi::$request::default());
        let name = concat!("unserved: ", stringify!($rpc));
        let message = "Not yet implemented";
        $report.one(name, &lab, Unimplemented, message, || {
            lab.run(lab.controller.$rpc(request)).map(|_| String::new())
        });
    )*};
}

pub(crate) fn run(report: &mut Report) {
    unserved!(
        report,
        controller_publish_volume: ControllerPublishVolumeRequest,
        controller_unpublish_volume: ControllerUnpublishVolumeRequest,
        controller_modify_volume: ControllerModifyVolumeRequest,
    );
}
