//! What a volume is, from its id and its volume context.
//!
//! There are three kinds. A dynamic volume was made by CreateVolume: its id decodes, and its context
//! has the StorageClass parameters and the path of its subvolume. A static volume says
//! `staticVolume: "true"`, a clusterID and a path. The oldest kind of static volume lists monitors.

use std::collections::BTreeMap;

use super::super::Error;
use crate::credentials::{self, Secrets};
use crate::ids::VolumeId;
use crate::mount::{MounterKind, Snapshot, SnapshotName, UnknownMounter};

/// What to mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A volume that CreateVolume made.
    Dynamic {
        /// Its id.
        id: VolumeId,
        /// Where its data is, if the context tells beyond doubt; else the journal has to be asked.
        place: Option<Place>,
    },
    /// A directory of a cluster in config.json.
    Static {
        /// The cluster.
        cluster_id: String,
        /// The directory.
        place: Place,
    },
    /// A directory of a cluster that is known by its monitors only.
    Monitors {
        /// Comma list.
        monitors: String,
        /// The directory.
        place: Place,
    },
}

/// A directory of a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// File system name, `None` for the cluster's default one.
    pub fs_name: Option<String>,
    /// The directory, from the root of the file system.
    pub root: String,
    /// The snapshot of it that the volume shows.
    pub snapshot: Option<Snapshot>,
}

/// Which client mounts a volume, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// `mounter`.
    pub mounter: MounterKind,
    /// `kernelMountOptions`.
    pub kernel: String,
    /// `fuseMountOptions`.
    pub fuse: String,
}

/// Volume context of a snapshot-backed volume that this driver made: its snapshot's name in Ceph, with
/// which a node needs to ask nobody.
pub const BACKING_SNAPSHOT_NAME: &str = "backingSnapshotName";

/// Where volumes of the oldest kind were made, below it by their id.
const OLD_VOLUMES: &str = "/csi-volumes";

/// A volume context.
struct Attributes<'a>(&'a BTreeMap<String, String>);

impl Source {
    /// Reads the kind of volume that `volume` is.
    ///
    /// # Errors
    /// [`crate::error::Error::Unserved`] for encrypted volumes, which must not be mounted as if they were
    /// plain ones; request errors for what makes no sense.
    pub fn parse(
        volume: &str,
        context: &BTreeMap<String, String>,
        secrets: &Secrets,
    ) -> Result<Self, crate::error::Error> {
        let attributes = Attributes(context);
        attributes.refuse_unserved()?;
        let undecodable = match VolumeId::decode(volume) {
            Ok(id) => {
                let place = attributes.place()?;
                return Ok(Self::Dynamic { id, place });
            }
            Err(error) => error,
        };
        attributes.refuse_doubtful(secrets)?;
        let fs_name = attributes.optional("fsName")?.map(str::to_owned);
        let snapshot = attributes.optional("backingSnapshotID")?;
        let snapshot = snapshot.map(|id| Snapshot::Containing(id.to_owned()));
        if attributes.flag("staticVolume")? == Some(true) {
            return Ok(Self::Static {
                cluster_id: attributes.required("clusterID")?.to_owned(),
                place: Place {
                    fs_name,
                    root: attributes.required("rootPath")?.to_owned(),
                    snapshot,
                },
            });
        }
        let Some(monitors) = attributes.optional("monitors")? else {
            let why = format!(
                "{undecodable}; a static volume has `staticVolume: \"true\"`, `clusterID` and \
                 `rootPath` in its volume attributes"
            );
            return Err(Error::invalid("volume_id", why).into());
        };
        Ok(Self::Monitors {
            monitors: credentials::monitors(secrets)
                .unwrap_or(monitors)
                .to_owned(),
            place: Place {
                fs_name,
                root: attributes.old_root(volume)?,
                snapshot,
            },
        })
    }
}

impl ClientOptions {
    /// Reads the parameters of clients.
    ///
    /// # Errors
    /// [`Error`] for an unknown mounter and for parameters that are there and empty.
    pub fn parse(context: &BTreeMap<String, String>) -> Result<Self, Error> {
        let attributes = Attributes(context);
        let mounter = attributes.optional("mounter")?.unwrap_or_default();
        let unknown =
            |error: UnknownMounter| Error::invalid("volume_context.mounter", error.to_string());
        let list = |name| Ok(attributes.optional(name)?.unwrap_or_default().to_owned());
        Ok(Self {
            mounter: mounter.parse().map_err(unknown)?,
            kernel: list("kernelMountOptions")?,
            fuse: list("fuseMountOptions")?,
        })
    }
}

impl<'a> Attributes<'a> {
    fn optional(&self, name: &str) -> Result<Option<&'a str>, Error> {
        match self.0.get(name).map(String::as_str) {
            Some("") => {
                let why = format!("parameter '{name}' cannot be empty");
                Err(Error::invalid(field(name), why))
            }
            value => Ok(value),
        }
    }

    fn required(&self, name: &str) -> Result<&'a str, Error> {
        let missing = || Error::invalid(field(name), format!("missing required field {name}"));
        self.optional(name)?.ok_or_else(missing)
    }

    /// A boolean, in all spellings that the original's language takes for one.
    fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.0.get(name).map(String::as_str) {
            None => Ok(None),
            Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(Some(true)),
            Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(Some(false)),
            Some(other) => {
                let why = format!("`{other}` is neither `true` nor `false`");
                Err(Error::invalid(field(name), why))
            }
        }
    }

    /// Where a dynamic volume is, if the context tells beyond doubt.
    ///
    /// The path of a plain volume leads through the volume's own subvolume, that of a snapshot-backed
    /// one through its parent's. Of which snapshot it is, volumes of this driver say; of those of
    /// the original only the journal tells. And `encrypted: "false"` proves nothing: the original
    /// encrypts such a volume all the same when it can.
    fn place(&self) -> Result<Option<Place>, Error> {
        let (Some(fs_name), Some(subvolume), Some(root)) = (
            self.optional("fsName")?,
            self.0.get("subvolumeName"),
            self.0.get("subvolumePath"),
        ) else {
            return Ok(None);
        };
        if !root.starts_with('/') || self.0.contains_key("encrypted") {
            return Ok(None);
        }
        let own = !subvolume.is_empty() && root.split('/').any(|part| part == subvolume);
        let snapshot = self.0.get(BACKING_SNAPSHOT_NAME);
        let snapshot = match snapshot.map(String::as_str).map(SnapshotName::new) {
            Some(Some(name)) if !own => Some(Snapshot::OfSubvolume(name)),
            None if own && !self.0.contains_key("backingSnapshotID") => None,
            _ => return Ok(None),
        };
        Ok(Some(Place {
            fs_name: Some(fs_name.to_owned()),
            root: root.to_owned(),
            snapshot,
        }))
    }

    /// The directory of a volume that lists monitors.
    fn old_root(&self, volume: &str) -> Result<String, Error> {
        self.required("provisionVolume")?;
        if self.flag("provisionVolume")? == Some(true) {
            return Ok(format!("{OLD_VOLUMES}/{volume}"));
        }
        Ok(self.required("rootPath")?.to_owned())
    }

    fn refuse_unserved(&self) -> Result<(), crate::error::Error> {
        match self.flag("encrypted")? {
            Some(true) => Err(unserved("an encrypted volume".to_owned())),
            _ => Ok(()),
        }
    }

    /// The original encrypts a static volume with `encrypted: "false"` as well if the secret has a
    /// passphrase, and no journal tells whether it did.
    fn refuse_doubtful(&self, secrets: &Secrets) -> Result<(), crate::error::Error> {
        if self.0.contains_key("encrypted") && secrets.contains_key("encryptionPassphrase") {
            let what = "a static volume with `encrypted: \"false\"` and an `encryptionPassphrase`, \
                        which ceph-csi would have encrypted,";
            return Err(unserved(what.to_owned()));
        }
        Ok(())
    }
}

fn unserved(what: String) -> crate::error::Error {
    let cure = "use ceph-csi for this volume";
    crate::error::Error::Unserved { what, cure }
}

fn field(name: &str) -> String {
    format!("volume_context.{name}")
}
