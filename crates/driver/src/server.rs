//! The driver as a process: builds the services, listens, and ends in good order.

mod listen;

pub use listen::Error as ListenError;
pub(crate) use listen::listen_unix;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ceph::observe::Observed;
use ceph::rados::{self, Connector};
use ceph::{Connect, Pool};
use csi_proto::v1::controller_server::ControllerServer;
use csi_proto::v1::group_controller_server::GroupControllerServer;
use csi_proto::v1::identity_server::IdentityServer;
use csi_proto::v1::node_server::NodeServer;
use futures::TryFutureExt as _;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::backend::Backend;
use crate::ceph_conf::{self, CephConf};
use crate::cli::{
    CommonSettings, ControllerSettings, DriverSettings, LivenessSettings, NodeSettings,
    RegistrationSettings,
};
use crate::config::Config;
use crate::controller::{self, Controller};
use crate::events::Events;
use crate::identity;
use crate::kubernetes::Api;
use crate::liveness;
use crate::metrics::{self, CephCalls, Metrics};
use crate::mount::{Fuse, Kernel, Linux, Mounter, Witness};
use crate::node::{self, Labels, Node, Records, Recovery, topology};
use crate::own_credentials::OwnCredentials;
use crate::registrar::{self, Registrar};
use crate::rpc::{Frame, Limits};

/// The driver cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its socket cannot be had.
    #[error(transparent)]
    Listen(#[from] listen::Error),
    /// The transport failed.
    #[error("serving on {endpoint} failed")]
    Transport {
        /// Where.
        endpoint: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The kubelet cannot be told of it.
    #[error(transparent)]
    Register(#[from] registrar::Error),
    /// Its liveness cannot be shown.
    #[error(transparent)]
    Liveness(#[from] liveness::Error),
    /// Its metrics cannot be shown.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    /// It is not known where the node is.
    #[error("cannot tell the node's topology (--domainlabels)")]
    Topology(#[from] topology::Error),
}

/// Serves until `shutdown` is cancelled, then lets running requests end, and pending metadata be set,
/// for the grace period. A service that is not asked for answers UNIMPLEMENTED.
///
/// # Errors
/// [`Error`].
pub async fn serve(settings: DriverSettings, shutdown: CancellationToken) -> Result<(), Error> {
    let DriverSettings {
        common,
        controller,
        node,
        registration,
        liveness,
    } = settings;
    let conf = Arc::new(CephConf::new(ceph_conf::DEFAULT_DIR));
    let calls = CephCalls::default();
    let connect = make_connector(&conf, &calls);
    let backend = Arc::new(make_backend(&common, &connect));
    let limits = Limits {
        longest: common.rpc_timeout,
        slow: common.slow_op_interval,
    };
    let frame = Arc::new(Frame::new(limits));

    let controller =
        controller.map(|settings| Arc::new(make_controller(settings, &common, &backend)));
    let identity = identity::Service::new(
        &common.driver_name,
        Arc::clone(&backend),
        Arc::clone(&frame),
    );
    let controllers = controller
        .as_ref()
        .map(|controller| controller_services(controller, &frame));
    let (controller_service, group_service) = controllers.unzip();
    let node = match node {
        Some(settings) => Some(make_node(settings, &common, backend, conf, connect).await?),
        None => None,
    };
    let metrics = make_metrics(&calls, &frame, node.as_ref());
    let node_service = node.map(|node| node_service(node, &frame, &shutdown));
    let router = Server::builder()
        .add_service(IdentityServer::new(identity))
        .add_optional_service(controller_service)
        .add_optional_service(group_service)
        .add_optional_service(node_service);

    let listener = listen::listen(&common.endpoint).await?;
    tracing::info!("listening on {}", common.endpoint);
    let transport = |source| Error::Transport {
        endpoint: common.endpoint.to_string(),
        source,
    };
    let ended = CancellationToken::new();
    let serving = listener.serve(router, shutdown.clone(), ended.cancelled());
    let ending = async {
        shutdown.cancelled().await;
        end(&frame, controller.as_deref(), common.shutdown_grace).await;
        ended.cancel();
        Ok(())
    };
    let beside = beside(&common.driver_name, registration, liveness, &shutdown);
    let showing = show(metrics, common.metrics_listen.as_deref(), &shutdown);
    tokio::try_join!(serving.map_err(transport), ending, beside, showing)?;
    Ok(())
}

fn make_connector(conf: &CephConf, calls: &CephCalls) -> Arc<dyn Connect> {
    let connector = Connector::new(rados::Settings {
        // Administrators put settings of their own into it: it counts where it is present.
        conf_file: conf.existing(),
        ..rados::Settings::default()
    });
    Arc::new(Observed::new(Arc::new(connector), Arc::new(calls.clone())))
}

fn make_backend(common: &CommonSettings, connect: &Arc<dyn Connect>) -> Backend {
    let config = Arc::new(Config::open(&common.config_file, &common.rados_namespace));
    Backend::new(config, Pool::new(Arc::clone(connect)), &common.instance_id)
}

fn make_metrics(calls: &CephCalls, frame: &Arc<Frame>, node: Option<&Arc<Node>>) -> Metrics {
    let metrics = Metrics::new().with_ceph(calls).with_requests(frame);
    match node {
        Some(node) => metrics.with_volumes(node),
        None => metrics,
    }
}

/// What sidecars do otherwise, in this process where it is asked for.
async fn beside(
    driver_name: &str,
    registration: Option<RegistrationSettings>,
    liveness: Option<LivenessSettings>,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let registration = async {
        if let Some(settings) = registration {
            let registrar = Registrar::new(driver_name, &settings);
            registrar.serve(shutdown.clone()).await?;
        }
        Ok::<_, Error>(())
    };
    let liveness = async {
        if let Some(settings) = liveness {
            liveness::run(settings, shutdown.clone()).await?;
        }
        Ok(())
    };
    tokio::try_join!(registration, liveness)?;
    Ok(())
}

/// Shows `metrics` on `address`, if there is one.
async fn show(
    metrics: Metrics,
    address: Option<&str>,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    if let Some(address) = address {
        metrics.serve(address, shutdown.clone()).await?;
    }
    Ok(())
}

/// Both services that a controller serves.
fn controller_services(
    controller: &Arc<Controller>,
    frame: &Arc<Frame>,
) -> (
    ControllerServer<controller::Service>,
    GroupControllerServer<controller::GroupService>,
) {
    let service = controller::Service::new(Arc::clone(controller), Arc::clone(frame));
    let groups = controller::GroupService::new(Arc::clone(controller), Arc::clone(frame));
    (
        ControllerServer::new(service),
        GroupControllerServer::new(groups),
    )
}

fn make_controller(
    settings: ControllerSettings,
    common: &CommonSettings,
    backend: &Arc<Backend>,
) -> Controller {
    let api = common.kubernetes.clone().map(Api::new);
    let own = OwnCredentials::new(settings.secrets_dir, api);
    let settings = controller::Settings {
        set_metadata: settings.set_metadata,
        cluster_name: settings.cluster_name,
    };
    let controller = Controller::new(Arc::clone(backend), settings);
    controller
        .with_own_credentials(own)
        .with_events(events(common))
}

/// Where users are told what happened to their volumes: nowhere outside of Kubernetes.
fn events(common: &CommonSettings) -> Events {
    let api = common.kubernetes.clone().map(Api::new);
    api.map_or_else(Events::default, |api| {
        Events::start(api, &common.driver_name, &common.node_id)
    })
}

async fn make_node(
    settings: NodeSettings,
    common: &CommonSettings,
    backend: Arc<Backend>,
    conf: Arc<CephConf>,
    connect: Arc<dyn Connect>,
) -> Result<Arc<Node>, Error> {
    // Two drivers on one node, of different names or sockets, keep apart.
    let name = format!("spirula {} {}", common.driver_name, common.endpoint);
    let records = Records::in_keyring(name.clone());
    let recovery = Recovery::new(records, settings.heal_running_pods);
    let witness = Witness::new(connect);
    let fuse = Fuse::new(settings.fuse_binary, conf)
        .owned_by(name)
        .with_witness(witness.clone())
        .with_cgroups(settings.fuse_cgroups);
    // The preferred one first, as in the original.
    let mounters: Vec<Box<dyn Mounter>> = vec![
        Box::new(Kernel::new(settings.force_kernel_client).with_witness(witness)),
        Box::new(fuse),
    ];
    let labels = Labels::new(&common.node_id, common.kubernetes.clone().map(Api::new));
    let topology = topology::find(&labels, &settings.domain_labels, &common.driver_name).await?;
    let settings = node::Settings {
        node_id: common.node_id.clone(),
        fuse_mount_options: settings.fuse_mount_options.unwrap_or_default(),
        kernel_mount_options: settings.kernel_mount_options.unwrap_or_default(),
        volume_mount_group: settings.volume_mount_group,
        topology,
        crush_location_labels: settings.crush_location_labels,
        mountinfo_dir: settings.mountinfo_dir,
    };
    let mounts = Arc::new(Linux::new(mounters));
    let node = Node::new(settings, backend, mounts).with_labels(labels);
    let node = node.with_events(events(common));
    Ok(Arc::new(node.with_recovery(recovery)))
}

/// The node's service, and what looks after its volumes until `shutdown`.
fn node_service(
    node: Arc<Node>,
    frame: &Arc<Frame>,
    shutdown: &CancellationToken,
) -> NodeServer<node::Service> {
    let watch = node::watch(Arc::clone(&node), Arc::clone(frame), shutdown.clone());
    tokio::spawn(watch);
    NodeServer::new(node::Service::new(node, Arc::clone(frame)))
}

/// Lets what runs end, and the metadata that is pending be set, at most for `grace`.
async fn end(frame: &Frame, controller: Option<&Controller>, grace: Duration) {
    let deadline = Instant::now() + grace;
    for left in frame.drain(grace).await {
        tracing::warn!("left behind: {left}; a repeat of the request goes on where it stopped");
    }
    if let Some(controller) = controller {
        controller
            .drain(deadline.saturating_duration_since(Instant::now()))
            .await;
    }
}
