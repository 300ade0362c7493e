//! What metrics tell of the volumes of a node.

use csi_proto::v1::NodeGetVolumeStatsRequest;

use super::lab::{Lab, runtime};
use super::plugin::Plugin;
use super::prometheus::{address, scrape};

#[test]
#[ignore = "needs a Ceph cluster, root and /dev/fuse: dev/test fuse"]
fn metrics_tell_of_mounts_and_how_full_they_are() {
    runtime().block_on(async {
        let lab = Lab::new("metrics");
        let target = lab.target("pod");
        let flags = ["--metrics-listen=127.0.0.1:0"];
        let plugin = Plugin::start(lab.directory.path(), None, &flags);
        let address = address(|| plugin.log());
        let mounted = || scrape(&address).sum("spirula_node_volumes", &[("state", "mounted")]);
        assert_eq!(mounted(), Some(0.0));
        plugin.mount(&lab, &target).await;
        assert_eq!(mounted(), Some(1.0));

        // Nobody has asked how full it is, and a scrape does not.
        let volume = [("volume_id", lab.volume.as_str())];
        let used = || scrape(&address).sum("spirula_volume_used_bytes", &volume);
        assert_eq!(used(), None);
        let request = NodeGetVolumeStatsRequest {
            volume_id: lab.volume.clone(),
            volume_path: target.display().to_string(),
            ..NodeGetVolumeStatsRequest::default()
        };
        let mut node = plugin.node().await;
        let stats = node.node_get_volume_stats(request).await.unwrap();
        let stats = stats.into_inner().usage;
        let seen = scrape(&address);
        for (name, value) in [
            ("spirula_volume_capacity_bytes", stats[0].total),
            ("spirula_volume_used_bytes", stats[0].used),
            ("spirula_volume_inodes_used", stats[1].used),
        ] {
            let expected = i32::try_from(value >> 12).map(f64::from).ok();
            let seen = seen.sum(name, &volume).map(|seen| (seen / 4096.0).floor());
            assert_eq!(seen, expected, "{name}");
        }
        plugin.unmount(&lab, &target).await;
        assert_eq!((mounted(), used()), (Some(0.0), None));
        drop(plugin);
        lab.assert_clean().await;
    });
}
