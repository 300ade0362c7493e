//! A volume as a pod has it: staged, published, used, and taken away again.

use std::path::{Path, PathBuf};

use csi_proto::v1 as csi;
use csi_proto::v1::node_client::NodeClient;
use tonic::Request;

use crate::client::{Client, Volume};
use crate::lab::{Mode, capability};

/// Where the volume of one client is mounted.
pub(crate) struct Places {
    staging: PathBuf,
    pod: PathBuf,
}

impl Places {
    pub(crate) fn new(mounts: &Path, client: u64) -> Self {
        let staging = mounts.join(format!("staging-{client}"));
        std::fs::create_dir_all(&staging).unwrap();
        let pod = mounts.join(format!("pod-{client}"));
        Self { staging, pod }
    }
}

impl Client {
    /// Mounts a volume, lets `work` do something in it, and unmounts it.
    pub(crate) async fn mounted<T: Send + 'static>(
        &mut self,
        volume: &Volume,
        work: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> T {
        self.stage(volume).await;
        self.publish(volume).await;
        let root = self.places.pod.clone();
        // It may take as long as a daemon of Ceph is stopped.
        let done = tokio::task::spawn_blocking(move || work(&root));
        let done = done.await.unwrap();
        self.statistics(volume).await;
        self.unpublish(volume).await;
        self.unstage(volume).await;
        done
    }

    async fn stage(&self, volume: &Volume) {
        let request = csi::NodeStageVolumeRequest {
            volume_id: volume.id().to_owned(),
            staging_target_path: self.places.staging.display().to_string(),
            volume_capability: Some(capability(mode(volume))),
            secrets: self.lab.secrets(),
            volume_context: volume.csi.volume_context.clone(),
            ..Default::default()
        };
        let call = async |request: Request<_>| self.node().node_stage_volume(request).await;
        self.report.served("NodeStageVolume", request, call).await;
    }

    async fn publish(&self, volume: &Volume) {
        let request = csi::NodePublishVolumeRequest {
            volume_id: volume.id().to_owned(),
            staging_target_path: self.places.staging.display().to_string(),
            target_path: self.places.pod.display().to_string(),
            volume_capability: Some(capability(mode(volume))),
            volume_context: volume.csi.volume_context.clone(),
            ..Default::default()
        };
        let call = async |request: Request<_>| self.node().node_publish_volume(request).await;
        self.report.served("NodePublishVolume", request, call).await;
    }

    async fn statistics(&self, volume: &Volume) {
        let request = csi::NodeGetVolumeStatsRequest {
            volume_id: volume.id().to_owned(),
            volume_path: self.places.pod.display().to_string(),
            ..Default::default()
        };
        let call = async |request: Request<_>| self.node().node_get_volume_stats(request).await;
        self.report
            .served("NodeGetVolumeStats", request, call)
            .await;
    }

    async fn unpublish(&self, volume: &Volume) {
        let request = csi::NodeUnpublishVolumeRequest {
            volume_id: volume.id().to_owned(),
            target_path: self.places.pod.display().to_string(),
        };
        let call = async |request: Request<_>| self.node().node_unpublish_volume(request).await;
        self.report
            .served("NodeUnpublishVolume", request, call)
            .await;
        assert!(!self.places.pod.exists());
    }

    async fn unstage(&self, volume: &Volume) {
        let request = csi::NodeUnstageVolumeRequest {
            volume_id: volume.id().to_owned(),
            staging_target_path: self.places.staging.display().to_string(),
        };
        let call = async |request: Request<_>| self.node().node_unstage_volume(request).await;
        self.report.served("NodeUnstageVolume", request, call).await;
    }

    fn node(&self) -> NodeClient<tonic::transport::Channel> {
        NodeClient::new(self.channel.clone())
    }
}

fn mode(volume: &Volume) -> Mode {
    if volume.read_only {
        Mode::MultiNodeReaderOnly
    } else {
        Mode::MultiNodeMultiWriter
    }
}
