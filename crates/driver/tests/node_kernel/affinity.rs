//! Topology and read affinity, from the labels that Kubernetes has for the node to the options in the kernel.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use csi_proto::v1::node_client::NodeClient;
use csi_proto::v1::{NodeGetInfoRequest, NodeUnstageVolumeRequest};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::driver::Driver;
use super::lab::{Lab, mount_line, runtime, setting};

const NODE: &str = r#"{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "node-1", "labels": {
    "kubernetes.io/hostname": "node-1.example.com", "topology.kubernetes.io/region": "north",
    "topology.kubernetes.io/zone": "north-2", "color": "blue"}}}"#;

/// Labels of a broader place come first in what is asked for, and not in what Kubernetes has.
const WANTED: &str =
    "topology.kubernetes.io/region,topology.kubernetes.io/zone,kubernetes.io/hostname";

/// An API of Kubernetes that knows one node, and the kubeconfig to ask it by.
async fn kubernetes(kubeconfig: &Path) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ca = kubeconfig.with_extension("crt");
    let text = STANDARD.encode(certificate.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    std::fs::write(&ca, pem).unwrap();
    std::fs::write(kubeconfig, config(listener.local_addr().unwrap(), &ca)).unwrap();

    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap().into());
            }
            let is_known = request.starts_with("GET /api/v1/nodes/node-1 ");
            let status = if is_known { 200 } else { 404 };
            let length = NODE.len();
            let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: {length}\r\n\r\n{NODE}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
}

fn config(server: SocketAddr, ca: &Path) -> String {
    let ca = ca.display();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: this\n\
         contexts: [{{name: this, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'https://{server}', certificate-authority: {ca}}}}}]\n\
         users: [{{name: u, user: {{token: a-token}}}}]\n"
    )
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn labels_of_the_node_become_its_topology_and_the_place_that_the_kernel_reads_from() {
    runtime().block_on(async {
        let lab = Lab::new("affinity");
        let kubeconfig = lab.directory.path().join("kubeconfig");
        kubernetes(&kubeconfig).await;
        let monitors = setting("SPIRULA_TEST_MONITORS");
        let config = format!(
            r#"[{{"clusterID": "lab", "monitors": ["{monitors}"], "readAffinity": {{"enabled": true}}}}]"#
        );
        let labels = format!("--crush-location-labels={WANTED}");
        let flags = [
            "--nodeserver",
            "--enable-read-affinity",
            &labels,
            "--domainlabels=topology.kubernetes.io/region,topology.kubernetes.io/zone",
        ];
        let environment = [("KUBERNETES_CONFIG_PATH", kubeconfig.as_os_str())];
        let directory = tempfile::tempdir().unwrap();
        let driver = Driver::start_with(directory, &config, &flags, &environment);
        let mut node = NodeClient::new(driver.channel().await);

        let info = node.node_get_info(NodeGetInfoRequest::default()).await;
        let topology = info.unwrap().into_inner().accessible_topology.unwrap();
        let segments: Vec<_> = topology.segments.into_iter().collect();
        let expected = [("region", "north"), ("zone", "north-2")];
        let expected = expected.map(|(domain, value)| {
            let key = format!("topology.cephfs.csi.ceph.com/{domain}");
            (key, value.to_owned())
        });
        assert_eq!(segments, expected);

        for _ in 0..2 {
            node.node_stage_volume(lab.stage_request()).await.unwrap();
        }
        let line = mount_line(&lab.staging);
        // The kernel has an order of its own.
        let location = "crush_location=host:node-1-example-com|region:north|zone:north-2,";
        for option in ["read_from_replica=localize", location] {
            assert!(line.contains(option), "{option}: {line}");
        }
        let unstage = NodeUnstageVolumeRequest {
            volume_id: lab.volume.clone(),
            staging_target_path: lab.staging.display().to_string(),
        };
        node.node_unstage_volume(unstage).await.unwrap();
        driver.terminate();
        lab.assert_clean().await;
    });
}
