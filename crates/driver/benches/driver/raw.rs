//! The raw commands: what is to be done in Ceph, by one connection and nothing around it.

use std::time::Duration;

use csi_proto::v1::Volume;
use librados::{Cluster, Config, Monitors, OmapPage, ReadOp};
use serde_json::{Value, json};

use crate::lab::Lab;

pub(crate) const GIB: u64 = 1 << 30;

const OMAP: &str = "bench";

/// One connection.
pub(crate) struct Raw {
    cluster: Cluster,
    fs: String,
    group: String,
    metadata_pool: i64,
}

impl Raw {
    pub(crate) fn connect(lab: &Lab) -> Self {
        let cluster = Cluster::connect(&Config {
            monitors: Monitors::parse(&lab.monitors).unwrap(),
            user: lab.user.clone(),
            key: lab.key.clone().into(),
            conf_file: None,
            connect_timeout: Duration::from_secs(10),
            osd_timeout: Duration::from_secs(30),
        });
        let cluster = cluster.unwrap();
        let list = json!({"prefix": "fs ls", "format": "json"}).to_string();
        let list: Value = serde_json::from_slice(&cluster.mon_command(&list).unwrap()).unwrap();
        let mut all = list.as_array().unwrap().iter();
        let ours = all.find(|fs| fs["name"] == *lab.fs).unwrap();
        Self {
            metadata_pool: ours["metadata_pool_id"].as_i64().unwrap(),
            cluster,
            fs: lab.fs.clone(),
            group: lab.group.clone(),
        }
    }

    /// Creates a subvolume of 1 GiB and asks for its path.
    pub(crate) fn create(&self, name: &str) {
        self.command("create", name, &json!({"size": GIB}));
        self.path(name);
    }

    pub(crate) fn path(&self, name: &str) {
        self.command("getpath", name, &json!({}));
    }

    pub(crate) fn resize(&self, name: &str, gib: u64) {
        let size = (gib * GIB).to_string();
        self.command(
            "resize",
            name,
            &json!({"new_size": size, "no_shrink": true}),
        );
    }

    /// Takes a snapshot and asks when it was taken.
    pub(crate) fn snapshot(&self, name: &str, snapshot: &str) {
        self.create_snapshot(name, snapshot);
        self.snapshot_info(name, snapshot);
    }

    pub(crate) fn create_snapshot(&self, name: &str, snapshot: &str) {
        self.command("snapshot create", name, &json!({"snap_name": snapshot}));
    }

    /// Begins a clone of a snapshot.
    pub(crate) fn clone(&self, name: &str, snapshot: &str, target: &str) {
        let clone = json!({
            "snap_name": snapshot,
            "target_sub_name": target,
            "target_group_name": self.group,
        });
        self.command("snapshot clone", name, &clone);
    }

    /// Looks every so often whether a clone is complete, until it is.
    pub(crate) fn wait_for_clone(&self, name: &str, pause: Duration) {
        let status = json!({
            "prefix": "fs clone status",
            "vol_name": self.fs,
            "clone_name": name,
            "group_name": self.group,
            "format": "json",
        });
        loop {
            let answer = self.cluster.mgr_command(&status.to_string()).unwrap();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            match answer["status"]["state"].as_str().unwrap() {
                "complete" => return,
                "pending" | "in-progress" => std::thread::sleep(pause),
                other => panic!("clone {name} is {other}"),
            }
        }
    }

    pub(crate) fn snapshot_info(&self, name: &str, snapshot: &str) {
        self.command("snapshot info", name, &json!({"snap_name": snapshot}));
    }

    pub(crate) fn remove_snapshot(&self, name: &str, snapshot: &str) {
        self.command("snapshot rm", name, &json!({"snap_name": snapshot}));
    }

    pub(crate) fn set_metadata(&self, name: &str, key: &str, value: &str) {
        self.command(
            "metadata set",
            name,
            &json!({"key_name": key, "value": value}),
        );
    }

    pub(crate) fn remove(&self, name: &str) {
        self.command("rm", name, &json!({}));
    }

    fn command(&self, verb: &str, name: &str, more: &Value) {
        let mut command = json!({
            "prefix": format!("fs subvolume {verb}"),
            "vol_name": self.fs,
            "sub_name": name,
            "group_name": self.group,
        });
        let more = more.as_object().unwrap().clone();
        command.as_object_mut().unwrap().extend(more);
        self.cluster.mgr_command(&command.to_string()).unwrap();
    }

    /// One write of the kind that the driver's journal is made with.
    pub(crate) fn write_omap(&self, value: &str) {
        let mut journal = self.cluster.io_ctx(self.metadata_pool, "csi").unwrap();
        let mut write = journal.write_op().unwrap();
        write.omap_set([("key", value.as_bytes())]);
        journal.write(OMAP, write).unwrap();
    }

    /// Removes what [`Self::write_omap`] has left.
    pub(crate) fn remove_omap(&self) {
        let mut journal = self.cluster.io_ctx(self.metadata_pool, "csi").unwrap();
        let mut write = journal.write_op().unwrap();
        write.remove();
        journal.write(OMAP, write).unwrap();
    }

    /// Waits until the driver has removed the record of what it has deleted, `csi.volume.` or `csi.snap.` by its
    /// id, and the mark that it has for that.
    pub(crate) fn wait_for_removal(&self, kind: &str, id: &str) {
        let record = format!("{kind}{}", uuid(id));
        let directory = format!("{}s.default", kind.trim_end_matches('.'));
        let is_marked = || {
            let marks = self.omap(&directory, "spirula.retired.");
            marks.is_some_and(|marks| !marks.is_empty())
        };
        while self.omap(&record, "").is_some() || is_marked() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The values of an object of the journal whose keys begin with `prefix`; `None` if it is not there.
    fn omap(&self, object: &str, prefix: &str) -> Option<Vec<Vec<u8>>> {
        let page = OmapPage {
            after: "",
            prefix,
            max: 10,
        };
        let wanted = ReadOp {
            omap_page: Some(page),
            ..ReadOp::default()
        };
        let mut journal = self.cluster.io_ctx(self.metadata_pool, "csi").unwrap();
        let read = journal.read(object, &wanted).ok()?;
        Some(read.omap_page.into_values().collect())
    }

    /// Waits until the driver has set the metadata of all volumes.
    pub(crate) fn wait_for_metadata(&self, volumes: &[Volume]) {
        for volume in volumes {
            while self.has_pending_metadata(&volume.volume_context["subvolumeName"]) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Whether the record of a volume says that there is metadata to be set.
    fn has_pending_metadata(&self, subvolume: &str) -> bool {
        let record = format!("csi.volume.{}", uuid(subvolume));
        !self.omap(&record, "spirula.metadata").unwrap().is_empty()
    }
}

/// At the end of an id, or of a name in Ceph.
fn uuid(id: &str) -> &str {
    &id[id.len() - 36..]
}
