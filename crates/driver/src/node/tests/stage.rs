use super::*;
use crate::mount::memory::Health;

#[tokio::test]
async fn a_volume_lives_its_life_and_leaves_nothing() {
    let lab = Lab::new();
    let before = lab.mounts.remains();
    for _ in 0..2 {
        lab.stage(&stage_request()).await.unwrap();
    }
    assert_eq!(lab.mounts.mounted(), [STAGING]);
    for _ in 0..2 {
        lab.publish(&publish_request(TARGET)).await.unwrap();
    }
    assert_eq!(lab.mounts.mounted(), [STAGING, TARGET]);
    for _ in 0..2 {
        lab.unpublish(TARGET).await.unwrap();
    }
    for _ in 0..2 {
        lab.unstage().await.unwrap();
    }
    assert_eq!(lab.mounts.remains(), before);
}

#[tokio::test]
async fn the_request_and_the_configuration_decide_what_is_mounted() {
    let lab = Lab::new();
    let mut request = stage_request();
    request
        .volume_context
        .insert("fuseMountOptions".to_owned(), "big_writes".to_owned());
    let reader = capability(Mode::MultiNodeReaderOnly);
    request.volume_capability = Some(with_flags(reader, &["noatime", "debug"]));
    let request = crate::request::StageVolume::parse(&request).unwrap();
    let fs = lab.node.ceph_fs(&cx(), &request).await.unwrap();
    assert_eq!(fs.monitors, "192.0.2.1:6789,192.0.2.2");
    assert_eq!(fs.name.as_deref(), Some("cephfs"));
    assert_eq!(fs.root, format!("/volumes/csi/csi-vol-{UUID}/{UUID}"));
    assert_eq!(fs.user, "node");
    assert_eq!(fs.fuse_options.to_string(), "big_writes,debug,noatime,ro");
    assert!(!format!("{fs:?}").contains(KEY));
}

/// The kernel client's options for a volume of `cluster`, on a node with `labels`.
async fn kernel_options(labels: Labels, cluster: &str, mounter: &str) -> String {
    let mut lab = Lab::new();
    lab.node = Arc::new(Arc::try_unwrap(lab.node).unwrap().with_labels(labels));
    kernel_options_on(&lab.node, cluster, mounter).await
}

async fn kernel_options_on(node: &Node, cluster: &str, mounter: &str) -> String {
    let mut request = stage_request();
    let length = cluster.len();
    request.volume_id = format!("0001-{length:04x}-{cluster}-0000000000000001-{UUID}");
    let own = [("kernelMountOptions", "nosuid"), ("mounter", mounter)];
    request.volume_context.extend(map(own));
    let reader = capability(Mode::MultiNodeReaderOnly);
    request.volume_capability = Some(with_flags(reader, &["noatime", "wsize=65536"]));
    let request = crate::request::StageVolume::parse(&request).unwrap();
    let fs = node.ceph_fs(&cx(), &request).await.unwrap();
    fs.kernel_options.to_string()
}

#[tokio::test]
async fn read_affinity_comes_between_the_options_of_the_cluster_and_of_the_volume() {
    let labels = || {
        Labels::known(&[
            ("kubernetes.io/hostname", "n.1"),
            ("a/zone", "z1"),
            ("rack", "r1"),
        ])
    };
    assert_eq!(
        kernel_options(labels(), "near", "kernel").await,
        "nosuid,ms_mode=crc,noatime,read_from_replica=localize,crush_location=zone:z1|host:n-1,\
         wsize=65536,ro"
    );
    assert_eq!(
        kernel_options(labels(), "flag", "kernel").await,
        "nosuid,from_flag,read_from_replica=localize,crush_location=rack:r1,noatime,wsize=65536,ro"
    );
}

#[tokio::test]
async fn without_read_affinity_a_volume_is_mounted_all_the_same() {
    let far = "nosuid,from_flag,noatime,wsize=65536,ro";
    let labels = || Labels::known(&[("rack", "r1")]);
    let outside = Labels::new("node-1", None);
    for (labels, mounter) in [
        (labels(), "fuse"),
        (outside, "kernel"),
        (Labels::known(&[]), "kernel"),
    ] {
        assert_eq!(kernel_options(labels, "flag", mounter).await, far);
    }
}

#[test]
fn labels_that_config_json_does_not_ask_for_are_told_once() {
    use crate::logging::{Format, tests as log};
    let stage = |cluster: &'static str, mounter: &'static str| {
        log::lines(&log::settings(0, Format::Klog), || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let lab = Lab::new();
                for _ in 0..2 {
                    let options = kernel_options_on(&lab.node, cluster, mounter).await;
                    assert!(!options.contains("crush_location"), "{options}");
                }
            });
        })
    };
    let found = stage("lab", "kernel");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        log::message(&found[0]),
        "--enable-read-affinity has no effect on volumes of cluster `lab`, which read from any OSD: its entry in \
         config.json lacks `\"readAffinity\": {\"enabled\": true}`"
    );
    assert!(stage("lab", "fuse").is_empty());
}

#[tokio::test]
async fn a_context_with_the_path_needs_no_cluster() {
    let lab = Lab::new();
    lab.cluster.remove_filesystem("cephfs");
    lab.stage(&stage_request()).await.unwrap();
}

#[tokio::test]
async fn without_a_path_in_the_context_the_cluster_is_asked() {
    let lab = Lab::new();
    let mut request = stage_request();
    request.volume_context.remove("subvolumePath");
    assert_code(
        lab.stage(&request).await,
        Code::NotFound,
        "subvolume is gone",
    );

    let connection = lab
        .node
        .backend
        .open_named(&cx(), "lab", "cephfs", &credentials())
        .await;
    let subvolumes = connection.unwrap().subvolumes;
    let options = ceph::subvolume::CreateOptions::default();
    subvolumes
        .create(&cx(), &subvolume(), &options)
        .await
        .unwrap();
    let expected = subvolumes.path(&cx(), &subvolume()).await.unwrap();
    let parsed = crate::request::StageVolume::parse(&request).unwrap();
    assert_eq!(
        lab.node.ceph_fs(&cx(), &parsed).await.unwrap().root,
        expected
    );
    lab.stage(&request).await.unwrap();
}

fn credentials() -> crate::credentials::Credentials {
    crate::credentials::Credentials::from_secrets(&stage_request().secrets).unwrap()
}

#[tokio::test]
async fn an_unknown_cluster_is_named() {
    let lab = Lab::new();
    let mut request = stage_request();
    request.volume_id = request.volume_id.replace("-lab-", "-xyz-");
    assert_code(
        lab.stage(&request).await,
        Code::FailedPrecondition,
        "it has: lab",
    );
}

#[tokio::test]
async fn the_staging_directory_must_be_there() {
    let lab = Lab::new();
    for path in ["/plugins/driver/hash/absent", "/absent/globalmount"] {
        let mut request = stage_request();
        request.staging_target_path = path.to_owned();
        assert_code(lab.stage(&request).await, Code::InvalidArgument, path);
    }
}

#[tokio::test]
async fn foreign_mounts_are_left_alone() {
    let lab = Lab::new();
    lab.mounts.mount_foreign(STAGING);
    let staged = lab.stage(&stage_request()).await;
    assert_code(staged, Code::FailedPrecondition, "tmpfs (`memory`)");
    assert_eq!(lab.mounts.mounted(), [STAGING]);
}

#[tokio::test]
async fn another_volume_at_the_staging_path_is_told_from_this_one() {
    let lab = Lab::new();
    lab.stage(&stage_request()).await.unwrap();
    let mut other = stage_request();
    let path = other.volume_context.get_mut("subvolumePath").unwrap();
    path.push_str("-other");
    let staged = lab.stage(&other).await;
    assert_code(staged, Code::FailedPrecondition, "-other");
}

#[tokio::test]
async fn read_only_and_writable_are_incompatible() {
    let lab = Lab::new();
    let mut reader = stage_request();
    reader.volume_capability = Some(capability(Mode::MultiNodeReaderOnly));
    lab.stage(&reader).await.unwrap();
    lab.stage(&reader).await.unwrap();
    assert_eq!(lab.mounts.mounted(), [format!("{STAGING} (ro)")]);
    let staged = lab.stage(&stage_request()).await;
    assert_code(
        staged,
        Code::AlreadyExists,
        "read-only, and is now wanted writable",
    );
}

#[tokio::test]
async fn a_dead_mount_is_replaced() {
    let lab = Lab::new();
    lab.stage(&stage_request()).await.unwrap();
    lab.mounts.set_health(STAGING, Health::Dead);
    lab.stage(&stage_request()).await.unwrap();
    assert_eq!(lab.mounts.mounted(), [STAGING]);
    let stats = lab.stats(STAGING).await.unwrap();
    assert!(!stats.volume_condition.unwrap().abnormal);
}

#[tokio::test]
async fn a_hanging_mount_is_no_success() {
    let lab = Lab::new();
    lab.stage(&stage_request()).await.unwrap();
    lab.mounts.set_health(STAGING, Health::Hanging);
    let staged = lab.stage(&stage_request()).await;
    assert_code(staged, Code::DeadlineExceeded, STAGING);
    assert_eq!(lab.mounts.mounted(), [STAGING]);
    lab.unstage().await.unwrap();
}

#[tokio::test]
async fn all_that_is_stacked_at_the_staging_path_goes() {
    let lab = Lab::new();
    lab.mounts.mount_foreign(STAGING);
    lab.mounts.mount_foreign(STAGING);
    lab.unstage().await.unwrap();
    assert_eq!(lab.mounts.mounted(), Vec::<String>::new());
}
