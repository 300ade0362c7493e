//! The cluster under test, seen from outside of the driver: with Ceph's own commands.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, MountVolume};
use csi_proto::v1::{self as csi, VolumeCapability};

/// What `dev/ceph env` says.
pub(crate) struct Lab {
    pub(crate) directory: String,
    pub(crate) monitors: String,
    pub(crate) fs: String,
    pub(crate) group: String,
    pub(crate) metadata_pool: String,
    pub(crate) user: String,
    pub(crate) key: String,
}

pub(crate) const CLUSTER_ID: &str = "real";

impl Lab {
    pub(crate) fn new() -> Self {
        let setting = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see dev/ceph"))
        };
        let key = std::fs::read_to_string(setting("SPIRULA_TEST_KEYFILE")).unwrap();
        let lab = Self {
            directory: setting("SPIRULA_TEST_CEPH_DIR"),
            monitors: setting("SPIRULA_TEST_MONITORS"),
            fs: setting("SPIRULA_TEST_FS"),
            group: setting("SPIRULA_TEST_GROUP"),
            metadata_pool: setting("SPIRULA_TEST_METADATA_POOL"),
            user: setting("SPIRULA_TEST_USER"),
            key: key.trim().to_owned(),
        };
        // Briefly, as this is said of each test after the one that failed.
        let left = lab.left_in_journal().len();
        assert_eq!(left, 0, "an earlier test left so many journal objects");
        lab.expect_no_subvolume("before the test");
        lab
    }

    /// The driver's config.json for this cluster.
    pub(crate) fn config(&self) -> String {
        let Self {
            monitors, group, ..
        } = self;
        format!(
            r#"[{{"clusterID": "{CLUSTER_ID}", "monitors": ["{monitors}"],
                 "cephFS": {{"subvolumeGroup": "{group}"}}}}]"#
        )
    }

    pub(crate) fn secrets(&self) -> BTreeMap<String, String> {
        let secrets = [("userID", &self.user), ("userKey", &self.key)];
        secrets
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .into()
    }

    /// Makes a directory for `--controller-secrets-dir`.
    pub(crate) fn write_credentials(&self, directory: &Path) {
        let directory = directory.join(CLUSTER_ID);
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("userID"), &self.user).unwrap();
        std::fs::write(directory.join("userKey"), &self.key).unwrap();
    }

    pub(crate) fn create(&self, name: &str, gib: i64) -> csi::CreateVolumeRequest {
        let parameters = [
            ("clusterID", CLUSTER_ID),
            ("fsName", &self.fs),
            ("csi.storage.k8s.io/pvc/name", "data"),
            ("csi.storage.k8s.io/pvc/namespace", "shop"),
            ("csi.storage.k8s.io/pv/name", name),
        ];
        csi::CreateVolumeRequest {
            name: name.to_owned(),
            capacity_range: Some(csi::CapacityRange {
                required_bytes: gib << 30,
                limit_bytes: 0,
            }),
            volume_capabilities: vec![capability(Mode::MultiNodeMultiWriter)],
            parameters: parameters
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            secrets: self.secrets(),
            ..Default::default()
        }
    }

    pub(crate) fn delete(&self, volume_id: &str) -> csi::DeleteVolumeRequest {
        csi::DeleteVolumeRequest {
            volume_id: volume_id.to_owned(),
            secrets: self.secrets(),
        }
    }

    pub(crate) fn expand(&self, volume_id: &str, gib: i64) -> csi::ControllerExpandVolumeRequest {
        csi::ControllerExpandVolumeRequest {
            volume_id: volume_id.to_owned(),
            capacity_range: Some(csi::CapacityRange {
                required_bytes: gib << 30,
                limit_bytes: 0,
            }),
            secrets: self.secrets(),
            volume_capability: None,
        }
    }

    pub(crate) fn validate(&self, volume_id: &str) -> csi::ValidateVolumeCapabilitiesRequest {
        csi::ValidateVolumeCapabilitiesRequest {
            volume_id: volume_id.to_owned(),
            volume_capabilities: vec![capability(Mode::MultiNodeMultiWriter)],
            secrets: self.secrets(),
            ..Default::default()
        }
    }

    /// Names of all subvolumes, as `ceph` tells, but for the directories that the tests of mounts made by
    /// hand in the same group.
    pub(crate) fn subvolumes(&self) -> Vec<String> {
        let json = run(
            "ceph",
            &["fs", "subvolume", "ls", &self.fs, &self.group, "-f", "json"],
        );
        let entries: Vec<BTreeMap<String, String>> = serde_json::from_str(&json).unwrap();
        entries
            .into_iter()
            .map(|mut entry| entry.remove("name").unwrap())
            .filter(|name| !name.starts_with("spirula-test-"))
            .collect()
    }

    /// The quotas of subvolumes, as Ceph tells. On one connection: the command `ceph` takes a quarter of a
    /// second to start.
    pub(crate) fn quotas<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<u64> {
        let cluster = librados::Cluster::connect(&librados::Config {
            monitors: librados::Monitors::parse(&self.monitors).unwrap(),
            user: self.user.clone(),
            key: self.key.clone().into(),
            conf_file: None,
            connect_timeout: Duration::from_secs(10),
            osd_timeout: Duration::from_secs(30),
        });
        let cluster = cluster.unwrap();
        let quota = |name: &str| {
            let command = serde_json::json!({
                "prefix": "fs subvolume info",
                "vol_name": self.fs,
                "sub_name": name,
                "group_name": self.group,
                "format": "json",
            });
            let info = cluster.mgr_command(&command.to_string()).unwrap();
            let info: serde_json::Value = serde_json::from_slice(&info).unwrap();
            info["bytes_quota"].as_u64().unwrap()
        };
        names.into_iter().map(quota).collect()
    }

    /// Journal objects with their keys, as `rados` tells; without the one that is taken away when the
    /// names' metadata is stored, which is some time after the answer.
    pub(crate) fn journal(&self) -> BTreeMap<String, Vec<String>> {
        let pool = ["-p", &self.metadata_pool, "-N", "csi"];
        let objects = run("rados", &[&pool[..], &["ls"]].concat());
        let keys = |object: &str| {
            let keys = run("rados", &[&pool[..], &["listomapkeys", object]].concat());
            let keys = keys
                .lines()
                .filter(|key| *key != "spirula.metadata.pending");
            keys.map(str::to_owned).collect()
        };
        objects
            .lines()
            .map(|object| (object.to_owned(), keys(object)))
            .collect()
    }

    /// No subvolume, no record, no directory key.
    pub(crate) fn expect_empty(&self, when: &str) {
        let left = self.left_in_journal();
        assert!(left.is_empty(), "journal {when}: {left:#?}");
        self.expect_no_subvolume(when);
    }

    /// The journal without directories that are empty. What is left of a deletion goes some time after its answer:
    /// that is waited for.
    fn left_in_journal(&self) -> BTreeMap<String, Vec<String>> {
        let directory = |object: &str| {
            let directories = ["csi.volumes.", "csi.snaps.", "csi.groups."];
            directories.iter().any(|name| object.starts_with(name))
        };
        let until = Instant::now() + Duration::from_mins(1);
        loop {
            let mut journal = self.journal();
            journal.retain(|object, keys| !(directory(object) && keys.is_empty()));
            if journal.is_empty() || Instant::now() > until {
                return journal;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A subvolume that was deleted before its last snapshot goes after that, when the manager has purged
    /// what was in it, and in its queue before it: some seconds for each hundred of volumes.
    fn expect_no_subvolume(&self, when: &str) {
        let until = Instant::now() + Duration::from_mins(5);
        let mut left = self.subvolumes();
        while !left.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(500));
            left = self.subvolumes();
        }
        assert_eq!(left, Vec::<String>::new(), "subvolumes {when}");
    }

    /// The process id of a daemon such as `mgr.x`.
    pub(crate) fn pid(&self, daemon: &str) -> String {
        let file = format!("{}/run/{daemon}.pid", self.directory);
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    pub(crate) fn signal(&self, daemon: &str, signal: &str) {
        run("kill", &["-s", signal, &self.pid(daemon)]);
    }

    /// Starts what is down, and waits until the cluster works again.
    pub(crate) fn up(&self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dev/ceph");
        let up = Command::new(script)
            .arg("up")
            .env("SPIRULA_CEPH_DIR", &self.directory)
            .output();
        let up = up.unwrap();
        assert!(
            up.status.success(),
            "{}",
            String::from_utf8_lossy(&up.stderr)
        );
    }
}

/// Whether the Ceph under test can hold writes back, which group snapshots need.
pub(crate) fn can_hold_back() -> bool {
    let release = std::env::var("SPIRULA_TEST_CEPH_RELEASE").unwrap();
    release.parse::<u32>().unwrap() >= 19
}

/// The snapshot that a group has of a volume.
pub(crate) fn member<'a>(group: &'a csi::VolumeGroupSnapshot, volume: &str) -> &'a csi::Snapshot {
    let mut snapshots = group.snapshots.iter();
    let found = snapshots.find(|one| one.source_volume_id == volume);
    found.unwrap()
}

/// The ids of the snapshots of a group.
pub(crate) fn members(group: &csi::VolumeGroupSnapshot) -> Vec<String> {
    let snapshots = group.snapshots.iter();
    snapshots.map(|one| one.snapshot_id.clone()).collect()
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn capability(mode: Mode) -> VolumeCapability {
    VolumeCapability {
        access_mode: Some(AccessMode { mode: mode.into() }),
        access_type: Some(AccessType::Mount(MountVolume::default())),
    }
}
