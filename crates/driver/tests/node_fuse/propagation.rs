//! What the driver mounts, as the node sees it.

use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};

use super::lab::{Lab, mount_line, runtime, unmount};
use super::plugin::Plugin;

#[test]
#[ignore = "needs a Ceph cluster and root, to mount: dev/test fuse vm"]
fn what_is_read_only_for_a_pod_is_so_in_the_node_s_namespace() {
    runtime().block_on(async {
        let lab = Lab::new("propagated");
        // As the kubelet's directory, which the driver's container has with `Bidirectional`.
        let shared = lab.directory.path().canonicalize().unwrap();
        mount_bind(&shared, &shared).unwrap();
        mount_change(&shared, MountPropagationFlags::SHARED).unwrap();
        let container = ["unshare", "--mount", "--propagation=unchanged"];
        let plugin = Plugin::start_by(&container, lab.directory.path(), None, &[]);
        let (pod, reader) = (lab.target("pod"), lab.target("reader"));
        plugin.mount(&lab, &pod).await;
        let mut request = lab.publish_request(&reader);
        request.readonly = true;
        let mut node = plugin.node().await;
        node.node_publish_volume(request.clone()).await.unwrap();
        let (writable, read_only) = (mount_line(&pod), mount_line(&reader));
        assert!(writable.contains(" rw,"), "{writable}");
        assert!(read_only.contains(crate::READ_ONLY), "{read_only}");
        std::fs::write(pod.join("file"), "content").unwrap();
        std::fs::write(reader.join("file"), "other").unwrap_err();
        // The driver takes it for what it is.
        node.node_publish_volume(request).await.unwrap();
        lab.unpublish(&reader).await.unwrap();
        plugin.unmount(&lab, &pod).await;
        drop(plugin);
        unmount(&shared);
        lab.assert_clean().await;
    });
}
