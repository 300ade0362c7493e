//! What the kubelet puts on the wire, spelled out by hand: the other side is not made from our proto file.

use csi_proto::registration::registration_server::{Registration, RegistrationServer};
use csi_proto::registration::{
    InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse,
};
use prost::Message as _;
use tonic::codegen::{Service as _, http};
use tonic::{Request, Response, Status, body::Body};

#[test]
fn fields_have_their_numbers() {
    let info = PluginInfo {
        r#type: "CSIPlugin".to_owned(),
        name: "d".to_owned(),
        endpoint: "/e".to_owned(),
        supported_versions: vec!["1.0.0".to_owned()],
    };
    assert_eq!(
        info.encode_to_vec(),
        b"\x0a\x09CSIPlugin\x12\x01d\x1a\x02/e\x22\x051.0.0"
    );
    let refused = RegistrationStatus::decode(&b"\x12\x03why"[..]).unwrap();
    assert!(!refused.plugin_registered);
    assert_eq!(refused.error, "why");
    let registered = RegistrationStatus::decode(&b"\x08\x01"[..]).unwrap();
    assert!(registered.plugin_registered);
    assert!(InfoRequest {}.encode_to_vec().is_empty());
    assert!(RegistrationStatusResponse {}.encode_to_vec().is_empty());
}

struct Plugin;

#[tonic::async_trait]
impl Registration for Plugin {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        Err(Status::data_loss("asked for the info"))
    }

    async fn notify_registration_status(
        &self,
        _: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        Err(Status::data_loss("told the status"))
    }
}

#[tokio::test]
async fn methods_have_their_paths() {
    for (path, message) in [
        ("GetInfo", "asked%20for%20the%20info"),
        ("NotifyRegistrationStatus", "told%20the%20status"),
    ] {
        let request = http::Request::post(format!("/pluginregistration.Registration/{path}"))
            // One message without compression, of no bytes.
            .body(Body::new("\0\0\0\0\0".to_owned()))
            .unwrap();
        let answer = RegistrationServer::new(Plugin).call(request).await.unwrap();
        let headers = answer.headers();
        assert_eq!(headers["grpc-message"].to_str().unwrap(), message);
    }
}
