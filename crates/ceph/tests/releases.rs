//! What Ceph of each release answered once (`fixtures`, recorded by `dev/fixtures`) is understood.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use ceph::mgr::MgrVolumes;
use ceph::{
    CloneState, Clones, Cluster, Command, Context, ErrorKind, Lock, Object, Quiesce, QuiesceLimits,
    QuiesceSet, ReadAnswer, ReadOp, Result, Snapshot, Snapshots, Subvolume, Subvolumes, WriteOp,
};

/// Answers every command with what is in one file.
#[derive(Debug)]
struct Recorded(Vec<u8>);

#[async_trait]
impl Cluster for Recorded {
    async fn read(&self, _: &Context, _: &Object, _: ReadOp) -> Result<ReadAnswer> {
        unreachable!("no object is used")
    }
    async fn write(&self, _: &Context, _: &Object, _: WriteOp) -> Result<()> {
        unreachable!("no object is used")
    }
    async fn lock(&self, _: &Context, _: &Object, _: &Lock) -> Result<()> {
        unreachable!("no object is used")
    }
    async fn unlock(&self, _: &Context, _: &Object, _: &str, _: &str) -> Result<()> {
        unreachable!("no object is used")
    }
    async fn mon_command(&self, _: &Context, _: &Command) -> Result<Vec<u8>> {
        Ok(self.0.clone())
    }
    async fn mgr_command(&self, _: &Context, _: &Command) -> Result<Vec<u8>> {
        Ok(self.0.clone())
    }
    fn is_retired(&self) -> bool {
        false
    }
    fn was_refused(&self) -> bool {
        false
    }
    fn abandoned_calls(&self) -> usize {
        0
    }
}

/// The answers of one release.
struct Release(PathBuf);

impl Release {
    fn all() -> anyhow::Result<Vec<Self>> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let directories = std::fs::read_dir(&fixtures)?;
        let releases: std::result::Result<Vec<_>, _> = directories
            .map(|entry| entry.map(|entry| Self(entry.path())))
            .collect();
        let releases = releases?;
        ensure!(releases.len() >= 3, "{}: too few", fixtures.display());
        Ok(releases)
    }

    fn answering(&self, file: &str) -> anyhow::Result<Arc<dyn Cluster>> {
        let path = self.0.join(file);
        let answer = std::fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(Arc::new(Recorded(answer)))
    }

    fn subvolumes(&self, file: &str) -> anyhow::Result<Box<dyn Subvolumes>> {
        Ok(Box::new(MgrVolumes::new(self.answering(file)?)))
    }

    fn snapshots(&self, file: &str) -> anyhow::Result<Box<dyn Snapshots>> {
        Ok(Box::new(MgrVolumes::new(self.answering(file)?)))
    }

    fn quiesce(&self, file: &str) -> anyhow::Result<Box<dyn Quiesce>> {
        Ok(Box::new(MgrVolumes::new(self.answering(file)?)))
    }

    fn clones(&self, file: &str) -> anyhow::Result<Box<dyn Clones>> {
        Ok(Box::new(MgrVolumes::new(self.answering(file)?)))
    }
}

fn cx() -> Context {
    Context::with_timeout(Duration::from_secs(1))
}

const NAME: &str = "csi-vol-5f1c7e2a-4d0b-4a55-9f3e-0c1d2e3f4a5b";
const CLONE: &str = "csi-vol-00000000-0000-4000-8000-000000000100";
const SNAPSHOT: &str = "csi-snap-1d2c3b4a-5f6e-4788-99aa-bbccddeeff00";

fn at() -> Subvolume {
    Subvolume {
        fs: "k8scephfs".to_owned(),
        group: "csi".to_owned(),
        name: NAME.to_owned(),
    }
}

fn snapshot(name: &str) -> Snapshot {
    Snapshot {
        of: at(),
        name: name.to_owned(),
    }
}

#[tokio::test]
async fn file_systems() -> anyhow::Result<()> {
    for release in Release::all()? {
        let cluster = release.answering("fs_dump.json")?;
        let found = ceph::filesystem::list(&*cluster, &cx()).await?;
        assert_eq!(found.len(), 1);
        let fs = found.first().context("no file system")?;
        assert_eq!((fs.name.as_str(), fs.id), ("k8scephfs", 1));
        assert_eq!(fs.data_pools.len(), 1);
        assert!(!fs.data_pools.contains(&fs.metadata_pool), "{fs:?}");
    }
    Ok(())
}

#[tokio::test]
async fn subvolumes() -> anyhow::Result<()> {
    for release in Release::all()? {
        let path = release.subvolumes("subvolume_getpath.txt")?;
        let path = path.path(&cx(), &at()).await?;
        assert!(path.starts_with(&format!("/volumes/csi/{NAME}/")), "{path}");

        let info = release.subvolumes("subvolume_info.json")?;
        let info = info.info(&cx(), &at()).await?;
        assert_eq!(info.path, path);
        assert_eq!((info.quota, info.used), (Some(1 << 30), 0));
        assert_eq!(
            (info.state.as_str(), info.data_pool.as_str()),
            ("complete", "cephfs-data")
        );
        assert!(info.features.contains(&"snapshot-retention".to_owned()));

        let unlimited = release.subvolumes("subvolume_info_unlimited.json")?;
        assert_eq!(unlimited.info(&cx(), &at()).await?.quota, None);

        let retained = release.subvolumes("subvolume_info_retained.json")?;
        let retained = retained.info(&cx(), &at()).await?;
        assert_eq!(
            (retained.state.as_str(), retained.path.as_str()),
            ("snapshot-retained", "")
        );

        let list = release.subvolumes("subvolume_ls.json")?;
        assert_eq!(list.list(&cx(), "k8scephfs", "csi").await?, [NAME]);

        let metadata = release.subvolumes("subvolume_metadata_ls.json")?;
        let metadata = metadata.metadata(&cx(), &at()).await?;
        let expected = [
            ("csi.ceph.com/cluster/name", "west"),
            ("csi.storage.k8s.io/pvc/name", "data-0"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(metadata, expected.into());
    }
    Ok(())
}

#[tokio::test]
async fn snapshots() -> anyhow::Result<()> {
    let at = snapshot(SNAPSHOT);
    for release in Release::all()? {
        let idle = release.snapshots("snapshot_info.json")?;
        let idle = idle.info(&cx(), &at).await?;
        let made = jiff::Timestamp::try_from(idle.created_at)?;
        assert!(made > "2026-11-01T00:00:00Z".parse()?, "{made}");
        assert_eq!(idle.data_pool, "cephfs-data");
        assert!(!idle.has_pending_clones && idle.pending_clones.is_empty());

        let cloned = release.snapshots("snapshot_info_pending_clones.json")?;
        let cloned = cloned.info(&cx(), &at).await?;
        assert_eq!(cloned.created_at, idle.created_at);
        assert!(cloned.has_pending_clones);
        assert_eq!(cloned.pending_clones, [CLONE]);

        let list = release.snapshots("snapshot_ls.json")?;
        assert_eq!(list.list(&cx(), &at.of).await?, [SNAPSHOT]);

        let metadata = release.snapshots("snapshot_metadata_ls.json")?;
        let metadata = metadata.metadata(&cx(), &at).await?;
        let key = "csi.storage.k8s.io/volumesnapshot/name".to_owned();
        assert_eq!(metadata, [(key, "nightly".to_owned())].into());
    }
    Ok(())
}

#[tokio::test]
async fn clones() -> anyhow::Result<()> {
    for release in Release::all()? {
        for (file, state, source) in [
            ("pending", CloneState::Pending, Some(SNAPSHOT)),
            ("in_progress", CloneState::InProgress, Some(SNAPSHOT)),
            ("complete", CloneState::Complete, None),
            ("canceled", CloneState::Canceled, Some(SNAPSHOT)),
            (
                "failed",
                CloneState::Failed {
                    errno: Some(2),
                    text: "snapshot 'csi-snap-doomed' does not exist".to_owned(),
                },
                Some("csi-snap-doomed"),
            ),
        ] {
            let clone = release.clones(&format!("clone_status_{file}.json"))?;
            let status = clone.status(&cx(), &at()).await?;
            assert_eq!(status.state, state);
            assert_eq!(status.source, source.map(snapshot));
            let tells = file == "in_progress" && release.0.ends_with("20.2.4");
            assert_eq!(status.progress.is_some(), tells, "{:?}", status.progress);
        }
    }
    Ok(())
}

#[tokio::test]
async fn quiesce_sets() -> anyhow::Result<()> {
    let set = QuiesceSet {
        fs: "k8scephfs".to_owned(),
        name: "nightly".to_owned(),
    };
    let limits = QuiesceLimits {
        patience: Duration::from_secs(1),
        expiration: Duration::from_secs(1),
    };
    let release = Release(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/20.2.4"));
    let quiet = release.quiesce("quiesce_quiesced.json")?;
    let quiet = quiet.quiesce(&cx(), &set, &[at()], limits).await?;
    let released = release.quiesce("quiesce_released.json")?;
    released.release(&cx(), &set, quiet).await?;
    let canceled = release.quiesce("quiesce_canceled.json")?;
    canceled.cancel(&cx(), &set).await?;
    for other in ["quiescing", "expired", "canceled", "timed_out"] {
        let other = release.quiesce(&format!("quiesce_{other}.json"))?;
        let began = other.quiesce(&cx(), &set, &[at()], limits).await;
        assert_eq!(
            began.err().map(|error| error.kind),
            Some(ErrorKind::NotQuiet)
        );
        let ended = other.release(&cx(), &set, quiet).await;
        assert_eq!(
            ended.err().map(|error| error.kind),
            Some(ErrorKind::NotQuiet)
        );
    }
    Ok(())
}
