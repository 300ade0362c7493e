//! A node whose volumes say where they are has no use for librados, and does not load it.

use csi_proto::v1::NodeGetVolumeStatsRequest;

use super::lab::{Lab, runtime};
use super::plugin::Plugin;

/// A volume that this driver could have made.
const VOLUME: &str = "0001-0003-lab-0000000000000001-9fb26d98-3a5c-4f4c-a9a6-b6a5ce0ac5f7";

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
fn the_library_is_loaded_only_to_ask_where_a_volume_is() {
    runtime().block_on(async {
        let mut lab = Lab::new("library");
        lab.volume = VOLUME.to_owned();
        let target = lab.target("pod");
        let plugin = Plugin::start(lab.directory.path(), None, &[]);
        let mut node = plugin.node().await;
        let mut stage = lab.stage_request();
        let context = &mut stage.volume_context;
        context.remove("staticVolume");
        let path = context.remove("rootPath").unwrap();
        let subvolume = path.rsplit('/').next().unwrap().to_owned();
        context.insert("subvolumeName".to_owned(), subvolume);
        context.insert("subvolumePath".to_owned(), path);
        node.node_stage_volume(stage.clone()).await.unwrap();
        node.node_publish_volume(lab.publish_request(&target))
            .await
            .unwrap();
        std::fs::write(target.join("file"), "content").unwrap();
        let stats = NodeGetVolumeStatsRequest {
            volume_id: lab.volume.clone(),
            volume_path: target.display().to_string(),
            ..NodeGetVolumeStatsRequest::default()
        };
        node.node_get_volume_stats(stats).await.unwrap();
        plugin.unmount(&lab, &target).await;
        assert!(!plugin.maps().contains("librados"), "{}", plugin.maps());

        // What would show it.
        stage.volume_context.remove("subvolumePath");
        node.node_stage_volume(stage).await.unwrap_err();
        assert!(plugin.maps().contains("librados"));
        drop(plugin);
        lab.assert_clean().await;
    });
}
