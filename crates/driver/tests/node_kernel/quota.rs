//! A volume's size: what df shows, what holds, and that it grows under a running pod.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use ceph::Subvolume;
use ceph::subvolume::{CreateOptions, Removal};

use super::lab::{Lab, runtime, setting};
use super::shallow::{connect, cx};

const SIZE: u64 = 32 << 20;

fn size(path: &Path) -> u64 {
    let stats = rustix::fs::statvfs(path).unwrap();
    stats.f_blocks * stats.f_frsize
}

/// Writes until the limit, at most `limit` bytes; how much could be written.
fn fill(path: &Path, limit: u64) -> (u64, Option<ErrorKind>) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).unwrap();
    let piece = vec![7_u8; 1 << 20];
    let mut written = 0;
    while written < limit {
        if let Err(error) = file.write_all(&piece) {
            return (written, Some(error.kind()));
        }
        written += 1 << 20;
    }
    (written, None)
}

#[test]
#[ignore = "needs a Ceph cluster and a kernel with CephFS: dev/test vm"]
fn the_size_is_shown_and_enforced_and_grows_under_a_pod() {
    runtime().block_on(async {
        let lab = Lab::without_volume("quota");
        let connection = connect().await;
        let subvolumes = connection.subvolumes();
        let subvolume = Subvolume {
            fs: setting("SPIRULA_TEST_FS"),
            group: setting("SPIRULA_TEST_GROUP"),
            name: "spirula-test-quota".to_owned(),
        };
        let options = CreateOptions {
            size: Some(SIZE),
            ..CreateOptions::default()
        };
        subvolumes
            .create(&cx(), &subvolume, &options)
            .await
            .unwrap();
        let path = subvolumes.path(&cx(), &subvolume).await.unwrap();

        let mut request = lab.stage_request();
        request.volume_context.insert("rootPath".to_owned(), path);
        lab.stage_with(request).await.unwrap();
        let target = lab.target("pod");
        lab.publish(&target).await.unwrap();
        assert_eq!(size(&target), SIZE);
        let stats = lab.stats(&target).await.unwrap();
        assert_eq!(u64::try_from(stats.usage[0].total), Ok(SIZE));

        let (written, end) = fill(&target.join("file"), 2 * SIZE);
        assert_eq!(end, Some(ErrorKind::QuotaExceeded));
        assert!(written >= SIZE / 2, "{written}");

        subvolumes
            .resize(&cx(), &subvolume, 3 * SIZE)
            .await
            .unwrap();
        let start = Instant::now();
        while size(&target) != 3 * SIZE {
            assert!(
                start.elapsed() < Duration::from_mins(3),
                "{}",
                size(&target)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(fill(&target.join("file"), 2 * SIZE), (2 * SIZE, None));

        lab.unpublish(&target).await.unwrap();
        lab.unstage().await.unwrap();
        lab.assert_clean().await;
        subvolumes
            .remove(&cx(), &subvolume, Removal::Force)
            .await
            .unwrap();
    });
}
