//! The steps, in order.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use csi_proto::v1::volume_capability::access_mode::Mode;
use csi_proto::v1::volume_capability::{AccessMode, AccessType, MountVolume};
use csi_proto::v1::volume_usage::Unit;
use csi_proto::v1::{self as csi, VolumeCapability};
use tonic::Code;

use crate::driver::{Driver, attempt, call, request};
use crate::machine::{Machine, wait_until};
use crate::screen;

const GIB: i64 = 1 << 30;
const CLUSTER_ID: &str = "demo";
const NAME: &str = "pvc-demo";
const DF: &str = "df -h --output=size,used,avail .";
const PODS: [&str; 2] = ["pod-a", "pod-b"];

pub(crate) async fn tell() -> Result<()> {
    let machine = Machine::look()?;
    let driver = Driver::connect(machine.directory.join("csi.sock")).await?;
    let mut story = Story { machine, driver };
    story.introduce().await?;
    let volume = story.create().await?;
    story.repeat(&volume).await?;
    story.misspell().await?;
    story.stage(&volume).await?;
    story.publish(&volume).await?;
    story.share(&volume).await?;
    story.grow(&volume).await?;
    story.put_away(&volume).await?;
    story.delete(&volume).await?;
    story.look_around(&volume)
}

struct Story {
    machine: Machine,
    driver: Driver,
}

impl Story {
    async fn introduce(&mut self) -> Result<()> {
        screen::paragraph(
            "Kubernetes knows nothing of CephFS. When a pod asks for storage it calls a CSI driver: a program \
             that waits on a socket for some ten kinds of call. Spirula is one for CephFS. Here it runs \
             against a real Ceph on this machine, and the demo makes the calls in Kubernetes' place. After \
             each it asks Ceph and the mount table what has changed. Lines with `ok` are checked.",
        );
        let info = self
            .driver
            .identity
            .get_plugin_info(request(csi::GetPluginInfoRequest {}));
        let info = call("GetPluginInfo", &[], info).await?;
        screen::fields(&[
            ("name", info.name.clone()),
            ("version", info.vendor_version),
        ]);
        screen::check(
            info.name == "cephfs.csi.ceph.com",
            "it has the name of ceph-csi's driver, so that existing volumes and classes find it",
        )
    }

    async fn create(&mut self) -> Result<csi::Volume> {
        screen::step(
            1,
            "Create a volume",
            "Somebody asks for 1 GiB that many pods can write to. The driver makes a subvolume, which is a \
             directory with a quota, and a record in RADOS that leads from the name to it.",
        );
        let fields = [
            ("name", NAME.to_owned()),
            ("size", "1 GiB".to_owned()),
            (
                "parameters",
                format!("clusterID {CLUSTER_ID}, fsName {}", self.machine.fs),
            ),
            (
                "secrets",
                format!("userID {}, userKey ***", self.machine.user),
            ),
        ];
        let answer = self
            .driver
            .controller
            .create_volume(request(self.order("fsName")));
        let answer = call("CreateVolume", &fields, answer).await?;
        let volume = answer.volume.context("the answer has no volume")?;
        screen::fields(&[
            ("volume_id", volume.volume_id.clone()),
            ("capacity", format!("{} bytes", volume.capacity_bytes)),
        ]);
        self.expect_quota(&volume, 1)?;
        let record = self.machine.record(&record_of(&volume)?)?;
        screen::check(
            record.contains(NAME) && record.contains(context(&volume, "subvolumeName")?),
            "the record knows the name and the subvolume, in the format of ceph-csi",
        )?;
        let command = format!("ceph fs subvolume metadata ls {}", self.at(&volume)?);
        let claim = "the name of the claim is on the subvolume, for people who look at Ceph";
        wait_until(claim, || {
            Ok(self.machine.ask(&command)?.contains("shopping-cart"))
        })?;
        let metadata = self.machine.show(&command, &["pvc/"])?;
        screen::check(metadata.contains("shopping-cart"), claim)?;
        Ok(volume)
    }

    async fn repeat(&mut self, volume: &csi::Volume) -> Result<()> {
        screen::step(
            2,
            "Ask once more",
            "Kubernetes forgets answers, restarts, and asks again. A second volume would be a leak that \
             nobody finds.",
        );
        let answer = self
            .driver
            .controller
            .create_volume(request(self.order("fsName")));
        let fields = [
            ("name", NAME.to_owned()),
            ("...", "all as before".to_owned()),
        ];
        let answer = call("CreateVolume", &fields, answer).await?;
        screen::check(answer.volume.as_ref() == Some(volume), "the same answer")?;
        screen::check(self.machine.subvolumes()? == 1, "still one subvolume")
    }

    async fn misspell(&mut self) -> Result<()> {
        screen::step(
            3,
            "Ask wrongly",
            "Sooner or later somebody misspells a parameter. An error should say what to change.",
        );
        let fields = [(
            "parameters",
            format!("clusterID {CLUSTER_ID}, fsname {}", self.machine.fs),
        )];
        let answer = self
            .driver
            .controller
            .create_volume(request(self.order("fsname")));
        let answer = attempt("CreateVolume", &fields, answer).await;
        let status = answer.err().context("expected: an error")?;
        screen::check(
            status.code() == Code::InvalidArgument && status.message().contains("has `fsname`"),
            "the code for a wrong request, and a message that names the misspelt parameter",
        )
    }

    async fn stage(&mut self, volume: &csi::Volume) -> Result<()> {
        screen::step(
            4,
            "Mount it on the node",
            "The first pod that uses the volume starts on this node. The driver starts a client of CephFS, \
             ceph-fuse, once for all pods of the node. Kubernetes names the directory.",
        );
        let message = csi::NodeStageVolumeRequest {
            volume_id: volume.volume_id.clone(),
            staging_target_path: self.staging(),
            volume_capability: Some(shared()),
            secrets: self.secrets(),
            volume_context: volume.volume_context.clone(),
            ..Default::default()
        };
        std::fs::create_dir_all(&message.staging_target_path)?;
        let fields = [
            ("volume_id", message.volume_id.clone()),
            ("staging_target_path", message.staging_target_path.clone()),
            (
                "secrets",
                format!("userID {}, userKey ***", self.machine.user),
            ),
        ];
        let answer = self.driver.node.node_stage_volume(request(message));
        call("NodeStageVolume", &fields, answer).await?;
        screen::check(self.machine.mounts()? == 1, "one mount")?;
        let clients = self.machine.clients()?;
        screen::check(
            clients.len() == 1,
            "one client process, whose command line anybody can read:",
        )?;
        let words = clients.iter().flat_map(|line| line.split(' '));
        for word in words.filter(|word| word.starts_with("--keyfile")) {
            screen::fields(&[("ceph-fuse", format!("... {word} ..."))]);
        }
        let shown = clients.iter().any(|line| line.contains(&self.machine.key));
        screen::check(
            !shown,
            "the key is not in it: it was handed over in memory, without a file",
        )
    }

    async fn publish(&mut self, volume: &csi::Volume) -> Result<()> {
        screen::step(
            5,
            "Give it to two pods",
            "Each pod sees the volume at a path of its own: a bind mount of the one that is there.",
        );
        for pod in PODS {
            let message = csi::NodePublishVolumeRequest {
                volume_id: volume.volume_id.clone(),
                staging_target_path: self.staging(),
                target_path: self.target(pod),
                volume_capability: Some(shared()),
                volume_context: volume.volume_context.clone(),
                ..Default::default()
            };
            std::fs::create_dir_all(self.machine.directory.join(pod))?;
            let fields = [("target_path", message.target_path.clone())];
            let answer = self.driver.node.node_publish_volume(request(message));
            call("NodePublishVolume", &fields, answer).await?;
        }
        screen::check(
            self.machine.mounts()? == 3,
            "three mounts: one of the node, two of pods",
        )
    }

    async fn share(&mut self, volume: &csi::Volume) -> Result<()> {
        screen::step(
            6,
            "Share a file",
            "Both pods read and write the same file, one of them more than a shopping list, and Kubernetes asks \
             how full the volume is.",
        );
        self.machine.show_in("pod-a", "echo 'a: milk' > list")?;
        self.machine.show_in("pod-b", "echo 'b: bread' >> list")?;
        let list = self.machine.show_in("pod-a", "cat list")?;
        screen::check(
            list == "a: milk\nb: bread\n",
            "each sees what the other has written",
        )?;
        self.machine
            .show_in("pod-b", "head -c 100M /dev/zero > photo")?;
        let used = format!("df -h --output=used {}", self.target("pod-a"));
        let what = "100 MiB used";
        wait_until(what, || Ok(self.machine.ask(&used)?.contains("100M")))?;
        let message = csi::NodeGetVolumeStatsRequest {
            volume_id: volume.volume_id.clone(),
            volume_path: self.target("pod-a"),
            ..Default::default()
        };
        let answer = self.driver.node.node_get_volume_stats(request(message));
        let usage = call("NodeGetVolumeStats", &[], answer).await?.usage;
        for entry in &usage {
            let unit = format!("{:?}", entry.unit()).to_lowercase();
            let total = match entry.total {
                0 => "no limit".to_owned(),
                total => format!("{total} in all"),
            };
            screen::fields(&[(&unit, format!("{} used, {total}", entry.used))]);
        }
        let bytes = usage.iter().find(|entry| entry.unit() == Unit::Bytes);
        let is_right = |entry: &csi::VolumeUsage| entry.total == GIB && entry.used >= 100 << 20;
        screen::check(bytes.is_some_and(is_right), "100 MiB of 1 GiB")
    }

    async fn grow(&mut self, volume: &csi::Volume) -> Result<()> {
        screen::step(
            7,
            "Let it grow while it is in use",
            "The claim is edited: 2 GiB, please. The quota changes, and the pods notice by themselves.",
        );
        let before = self.machine.show_in("pod-a", DF)?;
        screen::check(before.contains("1.0G"), "1 GiB before")?;
        let message = csi::ControllerExpandVolumeRequest {
            volume_id: volume.volume_id.clone(),
            capacity_range: Some(at_least(2)),
            secrets: self.secrets(),
            volume_capability: Some(shared()),
        };
        let fields = [
            ("volume_id", volume.volume_id.clone()),
            ("size", "2 GiB".to_owned()),
        ];
        let answer = self
            .driver
            .controller
            .controller_expand_volume(request(message));
        let answer = call("ControllerExpandVolume", &fields, answer).await?;
        screen::check(
            answer.capacity_bytes == 2 * GIB && !answer.node_expansion_required,
            "2 GiB, and nothing is left to do on the nodes",
        )?;
        self.expect_quota(volume, 2)?;
        let size = format!("df -h --output=size {}", self.target("pod-b"));
        let what = "2 GiB after, in the other pod too";
        wait_until(what, || Ok(self.machine.ask(&size)?.contains("2.0G")))?;
        let after = self.machine.show_in("pod-b", DF)?;
        screen::check(after.contains("2.0G"), what)?;
        let list = self.machine.show_in("pod-b", "cat list; ls -sh photo")?;
        screen::check(list.contains("a: milk"), "the data is as it was")
    }

    async fn put_away(&mut self, volume: &csi::Volume) -> Result<()> {
        screen::step(
            8,
            "Put it away",
            "The pods end. Each path is given back, and after the last one the node's mount.",
        );
        for pod in PODS {
            let message = csi::NodeUnpublishVolumeRequest {
                volume_id: volume.volume_id.clone(),
                target_path: self.target(pod),
            };
            let fields = [("target_path", message.target_path.clone())];
            let answer = self.driver.node.node_unpublish_volume(request(message));
            call("NodeUnpublishVolume", &fields, answer).await?;
        }
        let message = csi::NodeUnstageVolumeRequest {
            volume_id: volume.volume_id.clone(),
            staging_target_path: self.staging(),
        };
        let fields = [("staging_target_path", message.staging_target_path.clone())];
        let answer = self.driver.node.node_unstage_volume(request(message));
        call("NodeUnstageVolume", &fields, answer).await?;
        screen::check(self.machine.mounts()? == 0, "no mount")?;
        let what = "no client process";
        wait_until(what, || Ok(self.machine.clients()?.is_empty()))?;
        screen::check(self.machine.clients()?.is_empty(), what)?;
        screen::check(
            self.machine.subvolumes()? == 1,
            "the data stays, for the next pod",
        )
    }

    async fn delete(&mut self, volume: &csi::Volume) -> Result<()> {
        screen::step(
            9,
            "Delete it, twice",
            "The claim is deleted. As with creation, a repeat must do no harm.",
        );
        for _ in 0..2 {
            let message = csi::DeleteVolumeRequest {
                volume_id: volume.volume_id.clone(),
                secrets: self.secrets(),
            };
            let fields = [("volume_id", message.volume_id.clone())];
            let answer = self.driver.controller.delete_volume(request(message));
            call("DeleteVolume", &fields, answer).await?;
        }
        Ok(())
    }

    fn look_around(&self, volume: &csi::Volume) -> Result<()> {
        screen::step(
            10,
            "Nothing is left",
            "Not in Ceph, not on this node, and no secret in the log.",
        );
        screen::check(self.machine.subvolumes()? == 0, "no subvolume")?;
        let record = record_of(volume)?;
        self.machine.wait_for_journal(&record)?;
        screen::check(
            !self.machine.journal()?.contains(&record),
            "no record of the volume",
        )?;
        let names = self.machine.record("csi.volumes.default")?;
        screen::check(names.is_empty(), "no name in the directory of names")?;
        screen::check(self.machine.mounts()? == 0, "no mount")?;
        screen::check(self.machine.clients()?.is_empty(), "no client process")?;
        for pod in PODS {
            let target = PathBuf::from(self.target(pod));
            screen::check(!target.try_exists()?, &format!("no directory for {pod}"))?;
        }
        let log = std::fs::read_to_string(self.machine.directory.join("driver.log"))?;
        screen::check(
            log.contains("CreateVolume") && !log.contains(&self.machine.key),
            "the driver's log has all calls at its finest level, and the key nowhere",
        )
    }

    fn expect_quota(&self, volume: &csi::Volume, gib: i64) -> Result<()> {
        let command = format!("ceph fs subvolume info {}", self.at(volume)?);
        let info = self.machine.show(&command, &["bytes_quota", "\"path\""])?;
        screen::check(
            info.contains(&format!("\"bytes_quota\": {},", gib * GIB)),
            &format!("the subvolume has a quota of {gib} GiB"),
        )
    }

    /// What Ceph's commands want to know of a subvolume.
    fn at(&self, volume: &csi::Volume) -> Result<String> {
        let Machine { fs, group, .. } = &self.machine;
        Ok(format!(
            "{fs} {} {group}",
            context(volume, "subvolumeName")?
        ))
    }

    /// The request for the volume, with the file system in a parameter of this name.
    fn order(&self, fs_name: &str) -> csi::CreateVolumeRequest {
        let parameters = [
            ("clusterID", CLUSTER_ID),
            (fs_name, &self.machine.fs),
            ("csi.storage.k8s.io/pvc/name", "shopping-cart"),
            ("csi.storage.k8s.io/pvc/namespace", "shop"),
            ("csi.storage.k8s.io/pv/name", NAME),
        ];
        csi::CreateVolumeRequest {
            name: NAME.to_owned(),
            capacity_range: Some(at_least(1)),
            volume_capabilities: vec![shared()],
            parameters: owned(parameters),
            secrets: self.secrets(),
            ..Default::default()
        }
    }

    fn secrets(&self) -> BTreeMap<String, String> {
        owned([
            ("userID", &self.machine.user),
            ("userKey", &self.machine.key),
        ])
    }

    fn staging(&self) -> String {
        self.machine
            .directory
            .join("node-mount")
            .display()
            .to_string()
    }

    fn target(&self, pod: &str) -> String {
        self.machine
            .directory
            .join(pod)
            .join("volume")
            .display()
            .to_string()
    }
}

/// Mounted, and written by many pods on many nodes.
fn shared() -> VolumeCapability {
    VolumeCapability {
        access_mode: Some(AccessMode {
            mode: Mode::MultiNodeMultiWriter.into(),
        }),
        access_type: Some(AccessType::Mount(MountVolume::default())),
    }
}

fn at_least(gib: i64) -> csi::CapacityRange {
    csi::CapacityRange {
        required_bytes: gib * GIB,
        limit_bytes: 0,
    }
}

fn context<'a>(volume: &'a csi::Volume, key: &str) -> Result<&'a str> {
    let value = volume.volume_context.get(key);
    Ok(value.with_context(|| format!("the volume's context has no {key}"))?)
}

/// The journal's object of a volume: the id ends in its uuid.
fn record_of(volume: &csi::Volume) -> Result<String> {
    let at = volume.volume_id.len().checked_sub(36);
    let uuid = at.and_then(|at| volume.volume_id.get(at..));
    Ok(format!(
        "csi.volume.{}",
        uuid.context("the volume id is too short")?
    ))
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}
