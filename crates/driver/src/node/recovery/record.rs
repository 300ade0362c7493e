//! What is needed to mount a volume again: kept in the kernel's keyring, as it has the user's key in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::mount::{
    CephFs, Keyring, MountOptions, MounterKind, OptionSources, Snapshot, SnapshotName,
};

/// A volume that this node has staged.
#[derive(Clone, Debug)]
pub(in super::super) struct Record {
    /// The volume id.
    pub(in super::super) volume: String,
    /// Where it is staged.
    pub(in super::super) staging: PathBuf,
    /// `major:minor` of the superblocks that show the volume here: the last one is that of the staging
    /// path, those before it are dead, and still mounted in places.
    pub(in super::super) devices: Vec<String>,
    /// Where else a dead superblock was seen while it was at the staging path, by its device.
    pub(in super::super) dead: BTreeMap<String, BTreeSet<u64>>,
    /// The staging path is being mounted anew, and may be empty.
    pub(in super::super) mending: bool,
    /// Targets that were unmounted, or are to be, and have not got the new mount yet.
    pub(in super::super) owed: Vec<Owed>,
    /// What is mounted.
    pub(in super::super) fs: CephFs,
}

/// A target that shall have the volume again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Owed {
    /// Where it is.
    pub(in super::super) at: PathBuf,
    /// What it shows, below the staging path or that itself.
    pub(in super::super) source: PathBuf,
    /// The options that it had, as in mountinfo.
    pub(in super::super) options: String,
}

/// The records of all volumes that this node has staged.
#[derive(Clone, Debug)]
pub struct Records {
    /// Outlives the process. `None` where the kernel has no keyring for us.
    keyring: Option<Keyring>,
    known: Arc<Mutex<BTreeMap<String, Record>>>,
}

impl Records {
    /// Records that end with the process.
    pub fn in_memory() -> Self {
        Self {
            keyring: None,
            known: Arc::default(),
        }
    }

    /// Records in the kernel's keyring by this name, with those that an earlier process put there.
    pub fn in_keyring(name: String) -> Self {
        let keyring = Keyring::new(name);
        let known = match load(&keyring) {
            Ok(known) => known,
            Err(error) => {
                tracing::warn!(
                    "{error}; what is needed to mount dead volumes again is kept in this process alone, and \
                     after a restart of the driver a volume is mounted again when it is next staged"
                );
                return Self::in_memory();
            }
        };
        Self {
            keyring: Some(keyring),
            known: Arc::new(Mutex::new(known)),
        }
    }

    pub(in super::super) fn all(&self) -> Vec<Record> {
        self.lock().values().cloned().collect()
    }

    pub(in super::super) fn get(&self, volume: &str) -> Option<Record> {
        self.lock().get(volume).cloned()
    }

    /// Keeps `record`. No other volume is shown by its last device from now on: numbers of devices that
    /// are gone are given again.
    pub(in super::super) fn put(&self, record: Record) {
        self.keep(&mut self.lock(), record);
    }

    /// Changes what is kept of a volume, and returns it; `None` if nothing is. What others have changed since it was
    /// last looked at stays changed.
    pub(in super::super) fn change(
        &self,
        volume: &str,
        change: impl FnOnce(&mut Record),
    ) -> Option<Record> {
        let mut known = self.lock();
        let mut record = known.get(volume).cloned()?;
        change(&mut record);
        self.keep(&mut known, record.clone());
        Some(record)
    }

    fn keep(&self, known: &mut BTreeMap<String, Record>, record: Record) {
        if let Some(device) = record.devices.last() {
            for other in known.values_mut() {
                let had = other.devices.contains(device) || other.dead.contains_key(device);
                if other.volume != record.volume && had {
                    other.devices.retain(|old| old != device);
                    other.dead.remove(device);
                    self.store(other);
                }
            }
        }
        self.store(&record);
        known.insert(record.volume.clone(), record);
    }

    pub(in super::super) fn remove(&self, volume: &str) {
        let known = self.lock().remove(volume);
        if let (Some(_), Some(keyring)) = (known, &self.keyring)
            && let Err(error) = keyring.revoke(volume)
        {
            tracing::warn!("{error}");
        }
    }

    fn store(&self, record: &Record) {
        if let Some(keyring) = &self.keyring
            && let Err(error) = keyring.store(&record.volume, &record.write())
        {
            tracing::warn!("{error}; should this process end, the volume cannot be mounted again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn load(keyring: &Keyring) -> Result<BTreeMap<String, Record>, crate::mount::KeyringError> {
    let mut known = BTreeMap::new();
    for volume in keyring.names()? {
        let text = keyring.read(&volume)?;
        if let Some(record) = text.and_then(|text| Record::read(volume.clone(), &text)) {
            known.insert(volume, record);
        }
    }
    Ok(known)
}

/// A [`Record`] as it is kept. Fields are only ever added: another version of the driver may read it.
#[derive(Serialize, Deserialize)]
struct Stored {
    staging: PathBuf,
    devices: Vec<String>,
    #[serde(default)]
    dead: BTreeMap<String, BTreeSet<u64>>,
    #[serde(default)]
    mending: bool,
    #[serde(default)]
    owed: Vec<Owed>,
    monitors: String,
    name: Option<String>,
    root: String,
    snapshot: Option<StoredSnapshot>,
    user: String,
    key: String,
    fuse_options: String,
    kernel_options: String,
    net_namespace: Option<PathBuf>,
    mounter: String,
}

#[derive(Serialize, Deserialize)]
enum StoredSnapshot {
    OfSubvolume(String),
    Containing(String),
}

impl Record {
    /// In bytes, of at most 32,767.
    #[cfg(test)]
    pub(in super::super) fn length(&self) -> usize {
        self.write().expose_secret().len()
    }

    fn write(&self) -> SecretString {
        let fs = &self.fs;
        let stored = Stored {
            staging: self.staging.clone(),
            devices: self.devices.clone(),
            dead: self.dead.clone(),
            mending: self.mending,
            owed: self.owed.clone(),
            monitors: fs.monitors.clone(),
            name: fs.name.clone(),
            root: fs.root.clone(),
            snapshot: fs.snapshot.as_ref().map(|snapshot| match snapshot {
                Snapshot::OfSubvolume(name) => {
                    StoredSnapshot::OfSubvolume(name.as_str().to_owned())
                }
                Snapshot::Containing(text) => StoredSnapshot::Containing(text.clone()),
            }),
            user: fs.user.clone(),
            key: fs.key.expose_secret().to_owned(),
            fuse_options: fs.fuse_options.to_string(),
            kernel_options: fs.kernel_options.to_string(),
            net_namespace: fs.net_namespace.clone(),
            mounter: match fs.mounter {
                MounterKind::Any => String::new(),
                kind => kind.to_string(),
            },
        };
        // Maps with text for keys can always be written.
        serde_json::to_string(&stored).unwrap_or_default().into()
    }

    /// `None` if it is none that a driver of this kind wrote.
    fn read(volume: String, text: &SecretString) -> Option<Self> {
        let stored: Stored = serde_json::from_str(text.expose_secret()).ok()?;
        let options = |text: &str| {
            MountOptions::merge(&OptionSources {
                volume: text,
                ..OptionSources::default()
            })
        };
        let snapshot = match stored.snapshot {
            None => None,
            Some(StoredSnapshot::OfSubvolume(name)) => {
                Some(Snapshot::OfSubvolume(SnapshotName::new(&name)?))
            }
            Some(StoredSnapshot::Containing(text)) => Some(Snapshot::Containing(text)),
        };
        Some(Self {
            volume,
            staging: stored.staging,
            devices: stored.devices,
            dead: stored.dead,
            mending: stored.mending,
            owed: stored.owed,
            fs: CephFs {
                monitors: stored.monitors,
                name: stored.name,
                root: stored.root,
                snapshot,
                user: stored.user,
                key: stored.key.into(),
                fuse_options: options(&stored.fuse_options),
                kernel_options: options(&stored.kernel_options),
                net_namespace: stored.net_namespace,
                mounter: stored.mounter.parse().ok()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(volume: &str, device: &str) -> Record {
        Record {
            volume: volume.to_owned(),
            staging: "/staging".into(),
            devices: vec!["0:9".to_owned(), device.to_owned()],
            dead: BTreeMap::from([("0:9".to_owned(), BTreeSet::from([u64::MAX]))]),
            mending: true,
            owed: vec![Owed {
                at: "/target".into(),
                source: "/staging".into(),
                options: "ro".to_owned(),
            }],
            fs: CephFs {
                monitors: "192.0.2.1:6789".to_owned(),
                name: Some("cephfs".to_owned()),
                root: "/volumes/csi/v".to_owned(),
                snapshot: Some(Snapshot::Containing("nightly".to_owned())),
                user: "node".to_owned(),
                key: "AQkey".into(),
                fuse_options: MountOptions::merge(&OptionSources {
                    volume: "debug,ro",
                    ..OptionSources::default()
                }),
                kernel_options: MountOptions::default(),
                net_namespace: Some("/run/netns/ceph".into()),
                mounter: MounterKind::Any,
            },
        }
    }

    #[test]
    fn a_record_is_read_back_and_does_not_show_its_key() {
        let record = record("v", "0:10");
        let read = Record::read("v".to_owned(), &record.write()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{record:?}"));
        assert_eq!(read.fs.key.expose_secret(), "AQkey");
        assert!(!format!("{read:?} {:?}", record.write()).contains("AQkey"));
        assert!(Record::read("v".to_owned(), &"{}".into()).is_none());
    }

    #[test]
    fn a_device_that_is_given_again_is_the_new_volume_s() {
        let records = Records::in_memory();
        records.put(record("old", "0:10"));
        records.put(record("new", "0:10"));
        assert_eq!(records.get("old").unwrap().devices, ["0:9"]);
        records.put(record("new", "0:9"));
        let old = records.change("old", |old| old.mending = false).unwrap();
        assert_eq!(old.devices, [""; 0]);
        assert!(old.dead.is_empty());
        records.remove("old");
        assert_eq!(records.all().len(), 1);
    }
}
